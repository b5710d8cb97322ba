"""What each loss claims to be good for, seen beside the same training without it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnvWrapper
from torch.nn import functional as F

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.evaluation.exact import evaluate_exactly
from wmil_agents.evaluation.world_model_errors import WorldModelErrors, world_model_errors
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.runs.agents import WithheldRewards
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_envs.oracle import Exact
from wmil_envs.world import World

SIZE = {"features_extractor_kwargs": {"width": 16}}
NOTHING = 1e-9
"""A scale at which a loss is computed and logged, and teaches next to nothing."""


def echo(**kwargs: Any) -> BatchVecEnv:
    return BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, **kwargs))


def ppo(env: Any, *losses: AuxiliaryLoss, **kwargs: Any) -> Any:
    settings = {"n_steps": 8, "batch_size": 64, "n_epochs": 4, "learning_rate": 2e-3, "policy_kwargs": SIZE} | kwargs
    model = PPO(TransformerPolicy, env, seed=0, device="cpu", **settings)
    return attach(model, losses) if losses else model


def world_in(env: Any) -> World:
    world = world_of(env)
    assert world is not None
    return world


def contrasts(scale: float) -> list[tuple[float, float, float]]:
    """In each minibatch the loss, and the mean cosine of positives and of negatives."""
    model = ppo(echo(horizon=4), ContrastiveLoss(scale=scale, n_pairs=16), learning_rate=3e-3)
    found = []

    def note(head: Any, _: Any, similarities: torch.Tensor) -> None:
        similarities = similarities.detach()
        cosines = similarities / head.sharpness.detach()
        negatives = cosines[~torch.eye(len(cosines), dtype=torch.bool)]
        shares = similarities.log_softmax(1).diagonal() + similarities.log_softmax(0).diagonal()
        found.append((float(-shares.mean() / 2), float(cosines.diagonal().mean()), float(negatives.mean())))

    model.policy.auxiliary_heads["contrastive"].register_forward_hook(note)
    model.learn(64 * 7)
    return found


def test_contrasted_features_of_one_episode_become_alike_and_others_do_not() -> None:
    learnt, control = contrasts(1.0), contrasts(NOTHING)
    (first, *_), (last, positives, negatives) = learnt[0], np.mean(learnt[-8:], axis=0)
    assert last < 0.7 * first
    assert positives > negatives + 0.15
    last, positives, negatives = np.mean(control[-8:], axis=0)
    assert last > 0.85 * control[0][0]
    assert abs(positives - negatives) < 0.1


PAIRS = [(symbol, action) for symbol in range(8) for action in range(8)]
NOW = torch.tensor([[symbol, 0, 0] for symbol, _ in PAIRS], dtype=torch.int32)
THEN = torch.tensor([[s, a + 1, 1 + (s == a)] for s, a in PAIRS], dtype=torch.int32)
"""PatternEcho's answers: the symbol, the action taken and whether it was right."""


def latent_errors(loss: LatentWorldModelLoss, n_updates: int) -> tuple[float, float]:
    """Over all pairs of symbol and action that of the prediction, and that of the best constant direction."""
    model = ppo(echo(), loss)
    model.learn(64 * n_updates)
    policy = model.policy
    extractor = dict(policy.auxiliary_targets).get(loss.name, policy.features_extractor)
    with torch.no_grad():
        targets = F.normalize(extractor(THEN))
        features, actions = policy.features_extractor(NOW), torch.tensor([action for _, action in PAIRS])
        predicted = F.normalize(policy.auxiliary_heads[loss.name](features, actions))
    return float((2 - 2 * (predicted * targets).sum(1)).mean()), float(2 - 2 * targets.mean(0).norm())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_latent_world_model_foresees_more_than_the_mean(momentum: float) -> None:
    error, of_the_mean = latent_errors(LatentWorldModelLoss(scale=1.0, momentum=momentum, n_replayed=32), 10)
    assert of_the_mean > 0.2
    assert error < 0.7 * of_the_mean
    error, of_the_mean = latent_errors(LatentWorldModelLoss(scale=NOTHING, momentum=momentum, n_replayed=32), 2)
    assert error > of_the_mean


class Shuffled(VecEnvWrapper):
    """Each environment is paid what another one earned."""

    def __init__(self, venv: Any) -> None:
        super().__init__(venv)
        self.rng = np.random.default_rng(0)

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        obs, rewards, dones, infos = self.venv.step_wait()
        return obs, self.rng.permutation(rewards), dones, infos


def taught_success(wrap: Any, *losses: AuxiliaryLoss) -> float:
    """After 240 steps, exact."""
    env = echo(reveals_all_actions=True)
    model = REINFORCE("TransformerPolicy", wrap(env), seed=0, device="cpu", policy_kwargs=SIZE)
    if losses:
        attach(model, losses)
    model.learn(240)
    success = evaluate_exactly(model, world_in(env)).success
    assert isinstance(success, Exact)
    return success.value


@pytest.mark.parametrize("wrap", [WithheldRewards, Shuffled])
def test_who_is_taught_needs_no_rewards(wrap: Any) -> None:
    assert taught_success(wrap, TeacherLoss()) > 0.9
    assert taught_success(wrap) < 0.5, "and without a teacher nobody knows"


def skill_at_feedback(n_replayed: int, n_steps: int, seed: int) -> tuple[float, float]:
    """Of a world model over all pairs of symbol and action, after so many steps; and the policy's success."""
    env = echo()
    model = REINFORCE("TransformerPolicy", env, seed=seed, device="cpu", policy_kwargs=SIZE)
    attach(model, [WorldModelLoss(n_replayed=n_replayed)]).learn(n_steps)
    errors = world_model_errors(model, world_in(env))
    success = evaluate_exactly(model, world_in(env)).success
    assert isinstance(errors, WorldModelErrors)
    assert isinstance(success, Exact)
    skill = errors.attributes["feedback"].skill
    assert skill is not None
    return skill, success.value


def test_replay_keeps_what_wrong_answers_lead_to() -> None:
    (remembering, success), (forgetting, other_success) = (
        skill_at_feedback(n_replayed, 640, seed=0) for n_replayed in (32, 0)
    )
    assert min(success, other_success) > 0.9, "both policies give right answers by now"
    assert remembering > -0.5, "about what the mean would be worth, and rising"
    assert forgetting < -4.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_replay_keeps_it_for_good(seed: int) -> None:
    (remembering, _), (forgetting, _) = (skill_at_feedback(n_replayed, 4_000, seed) for n_replayed in (32, 0))
    assert remembering > 0.85, "the docstring says .92"
    assert forgetting < -6.0, "the docstring says -7"
