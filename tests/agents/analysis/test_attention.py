"""Attention maps, their history, and whether attention goes with effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from wmil_agents.analysis.attention import attention_entropy, attention_history, attention_maps, attention_weights
from wmil_agents.analysis.attention_causality import attention_causality, correlation
from wmil_agents.analysis.calibration import logged_calibration, policy_calibration, world_model_calibration
from wmil_agents.analysis.hidden_features import live_features, logged_features, logged_observations
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.runs.episode_layout import LogOptions
from wmil_agents.runs.episode_log import EpisodeLog
from wmil_agents.runs.episodes import Episodes, read_episodes
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/SequenceNext-v0"


def model_of(readout: str = "mean", id: str = ID, **arguments: Any) -> REINFORCE:
    kwargs = {"features_extractor_kwargs": {"width": 16, "n_layers": 2, "n_heads": 2, "readout": readout}}
    return REINFORCE("TransformerPolicy", make_batch_vec_env(id, 8, seed=0, **arguments), policy_kwargs=kwargs, seed=0)


@pytest.fixture(scope="module")
def observations() -> np.ndarray:
    env = make_batch_vec_env(ID, 64, seed=0)
    first = np.array(env.reset())
    following = env.step(np.arange(64) % env.action_space.n)[3].final_observations
    return np.unique(np.concatenate([first, following]), axis=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[REINFORCE, Episodes]:
    folder = tmp_path_factory.mktemp("log")
    model = attach(model_of(id="wmil_envs:WMIL/PatternEcho-v0"), [WorldModelLoss()])
    model.learn(2_000, EpisodeLog(folder, LogOptions(attention=True, features=True, sample_every=20)))
    return model, read_episodes(folder)


def test_entropy_of_known_weights() -> None:
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    expected = [0.0, np.log(2), -0.25 * np.log(0.25) - 0.75 * np.log(0.75)]
    assert attention_entropy(weights) == pytest.approx(expected)


def test_maps_name_their_tokens_and_sum_to_one(observations: np.ndarray) -> None:
    maps = attention_maps(model_of(), observations)
    assert maps.tokens[0] == "query"
    assert maps.weights.shape == (2, 2, len(maps.tokens), len(maps.tokens))
    assert maps.weights.sum(-1) == pytest.approx(np.ones((2, 2, len(maps.tokens))))
    assert maps.n == len(observations)


def test_the_history_has_a_map_for_each_sampled_step(trained: tuple[REINFORCE, Episodes]) -> None:
    history = attention_history(trained[1])
    assert history.steps.tolist() == list(range(0, 2_000, 160))
    first = trained[1].column("sample_attention")[:8]
    assert history.weights[0] == pytest.approx(first.mean(0))
    assert history.entropies[0] == pytest.approx(attention_entropy(first).mean(), rel=1e-6)
    assert len(history.tokens) == history.weights.shape[-1] == 4


@pytest.mark.parametrize("readout", ["mean", "query", "max", "concat"])
def test_hiding_a_token_equals_attention_without_it_by_brute_force(observations: np.ndarray, readout: str) -> None:
    model = model_of(readout)
    extractor: Any = model.policy.features_extractor
    found = attention_causality(model, observations)
    tensors = torch.as_tensor(observations)
    with torch.no_grad():
        tokens, present = extractor._with_query(*extractor.tokenizer(tensors))
        token = 2
        rows = present[:, token]
        hidden = present.clone()
        hidden[:, token] = False
        plain = extractor.transformer(tokens, present)
        without = extractor.transformer(tokens, hidden)

        def probabilities(out: torch.Tensor) -> torch.Tensor:
            attributes, there = out[:, 1:], present[:, 1:, None]
            mean = (attributes * there).sum(1) / there.sum(1)
            features = {
                "mean": mean,
                "query": out[:, 0],
                "max": attributes.masked_fill(~there, -torch.inf).amax(1),
                "concat": torch.cat([out[:, 0], mean], 1),
            }[readout]
            return model.policy.action_net(features).softmax(1)

        change = 0.5 * (probabilities(plain) - probabilities(without)).abs().sum(1)
    assert found.change[rows.numpy(), token] == pytest.approx(change[rows].numpy(), abs=1e-6)
    assert np.isnan(found.change[~rows.numpy(), token]).all()


def test_dead_attention_changes_nothing_and_has_no_correlation(observations: np.ndarray) -> None:
    model = model_of()
    extractor: Any = model.policy.features_extractor
    with torch.no_grad():
        for block in extractor.transformer.blocks:
            block.attention.out.weight.zero_()
    found = attention_causality(model, observations)
    assert np.nanmax(found.change) < 1e-7
    assert found.pearson.value is None
    assert str(found.spearman) == "undefined: the change is the same everywhere"


def test_removing_the_token_itself_counts_what_goes_past_attention(observations: np.ndarray) -> None:
    model = model_of()
    extractor: Any = model.policy.features_extractor
    with torch.no_grad():
        model.policy.action_net.weight.mul_(100)
        for block in extractor.transformer.blocks:
            block.attention.out.weight.zero_()
    assert np.nanmax(attention_causality(model, observations, "token").change) > 0.01


def test_attention_that_carries_everything_correlates_with_its_effect() -> None:
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(4), 50)
    found = correlation(attention, attention**2, rng, ranked=True)
    assert found.value == pytest.approx(1.0)
    assert found.chance is not None
    assert found.chance[1] < 0.3
    assert found.p_value == pytest.approx(1 / 1001)


def test_shuffled_attention_does_not_correlate() -> None:
    rng = np.random.default_rng(1)
    low = [
        correlation(rng.dirichlet(np.ones(4), 40), rng.random((40, 4)), rng, ranked=False).p_value for _ in range(20)
    ]
    assert sum(p is not None and p < 0.05 for p in low) <= 3


def test_differences_between_observations_prove_nothing() -> None:
    rng = np.random.default_rng(0)
    scale = np.linspace(0.1, 1.0, 30)[:, None]  # strong in some observations, for attention and effect alike
    found = correlation(scale * rng.random((30, 3)), scale * rng.random((30, 3)), rng, ranked=False)
    assert found.value is not None
    assert found.value > 0.3
    assert found.p_value is not None
    assert found.p_value > 0.05


def test_ranks_equal_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (20, 3)).astype(float), rng.integers(0, 5, (20, 3)).astype(float)
    found = correlation(first, second, rng, ranked=True)
    assert found.value == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic)


def test_too_few_pairs_have_no_correlation() -> None:
    found = correlation(np.array([[0.2, np.nan]]), np.array([[0.1, 0.3]]), np.random.default_rng(0), ranked=False)
    assert str(found) == "undefined: fewer than three pairs"


def test_a_history_can_be_asked_too() -> None:
    env = HistoryVecEnv(make_batch_vec_env("CartPole-v1", 4, seed=0), 3)
    kwargs: dict[str, Any] = {
        "features_extractor_class": HistoryExtractor,
        "features_extractor_kwargs": {"width": 16, "n_layers": 1, "n_heads": 2},
    }
    model = REINFORCE(TransformerPolicy, env, policy_kwargs=kwargs, seed=0)
    env.reset()
    for _ in range(2):
        observations = env.step(np.zeros(4, np.int64))[0]
    found = attention_causality(model, observations)
    assert found.tokens == ("-2", "-1", "now")
    assert (found.change[:, 0] > 0).all()
    assert attention_weights(model, observations).shape == (4, 1, 2, 3, 3)


def test_features_of_a_log_are_those_of_its_last_samples(trained: tuple[REINFORCE, Episodes]) -> None:
    hidden = logged_features(trained[1], last=0.25)
    steps = trained[1].column("sample_steps")
    assert len(hidden.features) == (steps >= np.unique(steps)[9]).sum()
    assert set(hidden.attributes) == {"symbol", "last_action", "feedback"}
    assert len(logged_features(trained[1], last=1.0).features) == len(steps)


def test_live_features_cover_what_was_seen(trained: tuple[REINFORCE, Episodes]) -> None:
    model, log = trained
    seen = logged_observations(log)
    assert len(np.unique(seen, axis=0)) == len(seen) > 60
    hidden = live_features(model, seen)
    assert hidden.features.shape == (len(seen), 16)
    assert np.array_equal(hidden.attributes["symbol"], seen[:, 0])


def test_the_calibration_of_a_trained_policy_and_world_model(trained: tuple[REINFORCE, Episodes]) -> None:
    model, log = trained
    found = logged_calibration(log)
    assert found.n == 2_000
    assert found.error < 0.1
    symbols = np.array([[symbol, 0, 0] for symbol in range(8)], np.int32)
    assert policy_calibration(model, symbols, np.arange(8)).error < 0.2
    following = np.array([[symbol, symbol + 1, 2] for symbol in range(8)], np.int32)
    foreseen = world_model_calibration(model, symbols, np.arange(8), following)
    assert set(foreseen) == {"symbol", "last_action", "feedback"}
    assert foreseen["symbol"].bins[-1].rate > 0.5


def test_without_a_world_model_its_calibration_is_refused() -> None:
    with pytest.raises(TypeError, match="no world model"):
        world_model_calibration(model_of(), np.zeros((1, 3)), np.zeros(1), np.zeros((1, 3)))
