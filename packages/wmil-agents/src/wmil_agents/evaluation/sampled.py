"""Evaluation from episodes: any environment, with the number of episodes and a 95 % interval."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.evaluation.quantity import estimated_mean, estimated_rate, estimated_return
from wmil_envs.oracle import Exact, Quantity, Unavailable

EVALUATION_SEEDS = 2**32
"""Where the seeds of evaluations begin: above every seed that `wmil_envs.spawn_seeds` gives a training run."""


def evaluation_seed(training_seed: int) -> int:
    """The seed with which a model trained with `training_seed` is evaluated; no training env ever has it."""
    return EVALUATION_SEEDS + training_seed


@dataclass(frozen=True)
class Played:
    """What happened in n episodes, in the order in which they ended."""

    returns: list[float]
    successes: list[bool]
    """Of those whose end told it."""
    entropies: list[float]
    """Mean over the steps of each; not a number where the policy cannot tell."""
    places: list[int]
    """Which environment each was played in."""

    @property
    def tells_success(self) -> bool:
        """Whether every episode told it."""
        return len(self.successes) == len(self.returns)

    @property
    def by_environment(self) -> npt.NDArray[np.int64]:
        """The order (n,) of the episodes environment by environment: whatever the policy does, the same every time."""
        return np.argsort(np.array(self.places), kind="stable")


def play_episodes(
    model: BaseAlgorithm, env: VecEnv, n_episodes: int, seed: int, *, deterministic: bool = False
) -> Played:
    """Plays episodes; the generators that policies draw from are left as they were: torch's, NumPy's, the model's own.

    Every environment plays the same number of episodes, give or take one, so that short ones are not favoured. A
    recurrent policy has its memory, a maskable one the masks of an environment that has some. Statistics of a
    `VecNormalize` are used and left as they were.

    Args:
        model: an algorithm of Stable-Baselines3.
        env: not the one it is trained on; it is seeded and reset here. Its success is what `is_success` in the infos
            says at the end of an episode; its return that of `episode`, as `Monitor` writes it, else the sum of the
            rewards as they were before a `VecNormalize`.
        n_episodes: at least 2.
        seed: of the environments and of the policy's draws; see `evaluation_seed`.
        deterministic: whether the policy takes its likeliest action.
    """
    if n_episodes < 2:
        raise ValueError(f"an estimate with an interval needs at least 2 episodes, not {n_episodes}")
    quotas = np.array([(n_episodes + place) // env.num_envs for place in range(env.num_envs)])
    played = Played([], [], [], [])
    rewards_so_far, entropy_so_far, steps = np.zeros((3, env.num_envs))
    normalizer = unwrap_vec_normalize(env)
    memory: Any = None
    dones = np.ones(env.num_envs, dtype=bool)
    with _own_draws(model, seed), _frozen(normalizer):
        env.seed(seed)
        observations: Any = env.reset()
        while quotas.any():
            entropy_so_far += _entropies(model, observations, env.num_envs)
            actions, memory = model.predict(observations, memory, dones, deterministic, **_action_masks(model, env))
            observations, rewards, dones, infos = env.step(actions)
            rewards_so_far += rewards if normalizer is None else normalizer.get_original_reward()
            steps += 1
            for i in np.flatnonzero(dones & (quotas > 0)).tolist():
                quotas[i] -= 1
                played.places.append(i)
                played.returns.append(float(infos[i]["episode"]["r"] if "episode" in infos[i] else rewards_so_far[i]))
                played.entropies.append(float(entropy_so_far[i] / steps[i]))
                if "is_success" in infos[i]:
                    played.successes.append(bool(infos[i]["is_success"]))
            rewards_so_far[dones] = entropy_so_far[dones] = steps[dones] = 0.0
    return played


@contextmanager
def _own_draws(model: BaseAlgorithm, seed: int) -> Iterator[None]:
    """A block in which everything that a policy draws follows from the seed; afterwards generators are as before.

    Most policies draw from torch's; DQN, where it explores, from NumPy's and from the action space's.
    """
    numpy_state = np.random.get_state()  # noqa: NPY002  # Stable-Baselines3 draws from it
    of_space = model.action_space.np_random.bit_generator
    space_state = of_space.state
    first, second = np.random.SeedSequence(seed).spawn(2)
    with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
        try:
            torch.manual_seed(seed)
            np.random.seed(first.generate_state(1))  # noqa: NPY002
            of_space.state = type(of_space)(second).state
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            of_space.state = space_state


@contextmanager
def _frozen(normalizer: VecNormalize | None) -> Iterator[None]:
    """A block in which a `VecNormalize` learns nothing."""
    if normalizer is None:
        yield
        return
    was_training, normalizer.training = normalizer.training, False
    try:
        yield
    finally:
        normalizer.training = was_training


def _action_masks(model: BaseAlgorithm, env: VecEnv) -> dict[str, Any]:
    """What the `predict` of a maskable model takes besides, where the environment has masks."""
    contrib: Any = sys.modules.get("sb3_contrib")  # whoever has such a model has imported it
    if contrib is None or not isinstance(model, contrib.MaskablePPO):
        return {}
    from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported

    return {"action_masks": get_action_masks(env)} if is_masking_supported(env) else {}


def evaluate_episodes(
    model: BaseAlgorithm, env: VecEnv, n_episodes: int, seed: int, *, deterministic: bool = False
) -> Evaluation:
    """Success, return and entropy over episodes, with 95 % intervals (Wilson's for rates, Student's for other means).

    The arguments are those of `play_episodes`.
    """
    played = play_episodes(model, env, n_episodes, seed, deterministic=deterministic)
    silent = Unavailable("the environment does not tell success")
    return Evaluation(
        success=estimated_rate(played.successes) if played.tells_success else silent,
        episode_return=estimated_return(played.returns),
        entropy=(
            Unavailable("the policy does not say how likely each action is")
            if np.isnan(played.entropies).any()
            else estimated_mean(played.entropies)
        ),
        world_model=Unavailable("without the tables of a finite world its error has no floor"),
        oracle=None,
        success_ceiling=Exact(1.0) if played.tells_success else silent,
        max_entropy=_max_entropy(env.action_space),
        level=None,
    )


def _entropies(model: BaseAlgorithm, observations: Any, n: int) -> npt.NDArray[np.float64]:
    """Entropy (n,) of the action distribution for each observation; not a number where the policy cannot tell."""
    try:
        table = policy_table(model, observations)
    except TypeError:
        return np.full(n, math.nan)
    entropies: npt.NDArray[np.float64] = -(table * np.log(np.maximum(table, 1e-300))).sum(1)
    return entropies


def _max_entropy(space: spaces.Space[Any]) -> Quantity:
    if isinstance(space, spaces.Discrete):
        return Exact(math.log(int(space.n)))
    return Unavailable("the actions are not discrete")
