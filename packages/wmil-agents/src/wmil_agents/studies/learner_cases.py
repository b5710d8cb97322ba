"""The learners that are operated on although nothing is wrong with them, and who operates."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from wmil_agents.evaluation.world_of import world_of
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.surgeons.bank_score import BankScore
from wmil_agents.surgeons.evolution_surgeon import EvolutionSurgeon
from wmil_agents.surgeons.gradient_surgeon import GradientSurgeon
from wmil_agents.surgeons.phases import Phases
from wmil_agents.surgeons.random_surgeon import RandomSurgeon
from wmil_agents.surgeons.sac_surgeon import SACSurgeon
from wmil_agents.surgeons.surgeon import Surgeon
from wmil_agents.surgeons.surgery_callback import MakeSurgeon
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.world import World

N_EDITS = 4
"""Of an operation, and the forwards over the search items that it may cost, the first one left out."""
MAX_CHANGE = 0.1
"""Of a strength in an edit: where nothing is broken, only small changes have a chance."""
FIRST_RANDOM_EDITS = 20
"""SAC draws so many before it learns."""
N_LESSONS = 120
"""Full batches of right answers, after which about three answers in ten are right."""
TEACHING_RATE = 1e-3


_TAUGHT: dict[int, dict[str, torch.Tensor]] = {}
"""What teaching made of the policy of each seed."""


@dataclass(frozen=True)
class LearnerCase:
    """A learner, and when it is operated on."""

    name: str
    make: Callable[[int], BaseAlgorithm]
    """The algorithm of a seed, the same bits every time."""
    n_steps: int
    phases: Phases
    interval: int
    """Rollouts for each operation of the joint phase."""
    shares: tuple[float, ...]
    """Of the instances to search on and to decide by; what is left is seen by neither."""


def _echoing(seed: int) -> BaseAlgorithm:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", 8, seed=seed)
    return REINFORCE("TransformerPolicy", env, seed=seed, device="cpu")


def _continuing(seed: int) -> BaseAlgorithm:
    env = make_batch_vec_env("wmil_envs:WMIL/SequenceNext-v0", 64, seed=seed, level=4)
    arguments: dict[str, Any] = {"n_steps": 2, "batch_size": 128, "n_epochs": 4, "learning_rate": 1e-3, "gamma": 1.0}
    model = PPO(TransformerPolicy, env, seed=seed, device="cpu", **arguments)
    if seed not in _TAUGHT:
        _teach(model)
        _TAUGHT[seed] = deepcopy(model.policy.state_dict())
    model.policy.load_state_dict(_TAUGHT[seed])
    return model


def _teach(model: BaseAlgorithm) -> None:
    """Shows it the right answers to all questions at once, a number of times, and what they are worth.

    The algorithm's own optimizer stays new.
    """
    world, policy = world_of_learner(model), model.policy
    assert isinstance(policy, ActorCriticPolicy)
    everything = BankScore(world)
    rows = torch.as_tensor(everything.observations)
    right = torch.as_tensor(world.bank.right[everything.instances].argmax(1))
    optimizer = torch.optim.Adam(policy.parameters(), TEACHING_RATE)
    for _ in range(N_LESSONS):
        values, log_prob, _ = policy.evaluate_actions(rows, right)
        errors = values.squeeze(1) - log_prob.exp().detach()
        loss = errors.square().mean() - log_prob.mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships no hints for it
        optimizer.step()
    optimizer.zero_grad()


def world_of_learner(model: BaseAlgorithm) -> World:
    """The tables behind its environment."""
    assert model.env is not None
    world = world_of(model.env)
    assert world is not None
    return world


LEARNERS = (
    # A level of .05 can be reached with 5 items at least: 2^-5 = .031.
    LearnerCase("REINFORCE, PatternEcho", _echoing, 640, Phases(80, 12), 5, (0.375, 0.625)),
    LearnerCase("PPO, SequenceNext", _continuing, 2_048, Phases(512, 10), 1, (0.5, 0.25, 0.25)),
)


def _learning(seed: int) -> MakeSurgeon:
    return lambda env: SACSurgeon(env, seed, learns_online=True, learning_starts=FIRST_RANDOM_EDITS)


ARMS: dict[str, Callable[[int], Surgeon | MakeSurgeon]] = {
    "sac": _learning,
    "random": RandomSurgeon,
    "es": lambda seed: EvolutionSurgeon(N_EDITS, seed, MAX_CHANGE),
    "gradient": lambda seed: GradientSurgeon(N_EDITS, MAX_CHANGE),
}
"""Who operates, beside nobody; all of them with equal evaluations, of which a gradient costs 3."""
