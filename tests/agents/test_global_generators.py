"""The generators of Python, NumPy and torch that all share: what draws from none of them, or only as SB3 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

from small_envs import AllAllowed, Walk
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.buffers.event_memory import EventMemory, EventReplay
from wmil_agents.buffers.event_replay_buffer import EventReplayBuffer
from wmil_agents.buffers.transition_memory import TransitionMemory
from wmil_agents.checkpoints.generators import global_generators, set_global_generators
from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.exact import evaluate_exactly
from wmil_agents.evaluation.sampled import evaluate_episodes
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_envs.oracle import Exact

ID = "wmil_envs:WMIL/PatternEcho-v0"
SIZE = {"features_extractor_kwargs": {"width": 16}}
EXTRACTOR = {"features_extractor_class": TransformerExtractor, "net_arch": [], **SIZE}
CONTRIB = EXTRACTOR | {"ortho_init": False}
SHARED = ("python", "numpy", "torch")


def words() -> dict[str, list[Any]]:
    """The state of each of them, places within a block of numbers included."""
    python, numpy, torchs = (global_generators()[name] for name in SHARED)
    return {
        "python": [*python["words"].tolist(), python["next_gaussian"]],
        "numpy": [*numpy["state"]["key"].tolist(), numpy["state"]["pos"], numpy["has_gauss"], numpy["gauss"]],
        "torch": torchs.tolist(),
    }


def moved(before: dict[str, list[Any]]) -> list[str]:
    """Whose state is another now."""
    now = words()
    return [name for name in SHARED if now[name] != before[name]]


@contextmanager
def untouched() -> Iterator[None]:
    """A block after which every one of them is as it was."""
    before = words()
    yield
    assert moved(before) == []


def echo(n_envs: int = 4, **kwargs: Any) -> BatchVecEnv:
    arguments = {"horizon": 3, "reveals_all_actions": True} | kwargs
    return BatchVecEnv(gym.make_vec(ID, num_envs=n_envs, **arguments))


def single_echoes(**kwargs: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda: gym.make(ID, **{"horizon": 3} | kwargs)] * 2)


def masked_echo() -> Any:
    return AllAllowed(gym.make(ID, horizon=3, reveals_all_actions=True))


STILL = {"learning_rate": 0.0, "seed": 0, "device": "cpu"}
"""Weights that stay as they are, so that two models act alike whatever they learn."""
MINIBATCHES = {"n_steps": 6, "batch_size": 12, "n_epochs": 1}
REPLAYING = {"learning_starts": 16, "train_freq": 16, "batch_size": 8}
MODELS: dict[str, Callable[[], Any]] = {
    "PPO": lambda: PPO(TransformerPolicy, echo(), policy_kwargs=SIZE, **MINIBATCHES, **STILL),
    "A2C": lambda: A2C(TransformerPolicy, echo(), policy_kwargs=SIZE, n_steps=6, **STILL),
    "REINFORCE": lambda: REINFORCE("TransformerPolicy", echo(), policy_kwargs=SIZE, n_steps=6, **STILL),
    "RecurrentPPO": lambda: RecurrentPPO(
        "MlpLstmPolicy", echo(), policy_kwargs=CONTRIB | {"lstm_hidden_size": 8}, **MINIBATCHES, **STILL
    ),
    "MaskablePPO": lambda: MaskablePPO(
        "MlpPolicy", masked_echo(), policy_kwargs=CONTRIB, **MINIBATCHES | {"n_steps": 24}, **STILL
    ),
    "DQN": lambda: DQN("MlpPolicy", echo(), policy_kwargs=dict(EXTRACTOR), **REPLAYING, **STILL),
    "SAC": lambda: SAC("MlpPolicy", Walk(), policy_kwargs=dict(EXTRACTOR), **REPLAYING, **STILL),
}
ON_POLICY_LOSSES = [WorldModelLoss(), LatentWorldModelLoss(), ContrastiveLoss(), TeacherLoss()]
LOSSES: dict[str, list[AuxiliaryLoss]] = {
    name: ON_POLICY_LOSSES if name not in ("DQN", "SAC") else ON_POLICY_LOSSES[:2] for name in MODELS
}


@pytest.mark.parametrize("name", MODELS)
def test_attaching_draws_from_none(name: str) -> None:
    model = MODELS[name]()
    with untouched():
        attach(model, LOSSES[name])


@pytest.mark.parametrize("name", MODELS)
def test_training_with_losses_draws_what_training_without_them_draws(name: str) -> None:
    ends = []
    for is_attached in (False, True):
        model = MODELS[name]()
        if is_attached:
            attach(model, LOSSES[name])
        start = words()
        model.learn(48, log_interval=1000)
        assert moved(start), "SB3 does draw"
        ends.append(words())
    assert ends[0] == ends[1]
    assert {f"train/{loss.name}_loss" for loss in LOSSES[name]} <= model.logger.name_to_value.keys()


def test_a_memory_of_transitions_draws_from_none() -> None:
    with untouched():
        memory = TransitionMemory(seed=0)
        rows = np.arange(40).reshape(20, 2)
        memory.add(rows, rows[:, 0] % 3, rows + 1)
        drawn = [memory.sample(7).actions.tolist() for _ in range(5)]
        memory.load_state_dict(memory.state_dict())
        fresh = TransitionMemory()
        fresh.add(rows, rows[:, 0] % 3, rows + 1)
        fresh.sample(7)
    assert len(set(map(tuple, drawn))) > 1, "it does draw"


def test_a_memory_of_events_draws_from_none() -> None:
    with untouched():
        memory = EventMemory(3, EventReplay(n_replayed=4), seed=0)
        rows = np.arange(40).reshape(20, 2)
        memory.add(rows, rows[:, 0] % 3, np.zeros(20))
        drawn = [memory.sample() for _ in range(5)]
        memory.load_state_dict(memory.state_dict())
    seen = [tuple(np.asarray(each[0])[:, 0].tolist()) for each in drawn if each is not None]
    assert len(set(seen)) > 1, "it does draw"


def test_a_buffer_of_events_draws_its_batches_from_numpys_alone_as_the_stock_one() -> None:
    space = gym.spaces.Box(-1, 1, (2,))
    arguments = 32, space, gym.spaces.Discrete(3), "cpu"
    for each in (ReplayBuffer(*arguments), EventReplayBuffer(*arguments, event_share=0.5)):
        with untouched():
            for step in range(20):
                row = np.full((1, 2), step, dtype=np.float32)
                each.add(row, row + 1, np.zeros((1, 1)), np.array([step % 2]), np.zeros(1), [{}])
        before = words()
        each.sample(8)
        assert moved(before) == ["numpy"]


def test_later_steps_of_a_rollout_are_drawn_from_none() -> None:
    model = attach(MODELS["PPO"](), [ContrastiveLoss()])
    model.learn(24)
    minibatch, start = model.policy.minibatch, global_generators()
    ends, drawn = [], []
    for wanted in (minibatch.wanted_futures, {}):
        set_global_generators(start)
        minibatch.wanted_futures = wanted
        for _ in model.rollout_buffer.get(24):
            drawn.append(minibatch.futures)
        ends.append(words())
    assert [len(futures) for futures in drawn] == [1, 0]
    assert ends[0] == ends[1], "the stock buffer's own permutation, and nothing else"


@pytest.mark.parametrize("name", ["PPO", "A2C", "REINFORCE"])
def test_an_exact_evaluation_draws_from_none(name: str) -> None:
    model = attach(MODELS[name](), [WorldModelLoss()])
    env = echo()
    world = world_of(env)
    assert world is not None
    with untouched():
        found = evaluate_exactly(model, world)
        assert evaluate(model, env, n_episodes=4, seed=1).success == found.success
    assert isinstance(found.success, Exact)


@pytest.mark.parametrize("make_env", [echo, single_echoes], ids=["batch", "single"])
@pytest.mark.parametrize("name", ["PPO", "A2C", "REINFORCE", "RecurrentPPO"])
def test_an_evaluation_by_episodes_draws_from_none(name: str, make_env: Any) -> None:
    model = attach(MODELS[name](), [WorldModelLoss()])
    env = make_env()
    with untouched():
        evaluate_episodes(model, env, 6, seed=1)
        evaluate(model, env, n_episodes=4, seed=1, exact=False)


@pytest.mark.parametrize(("name", "deterministic"), [("DQN", True), ("DQN", False), ("SAC", True), ("SAC", False)])
def test_an_evaluation_of_an_off_policy_model_draws_from_none(name: str, deterministic: bool) -> None:
    model = attach(MODELS[name](), [WorldModelLoss()])
    env = single_echoes() if name == "DQN" else DummyVecEnv([Walk])
    with untouched():
        evaluate_episodes(model, env, 6, seed=1, deterministic=deterministic)
