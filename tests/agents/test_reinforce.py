from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.buffers.monte_carlo_buffer import MonteCarloBuffer
from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.reinforce_arguments import DEFAULT_N_STEPS
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.oracle import Exact

MakeEnv = Callable[..., BatchVecEnv]
SMALL: dict[str, Any] = {"policy_kwargs": {"features_extractor_kwargs": {"width": 16}}}
DECISIONS = torch.tensor([[symbol, 0, 0] for symbol in range(8)])


def reinforce(env: Any, **kwargs: Any) -> REINFORCE:
    return REINFORCE("TransformerPolicy", env, device="cpu", **{"seed": 0} | kwargs)


def exact_success(model: REINFORCE) -> float:
    with torch.no_grad():
        return float(model.policy.get_distribution(DECISIONS).distribution.probs.diagonal().mean())


class Solved(BaseCallback):
    """Stops at 95 % exact success, and says at which step that was."""

    steps: int | None = None

    def _on_rollout_start(self) -> None:
        if self.steps is None and exact_success(self.model) >= 0.95:
            self.steps = self.num_timesteps

    def _on_step(self) -> bool:
        return self.steps is None


def steps_to_solve(model: REINFORCE, limit: int) -> int:
    solved = Solved()
    model.learn(limit, callback=solved)
    return limit if solved.steps is None else solved.steps


@pytest.mark.parametrize("scale", [None, WorldModelLoss().scale])
def test_twenty_seeds_learn_pattern_echo_near_the_floor(make_env: MakeEnv, scale: float | None) -> None:
    steps = []
    for seed in range(20):
        model = reinforce(make_env(), seed=seed)
        if scale is not None:
            attach(model, [WorldModelLoss(scale=scale)])
        steps.append(steps_to_solve(model, limit=1_000))
    assert np.median(steps) <= 240
    assert max(steps) <= 600


def test_a_policy_that_does_not_learn_stays_at_chance(make_env: MakeEnv) -> None:
    model = reinforce(make_env(), learning_rate=0.0)
    assert steps_to_solve(model, limit=1_000) == 1_000
    assert exact_success(model) == pytest.approx(1 / 8, abs=0.01)


def test_with_event_replay_twenty_seeds_learn_in_two_thirds_of_the_steps(make_env: MakeEnv) -> None:
    steps = [steps_to_solve(reinforce(make_env(), seed=seed, event_replay=True), limit=1_000) for seed in range(20)]
    assert np.median(steps) <= 130
    assert max(steps) <= 200


def test_losses_attached_at_scale_zero_change_no_bit_where_distinct_observations_are_run(make_env: MakeEnv) -> None:
    vectors = []
    for attaches in (False, True):
        model = reinforce(make_env(64), **SMALL)
        assert model.policy.distinct_observations
        if attaches:
            attach(model, [WorldModelLoss(scale=0.0)])
        model.learn(640)
        state = model.policy.state_dict()
        vectors.append(torch.cat([state[name].flatten() for name in state if not name.startswith("auxiliary")]))
    assert torch.equal(vectors[0], vectors[1])


def test_distinct_observations_are_on_where_the_space_is_small_and_can_be_switched_off(make_env: MakeEnv) -> None:
    assert reinforce(make_env(), **SMALL).policy.distinct_observations
    assert not reinforce("CartPole-v1", **SMALL).policy.distinct_observations
    off = {"policy_kwargs": {"distinct_observations": False}}
    assert not reinforce(make_env(), **off).policy.distinct_observations


@pytest.mark.parametrize("horizon", [1, 2])
def test_a_one_step_rollouts_forward_serves_the_update(
    make_env: MakeEnv, horizon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = reinforce(make_env(horizon=horizon), **SMALL)
    runs: list[int] = []
    run = model.policy.features_extractor.forward
    monkeypatch.setattr(model.policy.features_extractor, "forward", lambda obs: runs.append(len(obs)) or run(obs))
    model.learn(8 * horizon)
    assert runs == ([8] if horizon == 1 else [8, 8, 16])


@pytest.mark.parametrize("baseline", ["none", "learned", "leave_one_out"])
def test_other_baselines_learn_too(make_env: MakeEnv, baseline: str) -> None:
    assert steps_to_solve(reinforce(make_env(), baseline=baseline), limit=4_000) < 4_000


@pytest.mark.slow
def test_a_longer_horizon_is_learnt_from_whole_episodes(make_env: MakeEnv) -> None:
    model = reinforce(make_env(horizon=3, dynamics="fresh"))
    assert model.n_steps == 3
    model.learn(12_000)
    exact = evaluate(model, make_env(horizon=3, dynamics="fresh"), n_episodes=1, seed=0)
    assert isinstance(exact.episode_return, Exact)
    assert exact.episode_return.value > 2.6
    assert model.logger.name_to_value["train/complete_share"] == 1.0


def test_the_policy_gradient_is_the_one_written_by_hand(make_env: MakeEnv) -> None:
    model = reinforce(make_env(horizon=2), learning_rate=0.0, max_grad_norm=1e9, gamma=0.5, **SMALL)
    model.rollout_buffer.running_mean.update(0.25)
    model.learn(1)
    policy, buffer = model.policy, model.rollout_buffer
    attained = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    rewards = buffer.rewards
    returns = torch.as_tensor(np.stack([rewards[0] + 0.5 * rewards[1], rewards[1]]).T.flatten())
    policy.zero_grad()
    obs, actions = torch.as_tensor(buffer.observations), torch.as_tensor(buffer.actions).flatten()
    (-(returns - 0.25) * policy.get_distribution(obs).log_prob(actions)).mean().backward()
    for name, parameter in policy.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(attained[name], parameter.grad, atol=1e-6, rtol=0)


def test_the_gradient_vanishes_at_a_deterministic_optimal_policy(make_env: MakeEnv) -> None:
    trained = reinforce(make_env(), baseline="none")
    steps_to_solve(trained, limit=4_000)
    with torch.no_grad():
        for parameter in trained.policy.action_net.parameters():
            parameter *= 1_000.0
    assert exact_success(trained) == 1.0
    trained.lr_schedule = lambda _: 0.0
    trained.learn(8)
    assert trained.rollout_buffer.advantages.min() == 1.0
    assert all(not parameter.grad.any() for parameter in trained.policy.parameters() if parameter.grad is not None)


def test_with_a_learned_baseline_it_is_a2c(make_env: MakeEnv) -> None:
    kwargs = {"learning_rate": 0.1, "n_steps": 3, "gamma": 1.0, "vf_coef": 0.5, "max_grad_norm": 0.3, "seed": 0}
    policy_kwargs = {**SMALL["policy_kwargs"], "optimizer_class": torch.optim.SGD}
    a2c = A2C(TransformerPolicy, make_env(horizon=3), device="cpu", policy_kwargs=policy_kwargs, **kwargs)
    ours = reinforce(make_env(horizon=3), baseline="learned", **kwargs, **SMALL)
    vectors = []
    for model in (a2c, ours):
        model.set_random_seed(1)
        vectors.append(model.learn(24 * 5).policy.parameters_to_vector())
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_the_entropy_bonus_can_follow_a_schedule(make_env: MakeEnv) -> None:
    seen: list[float] = []

    def schedule(progress_remaining: float) -> float:
        seen.append(progress_remaining)
        return 0.5 * progress_remaining

    model = reinforce(make_env(), ent_coef=schedule, **SMALL).learn(32)
    assert seen == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert model.ent_coef == model.logger.name_to_value["train/ent_coef"] == 0.0


def test_groups_of_the_same_instances_are_compared_among_themselves(make_env: MakeEnv) -> None:
    model = reinforce(make_env(group_size=4), baseline="leave_one_out", group_size=4, **SMALL).learn(8)
    buffer = model.rollout_buffer
    assert len(np.unique(buffer.observations[:4, 0])) == len(np.unique(buffer.observations[4:, 0])) == 1
    rewards = buffer.rewards.reshape(2, 4)
    expected = rewards - (rewards.sum(1, keepdims=True) - rewards) / 3
    np.testing.assert_allclose(buffer.advantages.reshape(2, 4), expected, atol=1e-6)


def test_n_steps_is_the_horizon_the_time_limit_or_the_default(make_env: MakeEnv) -> None:
    class Endless(gym.Wrapper[Any, Any, Any, Any]):
        spec = None

    assert reinforce(make_env(), **SMALL).n_steps == 1
    assert reinforce(make_env(horizon=5), **SMALL).n_steps == 5
    assert reinforce(make_env(horizon=5), n_steps=20, **SMALL).n_steps == 20
    assert reinforce("wmil_envs:WMIL/PatternEcho-v0", **SMALL).n_steps == 1
    assert reinforce("CartPole-v1", **SMALL).n_steps == 500
    assert reinforce(Endless(gym.make("CartPole-v1").unwrapped), **SMALL).n_steps == DEFAULT_N_STEPS


def test_unfinished_episodes_are_left_out(make_env: MakeEnv) -> None:
    model = reinforce(make_env(horizon=4), n_steps=6, **SMALL)
    model.learn(1)
    assert model.logger.name_to_value["train/complete_share"] == pytest.approx(4 / 6)
    advantages = model.rollout_buffer.advantages.reshape(8, 6)  # flattened environment by environment
    assert (advantages[:, 4:] == 0).all()


class Scripted(gym.Env[Any, Any]):
    """Pays a list of rewards, whatever is done, and shows the steps taken; an episode has so many, or no end."""

    observation_space = spaces.Discrete(9)
    action_space = spaces.Discrete(2)

    def __init__(self, rewards: list[float], length: int | None = None) -> None:
        self.rewards, self.length = iter(rewards), length

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.taken = 0
        return 0, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.taken += 1
        return self.taken, next(self.rewards), self.taken == self.length, False, {}


def scripted(*envs: gym.Env[Any, Any]) -> DummyVecEnv:
    return DummyVecEnv([lambda env=env: env for env in envs])


def advantages(model: REINFORCE) -> list[list[float]]:
    """Of the last rollout, one row per environment."""
    buffer = model.rollout_buffer
    rows: list[list[float]] = buffer.advantages.reshape(buffer.n_envs, buffer.buffer_size).tolist()
    return rows


NAN = float("nan")
STILL: dict[str, Any] = {"learning_rate": 0.0, "max_grad_norm": 1e9}


def test_advantages_of_several_episodes_in_a_rollout_are_those_worked_out_by_hand() -> None:
    first = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 1.0, 1.0]
    second = [3.0, 0.0, 9.0, 1.0, 1.0, 2.0, 6.0, 5.0, 4.0, 7.0]
    env = scripted(Scripted(first, length=2), Scripted(second, length=3))
    model = reinforce(env, n_steps=5, gamma=0.5, baseline="none", **STILL, **SMALL)
    model.learn(10)
    # episodes of 2: (1, 2), (4, 8), then 16 alone; of 3: (3, 0, 9), then (1, 1) without its end
    assert advantages(model) == [[1 + 0.5 * 2, 2, 4 + 0.5 * 8, 8, 0], [3 + 0.25 * 9, 0.5 * 9, 9, 0, 0]]
    assert model.logger.name_to_value["train/complete_share"] == pytest.approx(7 / 10)
    model.learn(10, reset_num_timesteps=False)
    # 32 and 2 end the episodes that the last rollout left open; what is to go of them is known, and counts
    assert advantages(model) == [
        [32, 64 + 0.5 * 128, 128, 1 + 0.5 * 1, 1],
        [2, 6 + 0.5 * 5 + 0.25 * 4, 5 + 0.5 * 4, 4, 0],
    ]
    assert model.logger.name_to_value["train/complete_share"] == pytest.approx(9 / 10)


def test_the_running_mean_is_that_of_the_returns_of_complete_steps_alone() -> None:
    env = scripted(Scripted([1.0, 3.0, 500.0] * 2, length=2), Scripted([2.0, 4.0, 900.0] * 2, length=2))
    model = reinforce(env, n_steps=3, gamma=1.0, **STILL, **SMALL).learn(6)
    assert advantages(model) == [[4, 3, 0], [6, 4, 0]]
    assert model.logger.name_to_value["train/baseline"] == pytest.approx((4 + 3 + 6 + 4) / 4)


def test_steps_without_their_episodes_end_give_no_gradient() -> None:
    def gradient(*unfinished: float) -> dict[str, torch.Tensor]:
        env = scripted(Scripted([1.0, 2.0, 4.0, *unfinished], length=3))
        model = reinforce(env, n_steps=5, gamma=0.5, baseline="none", **STILL, **SMALL).learn(5)
        attained = {name: p.grad.clone() for name, p in model.policy.named_parameters() if p.grad is not None}
        model.policy.zero_grad()
        obs, actions = torch.tensor([0, 1, 2]), torch.as_tensor(model.rollout_buffer.actions[:3]).flatten()
        log_prob = model.policy.get_distribution(obs).log_prob(actions)
        (-(torch.tensor([1 + 1 + 1, 2 + 2, 4]) * log_prob).sum() / 5).backward()
        for name, parameter in model.policy.named_parameters():
            if parameter.grad is not None:
                torch.testing.assert_close(attained[name], parameter.grad, atol=1e-6, rtol=1e-5)
        return attained

    first, second = gradient(0.0, 0.0), gradient(1e6, -1e6)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(part.any() for part in first.values())


@pytest.mark.parametrize("kind", ["dummy", "batch"])
@pytest.mark.parametrize("baseline", ["none", "learned"])
def test_an_outer_time_limit_ends_an_episode_and_only_a_learned_value_looks_past_it(kind: str, baseline: str) -> None:
    def limited() -> gym.Env[Any, Any]:
        return TimeLimit(Scripted([1.0, 2.0, 4.0, 8.0, 16.0]), max_episode_steps=2)

    batch = BatchVecEnv(SyncVectorEnv([limited], autoreset_mode="SameStep"))
    env = scripted(limited()) if kind == "dummy" else batch
    model = reinforce(env, n_steps=5, gamma=0.5, baseline=baseline, **STILL, **SMALL).learn(5)
    with torch.no_grad():
        *values, at_the_cut = model.policy.predict_values(torch.tensor([0, 1, 0, 1, 0, 2])).flatten().tolist()
    assert (at_the_cut != 0.0) == (values != [0.0] * 5) == (baseline == "learned")
    ends = 2 + 0.5 * at_the_cut, 8 + 0.5 * at_the_cut
    returns = [1 + 0.5 * ends[0], ends[0], 4 + 0.5 * ends[1], ends[1]]
    expected = [[*(g - v for g, v in zip(returns, values[:4], strict=True)), 0.0]]
    np.testing.assert_allclose(advantages(model), expected, atol=1e-6)


def test_a_saved_model_is_loaded_and_goes_on(make_env: MakeEnv, tmp_path: Path) -> None:
    model = reinforce(make_env(), **SMALL).learn(400)
    model.save(tmp_path / "model")
    loaded = REINFORCE.load(tmp_path / "model", env=make_env(), device="cpu")
    assert isinstance(loaded.rollout_buffer, MonteCarloBuffer)
    assert loaded.rollout_buffer.running_mean.value == model.rollout_buffer.running_mean.value != 0.0
    obs = np.array([[3, 0, 0], [5, 0, 0]])
    assert np.array_equal(model.predict(obs, deterministic=True)[0], loaded.predict(obs, deterministic=True)[0])
    assert loaded.learn(80, reset_num_timesteps=False).num_timesteps == 480
    assert REINFORCE.load(tmp_path / "model", device="cpu").predict(obs[0])[0].shape == ()


def test_the_same_seed_gives_the_same_weights(make_env: MakeEnv) -> None:
    first, second, third = (reinforce(make_env(), seed=seed, **SMALL).learn(80) for seed in (1, 1, 2))
    vectors = [model.policy.parameters_to_vector() for model in (first, second, third)]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


def test_callbacks_and_logger_keys_are_those_of_stable_baselines3(make_env: MakeEnv, tmp_path: Path) -> None:
    callback = EvalCallback(
        make_env(), n_eval_episodes=16, eval_freq=20, best_model_save_path=str(tmp_path), verbose=0, deterministic=False
    )
    model = reinforce(make_env())
    model.learn(800, callback=callback, log_interval=None)
    assert callback.best_mean_reward > 0.9
    assert (tmp_path / "best_model.zip").exists()
    assert {"train/policy_loss", "train/entropy_loss", "train/baseline"} <= model.logger.name_to_value.keys()
    model.dump_logs(1)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "wmil_envs:WMIL/PatternEcho-v0"])
def test_a_rollout_that_cannot_hold_an_episode_is_refused(env_id: str) -> None:
    limit = {"CartPole-v1": 500}.get(env_id, 8)
    env = make_batch_vec_env(env_id, 2, **({} if limit == 500 else {"horizon": 8}))
    with pytest.raises(ValueError, match=f"leave n_steps out, or pass {limit} or more"):
        reinforce(env, n_steps=limit - 1, **SMALL)
    assert reinforce(env, n_steps=limit, **SMALL).n_steps == limit
    assert reinforce(env, n_steps=3, gamma=0.0, **SMALL).n_steps == 3


def test_of_horizon_and_time_limit_the_shorter_one_counts(make_env: MakeEnv) -> None:
    id = "wmil_envs:WMIL/PatternEcho-v0"
    limited = scripted(*(gym.make(id, horizon=8, max_episode_steps=limit) for limit in (3, 4)))
    assert reinforce(limited, **SMALL).n_steps == 4
    assert reinforce(limited, n_steps=4, **SMALL).learn(8).logger.name_to_value["train/complete_share"] > 0.0
    assert reinforce(scripted(gym.make(id, horizon=2, max_episode_steps=4)), **SMALL).n_steps == 2


def test_rollouts_in_which_no_episode_ends_are_told(make_env: MakeEnv) -> None:
    model = reinforce(scripted(Scripted([1.0] * 40)), n_steps=5, **SMALL)
    with pytest.warns(UserWarning, match="no episode ended in a rollout of n_steps=5, .* pass a larger n_steps"):
        model.learn(5)
    reinforce(scripted(Scripted([1.0] * 40, length=5)), n_steps=5, **SMALL).learn(10)
    reinforce(scripted(Scripted([1.0] * 40)), n_steps=5, gamma=0.0, **SMALL).learn(5)


def poles(n_envs: int = 8, *, limit: int) -> BatchVecEnv:
    """CartPole, whose space does not tell the time limit; so early no pole has fallen."""
    return make_batch_vec_env("CartPole-v1", n_envs, seed=0, max_episode_steps=limit)


@pytest.mark.parametrize("attached", [False, True])
def test_another_env_has_its_own_rollouts_unless_their_length_was_given(attached: bool) -> None:
    def made(**kwargs: Any) -> REINFORCE:
        model = reinforce(poles(limit=4), **SMALL, **kwargs)
        return attach(model, [WorldModelLoss()]) if attached else model

    model = made().learn(32)
    mean = model.rollout_buffer.running_mean
    for horizon in (8, 2):
        model.set_env(poles(limit=horizon))
        assert model.n_steps == model.rollout_buffer.buffer_size == horizon
        model.learn(8 * horizon, reset_num_timesteps=False)
        assert model.rollout_buffer.complete_share == 1.0
        assert model.rollout_buffer.rewards.shape == (horizon, 8)
    assert model.rollout_buffer.running_mean is mean, "what is known of returns is kept"
    given = made(n_steps=6)
    given.set_env(poles(limit=2))
    assert given.n_steps == given.rollout_buffer.buffer_size == 6
    before = given.env
    with pytest.raises(ValueError, match="n_steps=6 cannot hold an episode of 8 steps"):
        given.set_env(poles(limit=8))
    assert given.env is before


@pytest.mark.parametrize("attached", [False, True])
def test_a_loaded_model_has_the_rollouts_of_its_new_env(tmp_path: Path, attached: bool) -> None:
    for name, kwargs in (("derived", {}), ("given", {"n_steps": 6})):
        model = reinforce(poles(limit=4), **SMALL, **kwargs)
        (attach(model, [WorldModelLoss()]) if attached else model).learn(1).save(tmp_path / name)
    for horizon in (8, 2):
        loaded = REINFORCE.load(tmp_path / "derived", env=poles(limit=horizon), device="cpu")
        assert loaded.n_steps == loaded.rollout_buffer.buffer_size == horizon
        loaded.learn(8 * horizon)
        assert loaded.rollout_buffer.complete_share == 1.0
    with pytest.raises(ValueError, match="n_steps=6 cannot hold an episode of 8 steps"):
        REINFORCE.load(tmp_path / "given", env=poles(limit=8), device="cpu")
    assert REINFORCE.load(tmp_path / "given", env=poles(limit=2), device="cpu").n_steps == 6
    again = REINFORCE.load(tmp_path / "given", env=poles(limit=8), device="cpu", n_steps=9)
    assert again.n_steps == 9
    again.set_env(poles(limit=3))
    assert again.n_steps == 9, "given to load is given, too"
    alone = REINFORCE.load(tmp_path / "derived", device="cpu")
    alone.set_env(poles(limit=8))
    assert alone.n_steps == alone.rollout_buffer.buffer_size == 8


def test_what_is_loaded_is_checked_in_its_new_env(make_env: MakeEnv, tmp_path: Path) -> None:
    reinforce(make_env(4), baseline="leave_one_out", group_size=4, **SMALL).save(tmp_path / "groups")
    reinforce(make_env(4), baseline="leave_one_out", **SMALL).save(tmp_path / "all")
    reinforce(poles(4, limit=1), event_replay=True, **SMALL).save(tmp_path / "events")
    for name, env, sentence in (
        ("groups", make_env(6), "6 do not make groups of 4"),
        ("all", make_env(1), "1 do not make groups of 1"),
        ("events", poles(4, limit=3), "these episodes have 3 steps: pass gamma=0.0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            REINFORCE.load(tmp_path / name, env=env, device="cpu")
    with pytest.raises(ValueError, match="max_grad_norm must be above 0, not nan"):
        REINFORCE.load(tmp_path / "groups", device="cpu", max_grad_norm=NAN)
    larger = REINFORCE.load(tmp_path / "groups", env=make_env(8), device="cpu").learn(8)
    assert larger.rollout_buffer.group_size == 4


def test_what_load_is_told_reaches_the_buffer(make_env: MakeEnv, tmp_path: Path) -> None:
    reinforce(make_env(), **SMALL).save(tmp_path / "model")
    told: dict[str, Any] = {"env": make_env(), "device": "cpu"}
    assert REINFORCE.load(tmp_path / "model", baseline="none", **told).rollout_buffer.baseline == "none"
    hasty = REINFORCE.load(tmp_path / "model", baseline_momentum=1.0, **told).learn(16)
    assert hasty.rollout_buffer.running_mean.momentum == 1.0
    with pytest.raises(ValueError, match="baseline_momentum must be above 0 and at most 1, not 0"):
        REINFORCE.load(tmp_path / "model", baseline_momentum=0.0, **told)
    remembering = REINFORCE.load(tmp_path / "model", event_replay={"n_replayed": 4}, **told).learn(80)
    assert remembering.logger.name_to_value["train/failures_remembered"] > 0
    remembering.save(tmp_path / "remembering")
    forgetful = REINFORCE.load(tmp_path / "remembering", event_replay=None, **told)
    assert forgetful.policy.events is forgetful.rollout_buffer.events is None
    forgetful.learn(8)


def test_without_a_future_unfinished_episodes_teach_and_are_remembered(make_env: MakeEnv) -> None:
    model = reinforce(make_env(horizon=4, dynamics="fresh"), n_steps=2, gamma=0.0, event_replay=True, **SMALL)
    for n_rollouts in range(1, 5):
        model.learn(16, reset_num_timesteps=False)
        assert model.logger.name_to_value["train/complete_share"] == 1.0
        events = model.rollout_buffer.events
        if n_rollouts == 1:
            assert events.n_failures + events.n_rewards >= 8, "of the first two steps of each episode"
    env = scripted(Scripted([1.0, 2.0, 4.0, 8.0], length=4))
    model = reinforce(env, n_steps=2, gamma=0.0, baseline="none", **STILL, **SMALL).learn(2)
    assert advantages(model) == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"baseline": "critic"}, "baseline must be one of running_mean, none, learned, leave_one_out, not 'critic'"),
        ({"group_size": 4}, "is for baseline=\"leave_one_out\", not 'running_mean'"),
        ({"baseline": "leave_one_out", "group_size": 3}, "8 do not make groups of 3"),
        ({"baseline": "leave_one_out", "group_size": 1}, "8 do not make groups of 1"),
        ({"n_steps": 0}, "n_steps must be at least 1, not 0"),
        ({"n_steps": 2.5}, "n_steps must be an integer, not 2.5"),
        ({"baseline": "leave_one_out", "group_size": 2.0}, "group_size must be an integer, not 2.0"),
        ({"gamma": 1.5}, r"gamma must be in \[0, 1\], not 1.5"),
        ({"vf_coef": 0.5}, "trains a value that baseline='running_mean' never uses"),
        ({"baseline_momentum": 0.0}, "baseline_momentum must be above 0"),
        ({"baseline_momentum": NAN}, "baseline_momentum must be above 0"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be above 0, not 0.0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm must be above 0, not -1.0"),
        ({"max_grad_norm": NAN}, "max_grad_norm must be above 0, not nan"),
        ({"baseline": "learned", "vf_coef": -0.5}, "vf_coef must be a finite number of at least 0, not -0.5"),
        ({"baseline": "learned", "vf_coef": NAN}, "vf_coef must be a finite number of at least 0, not nan"),
        ({"ent_coef": NAN}, "ent_coef must be a finite number, not nan"),
        ({"ent_coef": lambda progress: NAN}, "ent_coef must be a finite number, not nan"),
        ({"learning_rate": NAN}, "learning_rate must be a finite number of at least 0, not nan"),
        ({"learning_rate": -0.1}, "learning_rate must be a finite number of at least 0, not -0.1"),
        ({"gamma": NAN}, r"gamma must be in \[0, 1\], not nan"),
        ({"event_replay": {"weight": NAN}}, "the weight of event replay must be above 0 and finite, not nan"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make_env: MakeEnv, kwargs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        reinforce(make_env(), **kwargs)
