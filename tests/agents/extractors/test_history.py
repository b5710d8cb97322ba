from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.evaluation.sampled import evaluate_episodes
from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

KINDS = ("learned", "rotary", "trace")
LENGTH = 5
SPACE = HistorySpace(spaces.Box(-1, 1, (3,)), spaces.Discrete(4), LENGTH)


def extractor(positions: str = "learned", space: spaces.Space = SPACE, n_layers: int = 2) -> HistoryExtractor:
    torch.manual_seed(0)
    return HistoryExtractor(space, width=16, n_layers=n_layers, positions=positions)


def histories(n_valid: tuple[int, ...] = (5, 5, 3, 1), space: HistorySpace = SPACE) -> dict[str, torch.Tensor]:
    """One history of each length; full ones come from the middle of an episode, the others from its start."""
    space.seed(0)
    drawn = [space.sample() for _ in n_valid]
    batch = {name: torch.as_tensor(np.stack([one[name] for one in drawn])) for name in space.spaces}
    for row, n in enumerate(n_valid):
        first = LENGTH - n
        batch["observation_mask"][row] = (torch.arange(LENGTH) >= first).to(torch.int8)
        batch["action_mask"][row] = (torch.arange(LENGTH) >= first + (n < LENGTH)).to(torch.int8)
    return batch


def changed(batch: dict[str, torch.Tensor], name: str, where: torch.Tensor | int) -> dict[str, torch.Tensor]:
    """The batch with other contents of one entry in these positions."""
    rows = batch[name].clone()
    rows[:, where] = 3 - rows[:, where] if name == "action" else rows[:, where] + 1.0
    return batch | {name: rows}


@pytest.mark.parametrize("positions", KINDS)
@pytest.mark.parametrize("name", ["observation", "action"])
def test_features_depend_on_every_older_pair(positions: str, name: str) -> None:
    network, batch = extractor(positions), histories((5, 5))
    for place in range(LENGTH):
        difference = (network(batch) - network(changed(batch, name, place))).abs().amax(1)
        assert (difference > 1e-6).all()


@pytest.mark.parametrize("positions", KINDS)
def test_what_stands_in_absent_rows_changes_no_bit(positions: str) -> None:
    network, batch = extractor(positions), histories()
    before = network(batch)
    rows, done = batch["observation"].clone(), batch["action"].clone()
    rows[batch["observation_mask"] == 0] = torch.nan
    done[batch["action_mask"] == 0] = 10**6
    assert torch.isnan(rows).any()
    assert torch.equal(before, network(batch | {"observation": rows, "action": done}))


@pytest.mark.parametrize("positions", KINDS)
def test_no_position_depends_on_a_later_one(positions: str) -> None:
    network, batch = extractor(positions), histories((5, 5))
    before = network.sequence(batch)
    for place in range(1, LENGTH):
        for name in ("observation", "action"):
            after = network.sequence(changed(batch, name, slice(place, None)))
            assert torch.equal(before[:, :place], after[:, :place])
            assert not torch.isclose(before[:, place], after[:, place]).all()


@pytest.mark.parametrize("positions", KINDS)
def test_the_features_are_those_of_the_newest_position(positions: str) -> None:
    network, batch = extractor(positions), histories()
    torch.testing.assert_close(network(batch), network.sequence(batch)[:, -1])


@pytest.mark.parametrize("positions", KINDS)
@pytest.mark.parametrize("n_layers", [1, 2])
def test_every_parameter_has_a_gradient(positions: str, n_layers: int) -> None:
    network, batch = extractor(positions, n_layers=n_layers), histories((5, 4, 3, 2, 1))
    (network(batch).square() * torch.randn(5, 16)).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("positions", KINDS)
def test_attention_sees_the_past_that_is_there_and_nothing_else(positions: str) -> None:
    weights = extractor(positions).attention_weights(histories((5, 2)))
    assert weights.shape == (2, 2, 4, LENGTH, LENGTH)
    assert (weights[:, 0, :, -1] > 0).all()
    assert (weights[:, 1, :, -1, :3] == 0).all()
    assert (weights[:, :, :, 0, 1:] == 0).all()


def test_the_start_of_an_episode_is_told_from_a_cut_off_past() -> None:
    network, batch = extractor(), histories((5,))
    at_start = batch | {"action_mask": torch.tensor([[0, 1, 1, 1, 1]])}
    assert not torch.allclose(network(batch), network(at_start))


@pytest.mark.parametrize(
    ("observation_space", "action_space"),
    [
        (spaces.Discrete(3), spaces.Discrete(2)),
        (spaces.MultiDiscrete([3, 4]), spaces.MultiDiscrete([2, 2])),
        (spaces.MultiBinary(3), spaces.MultiBinary(2)),
        (spaces.Box(0, 255, (2, 2), np.uint8), spaces.Box(-1, 1, (2,))),
    ],
)
def test_raw_and_preprocessed_histories_give_the_same_features(
    observation_space: spaces.Space, action_space: spaces.Space
) -> None:
    space = HistorySpace(observation_space, action_space, LENGTH)
    network, batch = extractor(space=space), histories((5, 3, 1), space)
    assert torch.equal(network(batch), network(preprocess_obs(batch, space)))


@pytest.mark.parametrize("algorithm", [PPO, A2C])
@pytest.mark.parametrize("policy", ["MultiInputPolicy", TransformerPolicy])
@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1", "wmil_envs:WMIL/PatternEcho-v0"])
def test_stock_algorithms_learn_with_it(algorithm: type[PPO | A2C], policy: str, id: str) -> None:
    arguments = {"horizon": 3} if "WMIL" in id else {}
    env = HistoryVecEnv(make_batch_vec_env(id, 2, seed=0, **arguments), 4)
    kwargs = {
        "features_extractor_class": HistoryExtractor,
        "features_extractor_kwargs": {"width": 16, "positions": "rotary"},
    }
    settings = {"batch_size": 8, "n_epochs": 1} if algorithm is PPO else {}
    model = algorithm(policy, env, n_steps=8, policy_kwargs=kwargs, seed=0, device="cpu", **settings)
    before = {name: p.clone() for name, p in model.policy.features_extractor.named_parameters()}
    model.learn(64)
    after = dict(model.policy.features_extractor.named_parameters())
    assert [name for name, p in before.items() if torch.equal(p, after[name])] == []


class Recall(gym.Env[int, int]):
    """A cue, 1 to 4, then nothing (0) twice; the third answer should be the cue's."""

    observation_space: spaces.Discrete = spaces.Discrete(5)
    action_space: spaces.Discrete = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.n_steps = int(self.np_random.integers(1, 5)), 0
        return self.cue, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.n_steps += 1
        return 0, float(self.n_steps == 3 and action == self.cue - 1), self.n_steps == 3, False, {}


@pytest.mark.parametrize("positions", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_what_was_seen_two_steps_ago_is_learnt_to_be_remembered(positions: str) -> None:
    env = HistoryVecEnv(DummyVecEnv([Recall] * 16), 4)
    env.seed(0)
    kwargs = {
        "features_extractor_class": HistoryExtractor,
        "features_extractor_kwargs": {"width": 16, "n_layers": 1, "positions": positions},
    }
    model = PPO(
        TransformerPolicy,
        env,
        learning_rate=5e-3,
        n_steps=12,
        batch_size=96,
        n_epochs=6,
        policy_kwargs=kwargs,
        seed=0,
        device="cpu",
    ).learn(192 * 30)
    assert float(evaluate_episodes(model, env, 200, seed=1).episode_return) > 0.9  # without memory .25


def test_a_saved_model_predicts_the_same(tmp_path: object) -> None:
    env = HistoryVecEnv(make_batch_vec_env("CartPole-v1", 2, seed=0), 4)
    kwargs = {"features_extractor_class": HistoryExtractor, "features_extractor_kwargs": {"width": 16}}
    model = PPO(TransformerPolicy, env, n_steps=8, batch_size=8, policy_kwargs=kwargs, device="cpu").learn(16)
    model.save(f"{tmp_path}/model")
    loaded, histories = PPO.load(f"{tmp_path}/model", env, device="cpu"), env.reset()
    assert np.array_equal(
        model.predict(histories, deterministic=True)[0],
        loaded.predict(histories, deterministic=True)[0],
    )
    assert isinstance(loaded.observation_space, HistorySpace)


def test_observations_without_a_history_are_refused() -> None:
    with pytest.raises(ValueError, match=r"wrap the env, HistoryVecEnv\(env\)"):
        extractor(space=spaces.Box(-1, 1, (3,)))


@pytest.mark.parametrize("width", [0, -4, 2.5])
def test_a_width_that_is_none_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match=f"the width of HistoryExtractor must be .*, not {width}"):
        HistoryExtractor(SPACE, width=width)
