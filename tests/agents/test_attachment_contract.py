"""What holds for every algorithm with every loss that it takes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
import torch
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3

from small_envs import AllAllowed, Walk
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

SIZE = {"features_extractor_kwargs": {"width": 16}}
EXTRACTOR = {"features_extractor_class": TransformerExtractor, "net_arch": [], **SIZE}
CONTRIB = EXTRACTOR | {"ortho_init": False}
N_STEPS = 48
"""Environment steps until there was an update."""
REPLAYING: dict[str, Any] = {"learning_starts": N_STEPS - 4, "train_freq": 4, "batch_size": 32, "buffer_size": 100}


def echo(**kwargs: Any) -> BatchVecEnv:
    settings = {"num_envs": 8, "horizon": 3, "dynamics": "fresh", "reveals_all_actions": True} | kwargs
    return BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", **settings))


def masked_echo() -> Any:
    return AllAllowed(gym.make("wmil_envs:WMIL/PatternEcho-v0", horizon=3, reveals_all_actions=True))


ON_POLICY: dict[str, tuple[Any, Any, Callable[[], Any], dict[str, Any]]] = {
    "PPO": (PPO, TransformerPolicy, echo, {"n_steps": 6, "batch_size": 24, "n_epochs": 1, "policy_kwargs": SIZE}),
    "A2C": (A2C, TransformerPolicy, echo, {"n_steps": 6, "policy_kwargs": SIZE}),
    "REINFORCE": (REINFORCE, TransformerPolicy, echo, {"n_steps": 6, "policy_kwargs": SIZE}),
    "RecurrentPPO": (
        RecurrentPPO,
        "MlpLstmPolicy",
        echo,
        {"n_steps": 6, "batch_size": 24, "n_epochs": 1, "policy_kwargs": CONTRIB | {"lstm_hidden_size": 8}},
    ),
    "MaskablePPO": (
        MaskablePPO,
        "MlpPolicy",
        masked_echo,
        {"n_steps": N_STEPS, "batch_size": 24, "n_epochs": 1, "policy_kwargs": CONTRIB},
    ),
}
OFF_POLICY: dict[str, tuple[Any, Any, Callable[[], Any], dict[str, Any]]] = {
    "DQN": (DQN, "MlpPolicy", lambda: echo(num_envs=1), {**REPLAYING, "policy_kwargs": EXTRACTOR}),
    "SAC": (SAC, "MlpPolicy", Walk, {**REPLAYING, "policy_kwargs": EXTRACTOR}),
    "TD3": (TD3, "MlpPolicy", Walk, {**REPLAYING, "policy_kwargs": EXTRACTOR}),
    "DDPG": (DDPG, "MlpPolicy", Walk, {**REPLAYING, "policy_kwargs": EXTRACTOR}),
}
ALGORITHMS = ON_POLICY | OFF_POLICY
LOSSES: dict[str, Callable[..., AuxiliaryLoss]] = {
    "world_model": WorldModelLoss,
    "latent_world_model": LatentWorldModelLoss,
    "contrastive": ContrastiveLoss,
    "teacher": TeacherLoss,
}
PAIRS = [(a, b) for a in ALGORITHMS for b in LOSSES if a in ON_POLICY or b in ("world_model", "latent_world_model")]
EVERY_PAIR = pytest.mark.parametrize(("algorithm", "loss"), PAIRS)


def trained(algorithm: str, *losses: AuxiliaryLoss, n_steps: int, by_sgd: bool = False) -> Any:
    kind, policy, make_env, arguments = copy.deepcopy(ALGORITHMS[algorithm])  # the algorithm writes into its arguments
    if by_sgd:
        arguments |= {"learning_rate": 0.1} | ({"max_grad_norm": 1e9} if algorithm in (*ON_POLICY, "DQN") else {})
        arguments["policy_kwargs"] |= {"optimizer_class": torch.optim.SGD}
    model = kind(policy, make_env(), seed=0, device="cpu", **arguments)
    if losses:
        attach(model, losses)
    return model.learn(n_steps)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return dict(model.policy.named_parameters())


@EVERY_PAIR
def test_at_scale_zero_training_is_that_of_the_plain_model_bit_for_bit(algorithm: str, loss: str) -> None:
    plain, attached = (trained(algorithm, *losses, n_steps=96) for losses in ([], [LOSSES[loss](scale=0.0)]))
    expected, got = plain.policy.state_dict(), attached.policy.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert all(parameter.grad is None for parameter in attached.policy.auxiliary_heads.parameters())
    assert not any(name.startswith(f"train/{loss}") for name in attached.logger.name_to_value)


@EVERY_PAIR
def test_one_update_changes_the_extractor_and_all_of_the_head(algorithm: str, loss: str) -> None:
    losses = [LOSSES[loss](scale=scale) for scale in (0.0, 0.5)]
    # by SGD, because with Adam's first step only the gradients' signs would count; without clipping, by which a head
    # that is cut off from its features would still change the size of their step
    without, model = (weights(trained(algorithm, each, n_steps=N_STEPS, by_sgd=True)) for each in losses)
    same = {name for name in model if torch.equal(model[name], without[name])}
    assert not [name for name in same if name.startswith("auxiliary_heads")]
    reached = {"DQN": "q_net.features", "SAC": "critic.features", "TD3": "critic.features", "DDPG": "critic.features"}
    extractor = [name for name in model if name.startswith(reached.get(algorithm, "features_extractor"))]
    assert len(extractor) > 20
    assert not [name for name in extractor if name in same]
