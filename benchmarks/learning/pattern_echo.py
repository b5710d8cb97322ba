"""One run of REINFORCE on PatternEcho, followed exactly: shared by the programs in this folder."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelHead, WorldModelLoss
from wmil_agents.losses.categorical import one_hot_squared_error
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

ENV_ID = "wmil_envs:WMIL/PatternEcho-v0"
N_SYMBOLS = 8
N_ENVS = 8
THRESHOLD = 0.95
INTERVAL = "seeds; 95 % interval of the median"
"""What the spread of a median of steps is, in a figure's note."""


@dataclass(frozen=True)
class Run:
    """What one seed did."""

    seed: int
    steps: int | None
    """Environment steps until the exact success was `THRESHOLD`; None if it never was."""
    success: float
    """Exact success at the end."""
    skill: dict[str, float]
    """World-model skill per attribute at the end, over all (symbol, action) pairs; empty without a world model."""


class ExactSuccess(BaseCallback):
    """Before each rollout, the mean over symbols of pi(correct | symbol), at no cost in steps."""

    def __init__(self, stop_when_reached: bool) -> None:
        super().__init__()
        self.stop_when_reached = stop_when_reached
        self.steps: int | None = None
        self.success = 0.0

    def _on_rollout_start(self) -> None:
        self.measure()

    def _on_step(self) -> bool:
        return not (self.stop_when_reached and self.steps is not None)

    def _on_training_end(self) -> None:
        self.measure()

    def measure(self) -> None:
        """Evaluates the policy as it is now."""
        with torch.no_grad():
            distribution = self.model.policy.get_distribution(decisions())  # type: ignore[operator]  # a policy's method
        self.success = float(distribution.distribution.probs.diagonal().mean())
        if self.steps is None and self.success >= THRESHOLD:
            self.steps = self.num_timesteps


def run(seed: int, total_steps: int, world_model_scale: float | None, stop_when_reached: bool) -> Run:
    """Trains with the defaults of REINFORCE and TransformerPolicy, and a world model if a scale is given."""
    torch.set_num_threads(1)
    env = BatchVecEnv(gym.make_vec(ENV_ID, num_envs=N_ENVS, n_symbols=N_SYMBOLS))
    model = REINFORCE("TransformerPolicy", env, seed=seed, device="cpu")
    if world_model_scale is not None:
        attach(model, [WorldModelLoss(scale=world_model_scale)])
    follower = ExactSuccess(stop_when_reached)
    model.learn(total_steps, callback=follower)
    skill = {} if world_model_scale is None else world_model_skill(model)
    env.close()
    return Run(seed, follower.steps, follower.success, skill)


def decisions() -> torch.Tensor:
    """The observation of each symbol at the decision, in order: nothing done, nothing told."""
    observations = torch.zeros(N_SYMBOLS, 3, dtype=torch.int32)
    observations[:, 0] = torch.arange(N_SYMBOLS)
    return observations


def world_model_skill(model: REINFORCE) -> dict[str, float]:
    """1 - (error - floor) / (error of the mean predictor - floor), exact, over all (symbol, action) pairs alike."""
    head = model.policy.auxiliary_heads["world_model"]  # type: ignore[union-attr, index]  # attached
    assert isinstance(head, WorldModelHead)
    symbols = torch.arange(N_SYMBOLS).repeat_interleave(N_SYMBOLS)
    actions = torch.arange(N_SYMBOLS).repeat(N_SYMBOLS)
    with torch.no_grad():
        predicted = head.predict(model.policy.extract_features(decisions()[symbols]), actions)
    outcomes = torch.stack([symbols, actions + 1, 1 + (symbols == actions).long()], dim=1)
    errors = one_hot_squared_error(predicted, outcomes, head.n_values).mean(0)
    oracle = model.get_env().get_attr("oracle")[0]  # type: ignore[union-attr]  # it has one
    return {
        column.name: 1.0
        - (float(error) - oracle.world_model_floor[column.name].value)
        / (oracle.world_model_mean_error[column.name].value - oracle.world_model_floor[column.name].value)
        for column, error in zip(head.columns, errors, strict=True)
    }


def median_interval(numbers: list[float], n_resamples: int = 10_000) -> tuple[float, float, float]:
    """Median, and the 95 % bootstrap interval of it."""
    values = np.array(numbers, dtype=float)
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (n_resamples, len(values))), axis=1)
    return float(np.median(values)), *(float(limit) for limit in np.quantile(medians, [0.025, 0.975]))
