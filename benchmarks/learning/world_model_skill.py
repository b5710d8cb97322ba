"""What the world model knows of PatternEcho after 10,000 steps, exact, where the next symbol can be known, or not.

The skill at an attribute is 0 for the best guess that looks at nothing and 1 for the best possible one. Where nothing
can be known both are the same, and what counts is how far the error is above theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.figure import Figure
from benchmarks.learning.pattern_echo import ENV_ID, N_ENVS
from benchmarks.program import run_program
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.evaluation.world_model_errors import PredictionError, WorldModelErrors, world_model_errors
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

STEPS = 10_000
SEEDS, SHORT_SEEDS = 10, 1
PREDICTABLE: dict[str, Any] = {}
UNPREDICTABLE: dict[str, Any] = {"dynamics": "fresh"}
"""The next symbol has nothing to do with this one; the loss is told not to leave it out."""
SKILL, EXCESS = 0.99, 0.05


def measure(short: bool) -> list[Figure]:
    """Skill at the attribute that is known least, and the error's excess over the floor."""
    seeds = range(SHORT_SEEDS if short else SEEDS)
    known = [errors(seed, PREDICTABLE) for seed in seeds]
    fresh = [errors(seed, UNPREDICTABLE)["symbol"] for seed in seeds]
    return [
        over_seeds(
            "PatternEcho, world model attached: skill at the attribute it knows least, after 10,000 steps",
            [min(one.skill for one in attributes.values() if one.skill is not None) for attributes in known],
            SKILL,
            "more",
        ),
        over_seeds(
            "PatternEcho, fresh symbols: error at the next symbol, share above the floor, after 10,000 steps",
            [one.error / one.floor - 1.0 for one in fresh],
            EXCESS,
            "less",
        ),
    ]


def errors(seed: int, env_arguments: dict[str, Any]) -> dict[str, PredictionError]:
    """Of each attribute, over all (symbol, action) pairs alike, at the end of one run."""
    torch.set_num_threads(1)
    env = make_batch_vec_env(ENV_ID, N_ENVS, seed, **env_arguments)
    model = REINFORCE("TransformerPolicy", env, seed=seed, device="cpu")
    attach(model, [WorldModelLoss(predictable_only=False)])
    model.learn(STEPS)
    world = world_of(env)
    assert world is not None
    found = world_model_errors(model, world)
    assert isinstance(found, WorldModelErrors)
    env.close()
    return dict(found.attributes)


def over_seeds(name: str, values: list[float], bound: float, better: Any) -> Figure:
    """Median, least and most."""
    return Figure(
        name,
        float(np.median(values)),
        "",
        bound,
        better,
        min(values),
        max(values),
        len(values),
        "seeds; least and most",
    )


if __name__ == "__main__":
    run_program("benchmarks.learning.world_model_skill", measure, __doc__)
