"""Classes made at run time, and what is of them, go through pickle as others do."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3 import DQN, PPO

from small_envs import Walk
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.mixin import mixed
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE

KWARGS: dict[str, Any] = {"features_extractor_class": TransformerExtractor, "features_extractor_kwargs": {"width": 8}}


def attached() -> PPO:
    model = PPO(TransformerPolicy, Walk(), n_steps=8, batch_size=8, device="cpu", seed=0)
    return attach(model, [WorldModelLoss()]).learn(8)


def test_the_same_arguments_give_the_same_class_after_pickle_too() -> None:
    made = mixed(WithGreeting, list, "Greeting")
    assert pickle.loads(pickle.dumps(made)) is made is mixed(WithGreeting, list, "Greeting")
    assert type(pickle.loads(pickle.dumps(made([1, 2])))) is made
    assert pickle.loads(pickle.dumps(made([1, 2]))) == [1, 2]


class WithGreeting(list[int]):
    """A mixin."""


@pytest.mark.parametrize("part", ["policy", "model"])
def test_what_attach_made_can_be_pickled(part: str) -> None:
    model = attached()
    again: Any = pickle.loads(pickle.dumps(model.policy if part == "policy" else model))
    policy = again if part == "policy" else again.policy
    assert type(policy) is type(model.policy)
    for one, other in zip(policy.parameters(), model.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_torch_saves_an_attached_policy() -> None:
    model, file = attached(), io.BytesIO()
    torch.save(model.policy, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    observation = torch.zeros(1, 2)
    assert torch.equal(again.predict_values(observation), model.policy.predict_values(observation))


def test_another_process_reads_the_pickle(tmp_path: Path) -> None:
    """Of a policy whose class comes from two mixins."""
    model = REINFORCE("TransformerPolicy", "wmil_envs:WMIL/PatternEcho-v0", event_replay=True, device="cpu", seed=0)
    attach(model, [WorldModelLoss()]).learn(4)
    (tmp_path / "policy").write_bytes(pickle.dumps(model.policy))
    program = "import pickle, sys; print(type(pickle.load(open(sys.argv[1], 'rb'))).__name__)"
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "policy")], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == type(model.policy).__name__


def test_a_replay_buffer_is_saved_and_loaded(tmp_path: Path) -> None:
    model = attach(
        DQN("MlpPolicy", "CartPole-v1", policy_kwargs=KWARGS, learning_starts=8, device="cpu"), [WorldModelLoss()]
    )
    model.learn(16)
    model.save_replay_buffer(tmp_path / "buffer")
    model.load_replay_buffer(tmp_path / "buffer")
    assert model.replay_buffer.size() == 16
