"""A patient: a model, and the scores by which surgeons search, decide and are judged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from wmil_agents.evaluation.world_of import world_of
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgeons.bank_score import BankScore
from wmil_agents.surgeons.own_generators import OwnGenerators
from wmil_agents.surgeons.score import Model, Score
from wmil_envs.world import World

ENV_ID = "wmil_envs:WMIL/SequenceNext-v0"
LEVEL = 4
N_UPDATES = 400
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Patient:
    """Whom a surgeon operates on."""

    model: Model
    """A torch module, or an algorithm of Stable-Baselines3, whose policy is meant."""
    search: Score
    """What the surgeon sees, and is rewarded for."""
    decision: Score
    """By which its edits are kept or reverted."""
    held_out: Score
    """By which it is judged; nothing is ever chosen by it."""


def make_patient(seed: int = 0) -> Patient:
    """The default patient: a small transformer that answers nearly all of SequenceNext's 336 alternating sequences.

    It is taught the right answers, in a few seconds; the weights are remembered, so another patient of the same seed
    costs a copy. Half of the instances are to search, a quarter to decide and a quarter held out; held out from
    surgeons, that is, for the policy was taught all.

    Args:
        seed: of the policy and of the split.
    """
    policy = _new_policy(seed)
    policy.load_state_dict(_taught_weights(seed))
    return patient_of(policy.eval(), _world(), seed)


def patient_of(model: Model, world: World, seed: int = 0) -> Patient:
    """A model in a one-step world with tables, its instances split for searching, deciding and judging.

    Args:
        model: a policy that says how likely each action is, or its algorithm.
        world: `world_of(env)`.
        seed: of the split.

    Raises:
        ValueError: the world has several steps, or too few instances.
    """
    search, decision, held_out = BankScore.split(world, seed=seed)
    return Patient(model, search, decision, held_out)


@lru_cache(maxsize=1)
def _env() -> gym.Env[Any, Any]:
    return gym.make(ENV_ID, level=LEVEL)


def _world() -> World:
    world = world_of(_env())
    assert world is not None
    return world


def _new_policy(seed: int) -> TransformerPolicy:
    env = _env()
    with OwnGenerators(seed):
        return TransformerPolicy(env.observation_space, env.action_space, lambda _: LEARNING_RATE)


@lru_cache(maxsize=8)
def _taught_weights(seed: int) -> dict[str, Tensor]:
    """Those of a policy that was taught every right answer."""
    policy, everything = _new_policy(seed), BankScore(_world())
    rows = torch.as_tensor(everything.observations)
    right = torch.as_tensor(_world().bank.right[everything.instances].argmax(1))
    optimizer = torch.optim.Adam(policy.parameters(), LEARNING_RATE)
    policy.train()
    with torch.enable_grad():
        for _ in range(N_UPDATES):
            _, log_prob, _ = policy.evaluate_actions(rows, right)
            assert log_prob is not None
            optimizer.zero_grad()
            torch.autograd.backward(-log_prob.mean())
            optimizer.step()
    return policy.state_dict()
