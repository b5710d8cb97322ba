"""Steps that nobody judged: which they are, and the promise to leave them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.vec_env.infos import StepInfos


def unjudged_rows(infos: Sequence[dict[str, Any]]) -> NDArray[np.bool_] | None:
    """(n_envs,) where the parent gave no verdict in this step; None for nowhere."""
    arrays = getattr(infos, "arrays", infos)
    if isinstance(arrays, StepInfos):
        return arrays.unjudged
    rows = np.array([info.get("parent_source") == "unjudged" for info in infos])
    return rows if rows.any() else None


def may_leave_unjudged(env: VecEnv) -> bool:
    """Whether there can be steps that nobody judges."""
    return env.has_attr("may_leave_unjudged") and any(env.get_attr("may_leave_unjudged"))


def accept_unjudged(env: VecEnv) -> bool:
    """Tells the environments that steps which nobody judged are left out; whether there can be any.

    Without this, environments in which there can be some refuse their first reset.
    """
    if env.has_attr("accept_unjudged"):
        env.env_method("accept_unjudged")
    return may_leave_unjudged(env)
