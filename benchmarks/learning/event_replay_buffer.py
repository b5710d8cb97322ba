"""Does a replay buffer that keeps events help DQN and SAC where a reward is rare? Writes the documentation's table.

A learner gets there at the first evaluation, every 100 steps, in which its greedy policy reaches the goal. Stock replay
and event replay at its defaults have the same seeds, hence the same weights and, until the first event, the same steps.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from wmil_agents.buffers.event_replay_buffer import EventReplayBuffer
from wmil_agents.evaluation.intervals import paired_bootstrap
from wmil_agents.runs.difference import answer_text
from wmil_envs.oracle import Estimated

TABLE = Path(__file__).parents[2] / "docs" / "tables" / "event_replay_buffer.md"
EVALUATION_INTERVAL = 100
MANY, FEW = 10_000, 500
COMMON: dict[str, Any] = {
    "learning_rate": 1e-3,
    "learning_starts": 100,
    "batch_size": 32,
    "gamma": 0.95,
    "train_freq": 4,
    "device": "cpu",
}
EVENTS = {"replay_buffer_class": EventReplayBuffer}
HEADER = ("learner, task", "transitions kept", "stock replay", "event replay", "event replay is")


class Corridor(gym.Env[Any, Any]):
    """A point on a line, moved by at most .1 a step; the goal, at .8 from the start, pays 1, and nothing else pays."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """The middle of the line."""
        super().reset(seed=seed)
        self._place, self._step = 0.0, 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One move; an episode has 50."""
        self._place, self._step = float(np.clip(self._place + 0.1 * action[0], -1.0, 1.0)), self._step + 1
        is_there = self._place >= 0.8
        return np.array([self._place], np.float32), float(is_there), is_there, self._step == 50, {}


class Case(NamedTuple):
    """A learner on a task."""

    name: str
    make_env: Callable[[], gym.Env[Any, Any]]
    make_model: Callable[..., OffPolicyAlgorithm]
    buffer_size: int
    n_seeds: int
    limit: int
    """Steps after which a run is given up, and counts as so many."""


class Reached(BaseCallback):
    """Stops at the first evaluation in which the greedy policy reaches the goal, and says at which step that was."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__()
        self.env = env
        self.steps: int | None = None

    def _on_step(self) -> bool:
        if self.num_timesteps % EVALUATION_INTERVAL == 0 and self._reaches():
            self.steps = self.num_timesteps
        return self.steps is None

    def _reaches(self) -> bool:
        obs, _ = self.env.reset()
        while True:
            action, _ = self.model.predict(np.asarray(obs), deterministic=True)
            obs, reward, terminated, truncated, _ = self.env.step(action[()])
            if terminated or truncated:
                return float(reward) > 0.0


def lake() -> gym.Env[Any, Any]:
    """FrozenLake that does not slip: the goal pays 1, a hole ends the episode, nothing else happens."""
    return gym.make("FrozenLake-v1", is_slippery=False)


def dqn(env: gym.Env[Any, Any], **arguments: Any) -> OffPolicyAlgorithm:
    """A small network, and exploration that falls over the first half of the steps."""
    exploration = {"exploration_fraction": 0.5, "exploration_final_eps": 0.1, "target_update_interval": 100}
    return DQN("MlpPolicy", env, policy_kwargs={"net_arch": [64]}, **COMMON, **exploration, **arguments)


def sac(env: gym.Env[Any, Any], **arguments: Any) -> OffPolicyAlgorithm:
    """Small networks, and a fixed entropy bonus, which no reward is yet there to be weighed against."""
    return SAC("MlpPolicy", env, policy_kwargs={"net_arch": [32]}, ent_coef=0.01, **COMMON, **arguments)


CASES = (
    Case("DQN, FrozenLake without slipping", lake, dqn, MANY, 12, 5_000),
    Case("DQN, FrozenLake without slipping", lake, dqn, FEW, 12, 5_000),
    Case("SAC, a corridor", Corridor, sac, MANY, 8, 2_000),
)


def steps_to_goal(case: Case, seed: int, replay: dict[str, Any]) -> int | None:
    """Of one run; None where it was given up."""
    reached = Reached(case.make_env())
    case.make_model(case.make_env(), buffer_size=case.buffer_size, seed=seed, **replay).learn(case.limit, reached)
    return reached.steps


def row(case: Case, n_seeds: int) -> tuple[str, ...]:
    """The cells of the table."""
    runs = [[steps_to_goal(case, seed, replay) for seed in range(n_seeds)] for replay in ({}, EVENTS)]
    counted = [[case.limit if steps is None else steps for steps in arm] for arm in runs]
    difference, interval = paired_bootstrap(*counted, np.mean, np.random.default_rng(0))
    cells = [
        f"{np.mean(steps):,.0f}, {sum(run is not None for run in arm)} of {n_seeds}"
        for arm, steps in zip(runs, counted, strict=True)
    ]
    print(f"{case.name}, {case.buffer_size:,}: measured", flush=True)
    answer = answer_text(Estimated(difference, n_seeds, interval), more_is_better=False)
    return case.name, f"{case.buffer_size:,}", *cells, answer


def text(cases: Sequence[Case], n_seeds: int | None, command: str) -> str:
    """The table, and what its figures are."""
    rows = [HEADER, ("---",) * len(HEADER)]
    rows += [row(case, case.n_seeds if n_seeds is None else n_seeds) for case in cases]
    limits = {case.name: case.limit for case in cases}
    given_up = ", ".join(f"{limit:,} ({name.partition(',')[0]})" for name, limit in limits.items())
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + (
        "\n\nMean steps until the greedy policy reaches the goal, and how many runs got there; a run that did not "
        f"counts as the steps after which it was given up, {given_up}. The difference is the mean over seeds of event "
        f"replay minus stock replay of the same seed, with its 95 % bootstrap interval. Written by `{command}`.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, help="runs of each learner and buffer (default 12, of SAC 8)")
    parser.add_argument("--table", type=Path, default=TABLE, help="file to write to")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.learning.event_replay_buffer", *words])
    written = text(CASES, chosen.seeds, command)
    chosen.table.parent.mkdir(parents=True, exist_ok=True)
    chosen.table.write_text(written, encoding="utf-8")
    print(written)


if __name__ == "__main__":
    main()
