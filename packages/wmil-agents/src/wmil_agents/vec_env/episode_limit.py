"""How long the episodes of an environment can be, as far as it tells."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv


def episode_limit(env: VecEnv) -> int | None:
    """The longest an episode of these environments can be, by `horizon` or time limit; None where one tells neither.

    A `horizon` counts if it is a whole number: other environments may call something else so.
    """
    told = [_attributes(env, "horizon"), _attributes(env, "_max_episode_steps")]  # the second is a `TimeLimit`'s
    if not isinstance(
        env.unwrapped, SubprocVecEnv
    ):  # from its processes only what can be pickled comes, and specs may not
        told.append([getattr(spec, "max_episode_steps", None) for spec in _attributes(env, "spec")])
    longest = 0
    for limits in zip(*told, strict=True):
        known = [limit for limit in (int(told) for told in limits if isinstance(told, Integral)) if limit > 0]
        if not known:
            return None
        longest = max(longest, min(known))
    return longest


def _attributes(env: VecEnv, name: str) -> list[Any]:
    """An attribute of each environment, None where there is none."""
    return env.get_attr(name) if env.has_attr(name) else [None] * env.num_envs
