"""A small patient: a policy with random weights, whose answers still depend on what its heads do."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import pytest
import torch
from torch import nn

from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgeons import Patient, patient_of
from wmil_agents.surgery.anatomy import module_of
from wmil_envs.world import World

MakePatient = Callable[..., Patient]
Bits = Callable[[Patient], dict[str, bytes]]


@pytest.fixture(scope="session")
def world() -> World:
    """SequenceNext with 336 instances, one step an episode."""
    found = gym.make("wmil_envs:WMIL/SequenceNext-v0", level=4).unwrapped.world
    assert isinstance(found, World)
    return found


def policy_in(world: World, seed: int = 0, n_layers: int = 2) -> TransformerPolicy:
    space, actions = world.observation.space(), gym.spaces.Discrete(world.n_actions)
    kwargs = {"width": 16, "n_layers": n_layers, "n_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        policy = TransformerPolicy(space, actions, lambda _: 1e-3, features_extractor_kwargs=kwargs)
        with torch.no_grad():  # heads must matter for what is answered
            policy.action_net.weight.normal_(0.0, 1.0)
            for name, parameter in policy.named_parameters():
                if name.endswith("qkv.weight"):
                    parameter.mul_(3.0)
    return policy


@pytest.fixture
def make_small(world: World) -> MakePatient:
    """Makes a small patient."""

    def make(seed: int = 0, n_layers: int = 2) -> Patient:
        return patient_of(policy_in(world, seed, n_layers), world)

    return make


@pytest.fixture
def patient(make_small: MakePatient) -> Patient:
    """A small patient."""
    return make_small()


@pytest.fixture
def bits() -> Bits:
    """Every parameter and buffer of a patient's model as bytes."""

    def of(patient: Patient) -> dict[str, bytes]:
        module: nn.Module = module_of(patient.model)
        return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}

    return of
