"""What each auxiliary loss costs stock PPO: the share of the steps a second that it takes, inside `learn()`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from stable_baselines3 import PPO

from benchmarks.figure import Figure
from benchmarks.measure import median_ratio, microseconds_per_call
from benchmarks.program import run_program
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/PatternEcho-v0"
N_ENVS, N_STEPS, N_EPOCHS, HORIZON = 64, 16, 4, 4
BATCH_SIZES = (64, 256)
LOSSES: dict[str, Callable[[], AuxiliaryLoss]] = {
    "world model": WorldModelLoss,
    "contrastive": ContrastiveLoss,
    "latent world model": LatentWorldModelLoss,
}
CONTRASTIVE_COST = 0.1
"""The most that the contrastive loss may cost, at the larger batch."""


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    n_turns = 3 if short else 11
    figures = []
    for batch_size in BATCH_SIZES:
        calls = {"none": learning(batch_size)} | {name: learning(batch_size, make()) for name, make in LOSSES.items()}
        timings = microseconds_per_call(calls, n_turns)
        for name in LOSSES:
            cost = 1.0 - 1.0 / median_ratio(timings[name], timings["none"])
            bound = CONTRASTIVE_COST if name == "contrastive" and batch_size == max(BATCH_SIZES) else None
            label = f"{name} on SB3 PPO, batches of {batch_size}: share of the steps a second it costs"
            figures.append(Figure(label, cost, "", bound, repeats=n_turns))
    return figures


def learning(batch_size: int, *losses: AuxiliaryLoss) -> Callable[[], object]:
    """One rollout and its update, with these losses attached."""
    env = make_batch_vec_env(ID, N_ENVS, seed=0, horizon=HORIZON, dynamics="permute")
    model = PPO(TransformerPolicy, env, n_steps=N_STEPS, batch_size=batch_size, n_epochs=N_EPOCHS, seed=0, device="cpu")
    if losses:
        attach(model, losses)
    return lambda: model.learn(N_ENVS * N_STEPS, reset_num_timesteps=False)


if __name__ == "__main__":
    run_program("benchmarks.speed.auxiliary_losses", measure, __doc__)
