"""Ours, Stable-Baselines3's, sb3-contrib's and SBX's algorithms learn a world until 95 % exact success."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.peers.contestants.sb3_vec_env import vec_env
from benchmarks.peers.exact_success import ExactSuccess, Stopwatch


class StopWhenSolved(BaseCallback):
    """Looks before each rollout; the rollout after the one that sufficed is ended at its first step."""

    def __init__(self, success: ExactSuccess, budget: int) -> None:
        super().__init__()
        self.watch = Stopwatch(
            lambda: success.of(lambda observations: action_probabilities(self.model, observations)), budget
        )

    def _on_rollout_start(self) -> None:
        self.watch.look(self.num_timesteps)

    def _on_step(self) -> bool:
        return self.watch.steps is None

    def _on_training_end(self) -> None:
        self.watch.look(self.num_timesteps)


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`id`, `algorithm` (module:class), `policy`, `vec_env`, `n_envs`; optional `env`, `settings`, `policy_kwargs`."""
    torch.set_num_threads(1)
    env_id, env_arguments = arguments["id"], arguments.get("env", {})
    success = ExactSuccess(env_id, env_arguments)

    def learn(request: dict[str, Any]) -> dict[str, Any]:
        seed, budget = request["seed"], request["budget"]
        env = vec_env(arguments["vec_env"], env_id, arguments["n_envs"], seed, **env_arguments)
        model = named(arguments["algorithm"])(
            arguments["policy"],
            env,
            seed=seed,
            device="cpu",
            policy_kwargs=policy_kwargs(arguments),
            **arguments.get("settings", {}),
        )
        follower = StopWhenSolved(success, budget)
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


def action_probabilities(model: Any, observations: NDArray[Any]) -> NDArray[Any]:
    """pi(action | observation), (n, actions), where an episode begins."""
    policy = model.policy
    if hasattr(policy, "actor_state"):  # SBX
        distribution = policy.actor_state.apply_fn(policy.actor_state.params, observations)
        actions = range(model.action_space.n)
        return np.stack([np.exp(distribution.log_prob(action)) for action in actions], axis=1)
    rows = torch.from_numpy(observations)
    with torch.no_grad():
        if hasattr(policy, "lstm_actor"):  # recurrent: at the start of an episode, where its memory is empty
            memory = policy.lstm_actor
            empty = torch.zeros(memory.num_layers, len(rows), memory.hidden_size)
            told, _ = policy.get_distribution(rows, (empty, empty), torch.ones(len(rows)))
        else:
            told = policy.get_distribution(rows)
    probabilities: NDArray[Any] = told.distribution.probs.numpy()
    return probabilities
