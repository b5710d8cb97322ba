"""What a block of an episode log holds: its arrays, and what their columns are called."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from wmil_agents.auxiliary_losses.world_model import WorldModelHead
from wmil_agents.checkpoints.continued_algorithm import plain_class
from wmil_agents.evaluation.world_model_errors import world_model_head
from wmil_agents.extractors.token_names import token_names
from wmil_agents.runs.episode_rows import ENDED, ENV, STEP, Arrays
from wmil_envs.attribute import AttributeSpace
from wmil_envs.parent import SOURCES


def block_arrays(rows: Arrays, starts: NDArray[np.int64], numbers: NDArray[np.int64]) -> Arrays:
    """The arrays of a block, from rows of whole episodes."""
    last = starts[1:] - 1
    arrays = {
        name: column
        for name, column in rows.items()
        if name not in (ENDED, ENV, STEP) and not name.startswith("final_observations")
    }
    arrays |= {
        "episodes": numbers.astype(np.int64),
        "episode_starts": starts.astype(np.int64),
        "episode_envs": rows[ENV][last].astype(np.int32),
        "episode_end_steps": rows[STEP][last],
    }
    return arrays | {name: column[last] for name, column in rows.items() if name.startswith("final_observations")}


def update_arrays(updates: list[tuple[int, dict[str, float]]]) -> Arrays:
    """The arrays of what updates logged, each with the step it came after; none for no updates."""
    if not updates:
        return {}
    names = sorted({name for _, losses in updates for name in losses})
    arrays: Arrays = {"update_steps": np.array([step for step, _ in updates], np.int64)}
    return arrays | {
        f"losses/{name}": np.array([losses.get(name, math.nan) for _, losses in updates]) for name in names
    }


def joined_samples(samples: list[Arrays]) -> Arrays:
    """The arrays of all samples, one after another; none for no samples."""
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]} if samples else {}


def names_in(model: BaseAlgorithm) -> dict[str, Any]:
    """What the columns of the arrays are called."""
    names: dict[str, Any] = {"algorithm": plain_class(model).__name__, "parent_sources": list(SOURCES)}
    space = model.observation_space
    if isinstance(space, AttributeSpace):
        names["attributes"] = [
            {"name": one.name, "n_values": one.n_values, "optional": one.optional, "labels": list(one.labels)}
            for one in space.attributes
        ]
    names["action_space"] = str(model.action_space)
    head = world_model_head(model)
    if isinstance(head, WorldModelHead):
        names["predicted_columns"] = [column.entry or column.name for column in (*head.columns, *head.number_columns)]
    extractor = getattr(model.policy, "pi_features_extractor", None)
    try:
        names["attention_tokens"] = list(token_names(extractor, space)) if extractor is not None else []
    except TypeError:
        names["attention_tokens"] = []
    return names
