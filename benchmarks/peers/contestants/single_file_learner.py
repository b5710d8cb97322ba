"""The single-file PPO learns PatternEcho until 95 % exact success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.peers.exact_success import Stopwatch
from benchmarks.peers.single_file_ppo import Agent, Settings, pattern_echo_policy, train


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The fields of `Settings`."""
    torch.set_num_threads(1)
    settings = Settings(**arguments)

    def learn(request: dict[str, Any]) -> dict[str, Any]:
        agents: list[Agent] = []
        watch = Stopwatch(lambda: pattern_echo_policy(agents[-1]))

        def is_enough(agent: Agent, steps_taken: int) -> bool:
            agents.append(agent)
            return watch.look(steps_taken)

        train(settings, request["seed"], request["budget"], is_enough)
        return watch.answer()

    return learn
