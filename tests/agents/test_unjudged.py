"""What nobody judged is not learnt from, by any of our learners; who cannot leave it out is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.buffers.event_replay_buffer import EventReplayBuffer
from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_envs.symbolic_env import SymbolicEnv
from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
from wmil_envs.tasks.pattern_echo import PatternEcho

N_ENVS = 8
SMALL: dict[str, Any] = {"features_extractor_kwargs": {"width": 8, "n_layers": 1, "n_heads": 1}}
WITH_EXTRACTOR = {"features_extractor_class": TransformerExtractor, **SMALL}


def actions_of(*actions: int) -> Any:
    return lambda states, taken: np.isin(taken, actions)


@pytest.fixture
def masked(lazy_rule: Any) -> Any:
    """Makes environments in which these actions are never judged."""

    def make(*actions: int, n_envs: int = N_ENVS, horizon: int = 1, infos: Any = "full", single: bool = False) -> Any:
        task = PatternEcho(n_symbols=4, horizon=horizon, dynamics="permute" if horizon > 1 else "same")
        parent = lazy_rule(task, fails=actions_of(*actions))
        if single:
            return DummyVecEnv([lambda: SymbolicEnv(task, parent=parent)] * n_envs)
        return BatchVecEnv(SymbolicVectorEnv(task, n_envs, parent=parent), infos=infos)

    return make


def judged_parent(env: Any) -> Any:
    return env.get_attr("parent")[0]


def parameters(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.policy.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("algorithm", [PPO, A2C, DQN])
def test_a_stock_algorithm_is_refused_before_any_question(masked: Any, algorithm: Any, single: bool) -> None:
    env = masked(1, n_envs=2, single=single)
    model = algorithm("MlpPolicy", env, device="cpu")
    with pytest.raises(RuntimeError, match="REINFORCE and attach\\(model, losses\\) leave them out, a stock algorithm"):
        model.learn(16)
    assert not judged_parent(env).asked


@pytest.mark.parametrize("infos", ["full", "lean"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_reinforce_learns_nothing_from_an_episode_that_was_cut_off(masked: Any, horizon: int, infos: str) -> None:
    env = masked(1, 2, horizon=horizon, infos=infos)
    model = REINFORCE(TransformerPolicy, env, n_steps=6, seed=0, device="cpu", policy_kwargs=SMALL)
    model.learn(N_ENVS * 6)
    buffer = model.rollout_buffer
    taken = buffer.actions.reshape(N_ENVS, 6).T  # as the update left it
    unjudged = np.isin(taken, (1, 2))
    np.testing.assert_array_equal(buffer.unjudged, unjudged)
    starts = buffer.episode_starts.astype(bool)
    advantages = buffer.advantages.reshape(N_ENVS, 6).T
    n_learnt = 0
    for env_index in range(N_ENVS):
        for step in range(6):
            end = step
            while not unjudged[end, env_index] and end + 1 < 6 and not starts[end + 1, env_index]:
                end += 1
            if unjudged[end, env_index]:
                assert advantages[step, env_index] == 0.0
            n_learnt += advantages[step, env_index] != 0.0
    assert unjudged.any()
    assert n_learnt


def test_reinforce_forgets_unjudged_events_and_episodes(masked: Any) -> None:
    env = masked(1)
    model = REINFORCE(TransformerPolicy, env, event_replay=True, seed=0, device="cpu", policy_kwargs=SMALL).learn(160)
    outcomes = model.rollout_buffer.events.state_dict()["outcomes"]
    assert not outcomes[:, 1].any()
    assert outcomes[:, 0].any()
    assert len(model.ep_info_buffer) < 100 or model.ep_info_buffer.maxlen == 100


def test_a_rollout_that_nobody_judged_changes_nothing(masked: Any) -> None:
    for make in (
        lambda env: REINFORCE(TransformerPolicy, env, seed=0, device="cpu", policy_kwargs=SMALL),
        lambda env: attach(
            PPO(TransformerPolicy, env, n_steps=4, batch_size=8, seed=0, device="cpu", policy_kwargs=SMALL),
            [WorldModelLoss()],
        ),
    ):
        model = make(masked(0, 1, 2, 3))
        before = parameters(model)
        model.learn(64)
        assert same(before, parameters(model))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_attached_algorithms_are_yielded_no_unjudged_step(
    masked: Any, algorithm: Any, horizon: int, single: bool
) -> None:
    env = masked(1, horizon=horizon, single=single)
    more = {"batch_size": 16} if algorithm is PPO else {}
    model = algorithm(TransformerPolicy, env, n_steps=6, seed=0, device="cpu", policy_kwargs=SMALL, **more)
    model = attach(model, [WorldModelLoss(n_replayed=4)])
    model.learn(N_ENVS * 6)
    buffer = model.rollout_buffer
    n_judged = int((~buffer.unjudged).sum())
    assert 0 < n_judged < N_ENVS * 6
    batches = list(buffer.get(5))
    actions = torch.cat([batch.actions for batch in batches]).flatten()
    assert len(actions) == n_judged
    assert not (actions == 1).any()
    memory = model.policy.minibatch.memory
    assert not (memory.state_dict()["columns"]["actions"] == 1).any()


def test_for_the_steps_before_it_an_episode_is_cut_off_before_the_unjudged_answer(masked: Any) -> None:
    env = masked(1, horizon=3)
    model = A2C(TransformerPolicy, env, n_steps=6, gamma=0.9, seed=0, device="cpu", policy_kwargs=SMALL)
    model = attach(model, [WorldModelLoss()])
    model.learn(N_ENVS * 6)
    buffer = model.rollout_buffer
    values, rewards = buffer.values.reshape(N_ENVS, 6), buffer.rewards
    returns = buffer.returns.reshape(N_ENVS, 6)
    n_seen = 0
    for env_index in range(N_ENVS):
        for step in range(1, 6):
            if buffer.unjudged[step, env_index] and not buffer.episode_starts[step, env_index]:
                expected = rewards[step - 1, env_index] + 0.9 * values[env_index, step]
                assert returns[env_index, step - 1] == pytest.approx(expected, abs=1e-5)
                n_seen += 1
    assert n_seen


def test_histories_leave_out_what_nobody_judged_too(masked: Any) -> None:
    env = masked(1)
    kwargs = {"features_extractor_class": HistoryExtractor, **SMALL}
    model = REINFORCE(TransformerPolicy, HistoryVecEnv(env, 2), n_steps=6, seed=0, device="cpu", policy_kwargs=kwargs)
    model.learn(48)
    np.testing.assert_array_equal(model.rollout_buffer.unjudged.T.ravel(), model.rollout_buffer.actions.ravel() == 1)


@pytest.mark.parametrize("buffer_class", [ReplayBuffer, EventReplayBuffer])
def test_an_attached_off_policy_algorithm_stores_no_unjudged_transition(masked: Any, buffer_class: Any) -> None:
    env = masked(1)
    settings: dict[str, Any] = {"train_freq": 1, "seed": 0, "device": "cpu", "policy_kwargs": WITH_EXTRACTOR}
    model = DQN("MlpPolicy", env, replay_buffer_class=buffer_class, learning_starts=8, **settings)
    model = attach(model, [WorldModelLoss()])
    model.learn(160)
    buffer = model.replay_buffer
    assert buffer.pos >= 10
    assert not (buffer.actions[: buffer.pos] == 1).any()
    if buffer_class is EventReplayBuffer:
        assert not (buffer.events.actions[: buffer.events.size()] == 1).any()
        assert buffer.events.size()
    alone = attach(DQN("MlpPolicy", masked(0, 1, 2, 3), learning_starts=100, **settings), [WorldModelLoss()])
    alone.learn(32)
    assert alone.replay_buffer.size() == 0


def test_a_loaded_replay_buffer_leaves_out_unjudged_transitions_too(masked: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"train_freq": 1, "seed": 0, "device": "cpu", "policy_kwargs": WITH_EXTRACTOR}
    model = attach(DQN("MlpPolicy", masked(1), learning_starts=8, **settings), [WorldModelLoss()])
    model.learn(16)
    model.save_replay_buffer(tmp_path / "judged")
    DQN("MlpPolicy", masked(), **settings).save_replay_buffer(tmp_path / "plain")
    for name in ("judged", "plain"):
        model.load_replay_buffer(tmp_path / name)
        model.learn(80)
        buffer = model.replay_buffer
        assert buffer.pos >= 5
        assert not (buffer.actions[: buffer.pos] == 1).any(), name


def test_what_cannot_leave_out_a_transition_is_refused(masked: Any) -> None:
    saving = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
    model = DQN("MlpPolicy", masked(1), device="cpu", policy_kwargs=WITH_EXTRACTOR, **saving)
    with pytest.raises(ValueError, match="optimize_memory_usage"):
        attach(model, [WorldModelLoss()])


def test_a_recurrent_algorithm_is_refused_at_its_first_reset(masked: Any) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    env = masked(1)
    policy = {"lstm_hidden_size": 8, **WITH_EXTRACTOR}
    model = contrib.RecurrentPPO("MlpLstmPolicy", env, n_steps=8, batch_size=8, device="cpu", policy_kwargs=policy)
    model = attach(model, [WorldModelLoss()])
    with pytest.raises(RuntimeError, match="may leave answers unjudged"):
        model.learn(8)
    assert not judged_parent(env).asked


def test_a_lazy_rule_teaches_what_the_rule_teaches_bit_for_bit(lazy_rule: Any) -> None:
    task = PatternEcho()
    curves: list[list[dict[str, torch.Tensor]]] = []
    for parent in (None, lazy_rule(task), lazy_rule(task, whole=True)):
        env = BatchVecEnv(SymbolicVectorEnv(task, N_ENVS, parent=parent))
        model = REINFORCE(TransformerPolicy, env, seed=3, device="cpu")
        curve = [parameters(model)]
        for _ in range(6):
            model.learn(40, reset_num_timesteps=False)
            curve.append(parameters(model))
        curves.append(curve)
    for curve in curves[1:]:
        assert all(same(one, other) for one, other in zip(curves[0], curve, strict=True))
    assert not same(curves[0][0], curves[0][-1])
