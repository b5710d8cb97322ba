"""Evaluation from episodes: any environment, with the number of episodes and a 95 % interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.evaluation.quantity import estimated_mean, estimated_rate, estimated_return
from wmil_envs.oracle import Exact, Quantity, Unavailable

EVALUATION_SEEDS = 2**32
"""Where the seeds of evaluations begin: above every seed that `wmil_envs.spawn_seeds` gives a training run."""


def evaluation_seed(training_seed: int) -> int:
    """The seed with which a model trained with `training_seed` is evaluated; no training env ever has it."""
    return EVALUATION_SEEDS + training_seed


def evaluate_episodes(
    model: BaseAlgorithm, env: VecEnv, n_episodes: int, seed: int, *, deterministic: bool = False
) -> Evaluation:
    """Success, return and entropy over episodes, with 95 % intervals (Wilson's for rates, Student's for other means).

    Every environment plays the same number of episodes, give or take one, so that short ones are not favoured. Torch's
    global generator is left as it was.

    Args:
        model: an algorithm of Stable-Baselines3.
        env: not the one it is trained on; it is seeded and reset here. Its success is what `is_success` in the infos
            says at the end of an episode; its return that of `episode`, as `Monitor` writes it, else the rewards' sum.
        n_episodes: at least 2.
        seed: of the environments and of the policy's draws; see `evaluation_seed`.
        deterministic: whether the policy takes its likeliest action.
    """
    if n_episodes < 2:
        raise ValueError(f"an estimate with an interval needs at least 2 episodes, not {n_episodes}")
    quotas = np.array([(n_episodes + place) // env.num_envs for place in range(env.num_envs)])
    returns: list[float] = []
    successes: list[bool] = []
    entropies: list[float] = []
    rewards_so_far, entropy_so_far, steps = np.zeros((3, env.num_envs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        env.seed(seed)
        observations = env.reset()
        while quotas.any():
            entropy_so_far += _entropies(model, observations, env.num_envs)
            actions, _ = model.predict(observations, deterministic=deterministic)  # type: ignore[arg-type]  # dicts too
            observations, rewards, dones, infos = env.step(actions)
            rewards_so_far += rewards
            steps += 1
            for i in np.flatnonzero(dones & (quotas > 0)).tolist():
                quotas[i] -= 1
                returns.append(float(infos[i]["episode"]["r"] if "episode" in infos[i] else rewards_so_far[i]))
                entropies.append(float(entropy_so_far[i] / steps[i]))
                if "is_success" in infos[i]:
                    successes.append(bool(infos[i]["is_success"]))
            rewards_so_far[dones] = entropy_so_far[dones] = steps[dones] = 0.0
    tells_success = len(successes) == n_episodes
    return Evaluation(
        success=estimated_rate(successes) if tells_success else Unavailable("the environment does not tell success"),
        episode_return=estimated_return(returns),
        entropy=(
            Unavailable("the policy does not say how likely each action is")
            if np.isnan(entropies).any()
            else estimated_mean(entropies)
        ),
        world_model=Unavailable("without the tables of a finite world its error has no floor"),
        oracle=None,
        success_ceiling=Exact(1.0) if tells_success else Unavailable("the environment does not tell success"),
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
