from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.buffers.event_memory import EventReplay
from wmil_agents.policies.event_replay_policy import EventReplayPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]
SMALL: dict[str, Any] = {"policy_kwargs": {"features_extractor_kwargs": {"width": 16}}}
REPLAY = EventReplay(weight=0.7, n_replayed=4)


def reinforce(env: Any, policy: str = "TransformerPolicy", **kwargs: Any) -> REINFORCE:
    return REINFORCE(policy, env, device="cpu", **{"seed": 0, "event_replay": REPLAY} | kwargs)


def gradients(model: REINFORCE) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.policy.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("policy", "with_world_model"), [("TransformerPolicy", False), ("TransformerPolicy", True), ("MlpPolicy", False)]
)
def test_the_gradient_is_the_one_written_by_hand(make_env: MakeEnv, policy: str, with_world_model: bool) -> None:
    small = SMALL if policy == "TransformerPolicy" else {"policy_kwargs": {"net_arch": [16]}}
    model = reinforce(make_env(32), policy, learning_rate=0.0, max_grad_norm=1e9, **small)
    if with_world_model:
        attach(model, [WorldModelLoss(scale=0.0)])
    events, buffer = model.policy.events, model.rollout_buffer
    assert events is not None
    drawn: list[Any] = []
    draw = events.sample

    def remembered() -> Any:
        drawn.append(draw())
        return drawn[-1]

    events.sample = remembered
    model.learn(1)
    attained = gradients(model)
    [(observations, possible)] = drawn
    assert len(observations) == 4

    def log_probs(rows: Any) -> torch.Tensor:
        logits: torch.Tensor = model.policy.get_distribution(torch.as_tensor(rows)).distribution.logits
        return logits

    actions = torch.as_tensor(buffer.actions).flatten().long()
    chosen = log_probs(buffer.observations).gather(1, actions[:, None]).squeeze(1)
    loss = -(torch.as_tensor(buffer.advantages).flatten() * chosen).mean()
    loss = loss - 0.7 * (log_probs(observations).exp() * torch.as_tensor(possible)).sum(1).log().mean()
    model.policy.zero_grad()
    loss.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(attained[name], gradient, atol=1e-6, rtol=1e-4)


def test_what_is_remembered_is_what_the_environment_said(make_env: MakeEnv) -> None:
    model = reinforce(make_env(64), **SMALL).learn(64)
    events = model.policy.events
    assert events is not None
    drawn = events.sample()
    assert drawn is not None
    for observation, possible in zip(*drawn, strict=True):
        assert possible[observation[0]]
    assert model.logger.name_to_value["train/failures_remembered"] == events.n_failures > 20
    assert model.logger.name_to_value["train/rewards_remembered"] == events.n_rewards > 0


def test_losses_that_are_attached_see_their_own_rows(make_env: MakeEnv) -> None:
    models = []
    for replay in (None, EventReplay(weight=1e-12)):
        model = attach(reinforce(make_env(), event_replay=replay, learning_rate=0.0, **SMALL), [WorldModelLoss()])
        models.append(model.learn(40))
    first, second = (model.logger.name_to_value["train/world_model_loss"] for model in models)
    assert first == pytest.approx(second, rel=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_loss_than_without(make_env: MakeEnv) -> None:
    vectors = [
        reinforce(make_env(), event_replay=replay, **SMALL).learn(80).policy.parameters_to_vector()
        for replay in (REPLAY, REPLAY, None)
    ]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


def test_a_saved_model_remembers(make_env: MakeEnv, tmp_path: Path) -> None:
    model = reinforce(make_env(), **SMALL).learn(80)
    model.save(tmp_path / "model")
    loaded = REINFORCE.load(tmp_path / "model", env=make_env(), device="cpu")
    assert isinstance(loaded.policy, EventReplayPolicy)
    assert loaded.policy.events is loaded.rollout_buffer.events
    assert len(loaded.policy.events) == len(model.policy.events) > 0
    loaded.learn(80, reset_num_timesteps=False)


def test_the_buffers_state_holds_the_memory(make_env: MakeEnv) -> None:
    model, other = (reinforce(make_env(), **SMALL) for _ in range(2))
    model.learn(80)
    other.rollout_buffer.load_state_dict(model.rollout_buffer.state_dict())
    assert other.policy.events.n_failures == model.policy.events.n_failures > 0


def test_dict_observations_and_steps_judged_by_themselves_work(make_env: MakeEnv) -> None:
    model = reinforce(make_env(horizon=3, dynamics="fresh", obs="dict"), "MultiInputPolicy", gamma=0.0).learn(24)
    assert model.policy.events is not None
    assert len(model.policy.events) > 0


def test_actions_that_are_not_judged_one_by_one_are_refused(make_env: MakeEnv) -> None:
    with pytest.raises(ValueError, match=r"these episodes have 3 steps: pass gamma=0.0"):
        reinforce(make_env(horizon=3), **SMALL)
    with pytest.raises(ValueError, match="event_replay is for Discrete actions"):
        reinforce(gym.make("Pendulum-v1"), "MlpPolicy")
