"""Steps bsuite's bandit, one environment, with random actions drawn before; its `step` resets after an end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from bsuite.environments.bandit import SimpleBandit

from benchmarks.peers.contestants.stepping import stepping_turn


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """No arguments. One call is a whole one-step episode: the step, and the step that resets."""
    env = SimpleBandit()
    env.reset()
    n_actions = env.action_spec().num_values
    actions = itertools.cycle(np.random.default_rng(0).integers(n_actions, size=64).tolist())

    def episode() -> None:
        env.step(next(actions))
        env.reset()

    return stepping_turn(episode, 1)
