"""Ours, Stable-Baselines3's, sb3-contrib's and SBX's algorithms learn PatternEcho until 95 % exact success."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.peers.contestants.sb3_vec_env import vec_env
from benchmarks.peers.exact_success import N_SYMBOLS, Stopwatch

ENV_ID = "wmil_envs:WMIL/PatternEcho-v0"
COLUMN_SIZES = (N_SYMBOLS, N_SYMBOLS + 1, 3)
"""Values of the symbol, the last action and the feedback."""


class StopWhenSolved(BaseCallback):
    """Looks before each rollout; the rollout after the one that sufficed is ended at its first step."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Stopwatch(lambda: action_probabilities(self.model))

    def _on_rollout_start(self) -> None:
        self.watch.look(self.num_timesteps)

    def _on_step(self) -> bool:
        return self.watch.steps is None

    def _on_training_end(self) -> None:
        self.watch.look(self.num_timesteps)


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`algorithm` (module:class), `policy`, `vec_env`, `n_envs`, optional `env`, `settings` and `policy_kwargs`."""
    torch.set_num_threads(1)

    def learn(request: dict[str, Any]) -> dict[str, Any]:
        seed, budget = request["seed"], request["budget"]
        env = vec_env(arguments["vec_env"], ENV_ID, arguments["n_envs"], seed, **arguments.get("env", {}))
        model = named(arguments["algorithm"])(
            arguments["policy"],
            env,
            seed=seed,
            device="cpu",
            policy_kwargs=policy_kwargs(arguments),
            **arguments.get("settings", {}),
        )
        follower = StopWhenSolved()
        model.learn(budget, callback=follower)
        env.close()
        return follower.watch.answer()

    return learn


def policy_kwargs(arguments: dict[str, Any]) -> dict[str, Any]:
    """With the activation function, where one is named as `module:name`, instead of its name."""
    kwargs = dict(arguments.get("policy_kwargs", {}))
    return {key: named(value) if key.endswith(("_fn", "_class")) else value for key, value in kwargs.items()}


def named(place: str) -> Any:
    """What `module:name` names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def action_probabilities(model: Any) -> NDArray[Any]:
    """pi(action | symbol) at the decision of a one-step PatternEcho, nothing having been done or told."""
    columns = np.zeros((N_SYMBOLS, len(COLUMN_SIZES)), dtype=np.int64)
    columns[:, 0] = np.arange(N_SYMBOLS)
    if isinstance(model.observation_space, spaces.Box):  # obs="onehot"
        codes = [np.eye(n, dtype=np.float32)[column] for n, column in zip(COLUMN_SIZES, columns.T, strict=True)]
        columns = np.concatenate(codes, axis=1)
    policy = model.policy
    if hasattr(policy, "actor_state"):  # SBX
        distribution = policy.actor_state.apply_fn(policy.actor_state.params, columns)
        return np.stack([np.exp(distribution.log_prob(action)) for action in range(N_SYMBOLS)], axis=1)
    observations = torch.from_numpy(columns)
    with torch.no_grad():
        if hasattr(policy, "lstm_actor"):  # recurrent: at the start of an episode, where its memory is empty
            memory = policy.lstm_actor
            empty = torch.zeros(memory.num_layers, N_SYMBOLS, memory.hidden_size)
            told, _ = policy.get_distribution(observations, (empty, empty), torch.ones(N_SYMBOLS))
        else:
            told = policy.get_distribution(observations)
    probabilities: NDArray[Any] = told.distribution.probs.numpy()
    return probabilities
