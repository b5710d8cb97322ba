"""The single-file PPO learns a world until 95 % exact success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.peers.exact_success import ExactSuccess, Stopwatch
from benchmarks.peers.single_file_ppo import Agent, Settings, action_probabilities, train


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`id`, optional `env`, and fields of `Settings`."""
    torch.set_num_threads(1)
    own = dict(arguments)
    settings = Settings(env_id=own.pop("id"), env_arguments=own.pop("env", {}), **own)
    success = ExactSuccess(settings.env_id, settings.env_arguments)

    def learn(request: dict[str, Any]) -> dict[str, Any]:
        agents: list[Agent] = []
        watch = Stopwatch(
            lambda: success.of(lambda observations: action_probabilities(agents[-1], observations)), request["budget"]
        )

        def is_enough(agent: Agent, steps_taken: int) -> bool:
            agents.append(agent)
            return watch.look(steps_taken)

        train(settings, request["seed"], request["budget"], is_enough)
        return watch.answer()

    return learn
