"""What the checklists run over: each algorithm with each policy and each kind of observation that we ship."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.history import HistoryVecEnv

TINY = {"width": 8, "n_layers": 1, "n_heads": 2}
ECHO = "wmil_envs:WMIL/PatternEcho-v0"
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(4),
    "multi_discrete": spaces.MultiDiscrete([3, 4]),
    "multi_binary": spaces.MultiBinary(3),
    "box": spaces.Box(-1.0, 1.0, (3,)),
    "dict": spaces.Dict(
        {
            "bodies": spaces.Box(-1.0, 1.0, (3, 2)),
            "bodies_mask": spaces.MultiBinary(3),
            "speed": spaces.Box(-1.0, 1.0, (2,)),
        }
    ),
}
ACTIONS: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(3),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "multi_binary": spaces.MultiBinary(2),
    "box": spaces.Box(-1.0, 1.0, (2,)),
}


class Drawn(gym.Env[Any, Any]):
    """Observations at random, rewards for large actions, episodes of `horizon` steps."""

    horizon = 2

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = deepcopy(observation_space), deepcopy(action_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        if seed is not None:
            self.observation_space.seed(seed)
        self._step = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._step += 1
        return self.observation_space.sample(), float(np.sum(action)), self._step == self.horizon, False, {}


def drawn(observations: str, actions: str = "discrete") -> Callable[[int], VecEnv]:
    def make(n_envs: int) -> VecEnv:
        spaces_of_one = OBSERVATIONS[observations], ACTIONS[actions]
        return DummyVecEnv([lambda: Monitor(Drawn(*spaces_of_one)) for _ in range(n_envs)])

    return make


def echo(obs: str) -> Callable[[int], VecEnv]:
    return lambda n_envs: DummyVecEnv([lambda: Monitor(gym.make(ECHO, obs=obs)) for _ in range(n_envs)])


def history(n_envs: int) -> VecEnv:
    return HistoryVecEnv(drawn("box")(n_envs), length=3)


@dataclass(frozen=True)
class Case:
    """One learner in one kind of world."""

    name: str
    algorithm: type[BaseAlgorithm]
    policy: str | type[TransformerPolicy]
    make_env: Callable[[int], VecEnv]
    settings: dict[str, Any]
    policy_kwargs: dict[str, Any] = field(default_factory=dict)

    def model(self, env: VecEnv, seed: int | None = 0) -> Any:
        arguments = {**self.settings, "policy_kwargs": dict(self.policy_kwargs)}
        return self.algorithm(self.policy, env, seed=seed, device="cpu", **arguments)


def transformer(extractor: type[Any] = TransformerExtractor) -> dict[str, Any]:
    return {"features_extractor_class": extractor, "features_extractor_kwargs": TINY}


ON_POLICY: dict[type[BaseAlgorithm], dict[str, Any]] = {
    PPO: {"n_steps": 4, "batch_size": 4, "n_epochs": 2},
    A2C: {"n_steps": 4},
    REINFORCE: {"n_steps": 4},
}
OFF_POLICY = {"learning_starts": 4, "batch_size": 4, "buffer_size": 64, "train_freq": 2}
WORLDS: dict[str, Callable[[int], VecEnv]] = {
    **{name: drawn(name) for name in OBSERVATIONS},
    **{f"echo_{obs}": echo(obs) for obs in ("attributes", "onehot", "dict")},
}


def cases() -> list[Case]:
    found = [
        Case(f"{algorithm.__name__}-{world}", algorithm, TransformerPolicy, make, settings, transformer())
        for algorithm, settings in ON_POLICY.items()
        for world, make in WORLDS.items()
    ]
    found += [
        Case(
            f"{algorithm.__name__}-history",
            algorithm,
            TransformerPolicy,
            history,
            settings,
            transformer(HistoryExtractor),
        )
        for algorithm, settings in ON_POLICY.items()
    ]
    found += [
        Case(f"PPO-box-{actions}-actions", PPO, TransformerPolicy, drawn("box", actions), ON_POLICY[PPO], transformer())
        for actions in ACTIONS
        if actions != "discrete"
    ]
    for world, make in WORLDS.items():
        policy = "MultiInputPolicy" if "dict" in world else "MlpPolicy"
        found.append(Case(f"DQN-{world}", DQN, policy, make, OFF_POLICY, transformer()))
    for world in ("multi_discrete", "box", "dict"):
        policy = "MultiInputPolicy" if world == "dict" else "MlpPolicy"
        found.append(Case(f"SAC-{world}", SAC, policy, drawn(world, "box"), OFF_POLICY, transformer()))
    found.append(Case("DQN-history", DQN, "MultiInputPolicy", history, OFF_POLICY, transformer(HistoryExtractor)))
    return found


CASES = cases()
