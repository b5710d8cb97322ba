"""How many steps a second transformers learn from, rollout and training, beside what the machine's matmul allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from benchmarks.figure import Figure
from benchmarks.measure import Timing, median_ratio, microseconds_per_call
from benchmarks.program import run_program
from benchmarks.speed.encoder_extractor import EncoderExtractor
from benchmarks.speed.matmul import matmul_operations, sgemm
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/PatternEcho-v0"
PPO_SETTINGS: dict[str, Any] = {"n_steps": 32, "batch_size": 512, "n_epochs": 4}
PPO_ENVS, REINFORCE_ENVS, DISTINCT_ENVS = 64, 1024, 4096
PPO_STEPS = PPO_ENVS * PPO_SETTINGS["n_steps"]
REINFORCE_STEPS, DISTINCT_STEPS = 8 * REINFORCE_ENVS, 64 * DISTINCT_ENVS
"""Steps of one timed call of `learn()`."""
ROLLOUT_STEPS = 1, 16
"""Steps per environment and update where distinct observations are run once; how fast they teach is not asked here."""
ENCODER = "SB3 PPO + nn.TransformerEncoder"
OURS = "SB3 PPO + our transformer"
WITH_WORLD_MODEL = "SB3 PPO + our transformer + world model"
REINFORCE_NAME = "REINFORCE + our transformer, every observation run"
DISTINCT = {
    n_steps: f"REINFORCE + our transformer, each distinct observation run once, n_steps={n_steps}"
    for n_steps in ROLLOUT_STEPS
}
BOUNDS = {WITH_WORLD_MODEL: 0.32, REINFORCE_NAME: 0.5}
"""Shares of the matmul limit."""
RATES = {DISTINCT[max(ROLLOUT_STEPS)]: 1_500_000}
"""Steps per CPU second."""
WORLD_MODEL_COST = 0.08


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    n_turns = 3 if short else 11
    learners = {
        ENCODER: (ppo("MlpPolicy", features_extractor_class=EncoderExtractor, net_arch=[]), PPO_STEPS, PPO_ENVS),
        OURS: (ppo(TransformerPolicy), PPO_STEPS, PPO_ENVS),
        WITH_WORLD_MODEL: (with_world_model(ppo(TransformerPolicy)), PPO_STEPS, PPO_ENVS),
        REINFORCE_NAME: (reinforce(REINFORCE_ENVS, 1, distinct=False), REINFORCE_STEPS, REINFORCE_ENVS),
    }
    for n_rollout_steps, name in DISTINCT.items():
        learners[name] = (reinforce(DISTINCT_ENVS, n_rollout_steps, distinct=True), DISTINCT_STEPS, DISTINCT_ENVS)
    calls: dict[str, Callable[[], object]] = {name: learning(*one[:2]) for name, one in learners.items()}
    operations = {name: matmul_operations(calls[name]) / one[1] for name, one in learners.items()}
    calls["sgemm"], sgemm_operations = sgemm()
    timings = microseconds_per_call(calls, n_turns)
    limit = sgemm_operations / timings["sgemm"].median / 1e3  # GFLOP/s
    figures = [Figure("Matmul limit: sgemm, float32, one thread", limit, "GFLOP/s", repeats=n_turns)]
    for name, (_, n_steps, n_envs) in learners.items():
        label = f"{name}, {n_envs:,} envs, inside learn()"
        figures.append(rate_figure(label, timings[name], n_steps, RATES.get(name)))
        if name in DISTINCT.values():
            continue
        share = operations[name] * n_steps / timings[name].median / 1e3 / limit
        note = f"{operations[name] / 1e6:.3g} MFLOP a step, counted"
        figures.append(
            Figure(
                f"{label}: share of the matmul limit", share, "", BOUNDS.get(name), "more", repeats=n_turns, note=note
            )
        )
    cost = 1.0 - 1.0 / median_ratio(timings[WITH_WORLD_MODEL], timings[OURS])
    figures.append(
        Figure(
            "World model on SB3 PPO: share of the steps a second it costs", cost, "", WORLD_MODEL_COST, repeats=n_turns
        )
    )
    ratio = median_ratio(timings[ENCODER], timings[OURS])
    figures.append(Figure(f"{OURS}: times as fast as {ENCODER}", ratio, "x", None, "more", repeats=n_turns))
    return figures


def ppo(policy: str | type[TransformerPolicy], **policy_kwargs: Any) -> PPO:
    """Stock PPO on the native vector environment."""
    env = make_batch_vec_env(ID, PPO_ENVS, seed=0)
    return PPO(policy, env, **PPO_SETTINGS, policy_kwargs=policy_kwargs, seed=0, device="cpu")


def with_world_model(model: PPO) -> PPO:
    """The same model with the loss of the locked experiment."""
    attach(model, [WorldModelLoss()])
    return model


def reinforce(n_envs: int, n_steps: int, distinct: bool) -> REINFORCE:
    """Ours at its defaults but for what is said."""
    env = BatchVecEnv(gym.make_vec(ID, num_envs=n_envs), infos="lean")
    policy_kwargs = {"distinct_observations": distinct}
    return REINFORCE("TransformerPolicy", env, n_steps=n_steps, policy_kwargs=policy_kwargs, seed=0, device="cpu")


def learning(model: BaseAlgorithm, n_steps: int) -> Callable[[], object]:
    """One call of `learn()`."""
    return lambda: model.learn(n_steps, reset_num_timesteps=False)


def rate_figure(label: str, timing: Timing, n_steps: int, bound: float | None) -> Figure:
    """Steps per CPU second with their quartiles."""
    slow, fast = timing.quartiles[1], timing.quartiles[0]
    low, median, high = (n_steps / microseconds * 1e6 for microseconds in (slow, timing.median, fast))
    return Figure(label, median, "steps / CPU s", bound, "more", low, high, len(timing.turns))


if __name__ == "__main__":
    run_program("benchmarks.speed.updates", measure, __doc__)
