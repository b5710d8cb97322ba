"""What parts of a policy are worth: by brute force, beside two controls, and with nothing changed afterwards."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from torch import Tensor, nn

from wmil_agents.analysis.ablation import ablate
from wmil_agents.analysis.policy_scores import PolicyScores
from wmil_agents.analysis.removable_parts import removable_parts
from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.sampled import play_episodes
from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/Conditional-v0"
SIZES = {"width": 16, "n_layers": 2, "n_heads": 2}


def taught(env: BatchVecEnv, **kwargs: Any) -> REINFORCE:
    """A policy whose weights matter: random ones, with an action head that has an opinion."""
    model = REINFORCE(TransformerPolicy, env, policy_kwargs={"features_extractor_kwargs": SIZES, **kwargs}, seed=0)
    with torch.no_grad():
        model.policy.action_net.weight.mul_(500.0)
    return model


@pytest.fixture(scope="module")
def env() -> BatchVecEnv:
    return make_batch_vec_env(ID, 8, seed=0)


@pytest.fixture(scope="module")
def model(env: BatchVecEnv) -> REINFORCE:
    return taught(env)


def scores_of(model: REINFORCE, env: BatchVecEnv, **arguments: Any) -> PolicyScores:
    return PolicyScores(model, env, **{"n_episodes": 64, "seed": 7, **arguments})


def bits(model: REINFORCE) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def same_bits(model: REINFORCE, before: Mapping[str, Tensor]) -> bool:
    after = model.policy.state_dict()
    return after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in after)


def test_every_drop_is_that_of_weights_set_to_zero_by_hand(model: REINFORCE, env: BatchVecEnv) -> None:
    found = ablate(model, scores_of(model, env))
    before, extractor = bits(model), model.policy.features_extractor
    first, second = extractor.transformer.blocks
    table = extractor.tokenizer.table.weight  # shape has two rows, count five
    by_hand = {
        "layer 1, head 2": [first.attention.out.weight[:, 8:]],
        "layer 2, head 1": [second.attention.out.weight[:, :8]],
        "layer 1, attention": [first.attention.out.weight, first.attention.out.bias],
        "layer 2, MLP": [second.mlp_out.weight, second.mlp_out.bias],
        "query token": [extractor.query],
        "count": [table[2:7]],
    }
    drops = {one.part.name: one.drops["success"] for one in found.removals}
    whole = evaluate(model, env, n_episodes=2, seed=0).success
    for name, tensors in by_hand.items():
        with torch.no_grad():
            for tensor in tensors:
                tensor.zero_()
        assert drops[name] == whole - evaluate(model, env, n_episodes=2, seed=0).success
        model.policy.load_state_dict(before)
    assert np.ptp([drops[name] for name in by_hand]) > 0.01
    assert drops["last_action"] == drops["feedback"] == 0.0  # nobody has acted yet at the only decision


@pytest.mark.parametrize("id", [ID, "wmil_envs:WMIL/PatternEcho-v0", "wmil_envs:WMIL/SequenceNext-v0"])
def test_nothing_taken_away_is_the_whole_score_and_everything_leaves_chance(id: str) -> None:
    env = make_batch_vec_env(id, 4, seed=0)
    model = taught(env)
    scores = scores_of(model, env)
    found = ablate(model, scores, chance=scores.chance)
    assert found.nothing.drops == {"success": 0.0, "return": 0.0}
    assert found.nothing.scores == found.scores
    assert found.everything.scores == pytest.approx(found.chance)
    assert found.chance["success"] == pytest.approx(1 / env.action_space.n)
    assert found.scores["success"] != pytest.approx(found.chance["success"], abs=0.005)


@pytest.mark.parametrize("exact", [True, False])
def test_the_policy_is_the_same_to_the_last_bit_afterwards(model: REINFORCE, env: BatchVecEnv, exact: bool) -> None:
    before = bits(model)
    ablate(model, scores_of(model, env, exact=exact), pairs=True)
    assert same_bits(model, before)
    n_asked = 0

    def fails() -> dict[str, float]:
        nonlocal n_asked
        n_asked += 1
        if n_asked == 3:
            raise OSError("the world is gone")
        return {"score": 1.0}

    with pytest.raises(OSError, match="the world is gone"):
        ablate(model, fails)
    assert same_bits(model, before)


def test_episodes_are_compared_one_by_one(model: REINFORCE, env: BatchVecEnv) -> None:
    found = ablate(model, scores_of(model, env, exact=False))
    assert found.nothing.drops["success"].interval == (0.0, 0.0)
    whole, without = found.scores["success"], found.of("head")[0]
    assert (whole.n, without.drops["success"].n) == (64, 64)
    assert without.drops["success"] == pytest.approx(whole - without.scores["success"])
    low, high = without.drops["success"].interval
    assert low <= without.drops["success"] <= high
    assert {one.scores["success"] for one in found.removals} != {whole}


def test_episodes_stand_in_the_same_order_whatever_the_policy_does() -> None:
    env = make_batch_vec_env("CartPole-v1", 3, seed=0)
    model = REINFORCE(TransformerPolicy, env, policy_kwargs={"features_extractor_kwargs": SIZES}, seed=0)
    scores = PolicyScores(model, env, n_episodes=7, seed=1)
    first = np.asarray(scores()["return"])
    assert np.array_equal(first, np.asarray(scores()["return"]))
    assert scores.chance == {}
    places = play_episodes(model, env, 7, 1)
    assert np.array_equal(first, np.asarray(places.returns)[places.by_environment])
    assert np.sort(places.places).tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert places.places != sorted(places.places)


@pytest.mark.parametrize(("needs", "excess"), [(any, 1.0), (all, -1.0)])
def test_a_pair_shows_whether_heads_make_up_for_each_other(model: REINFORCE, needs: Any, excess: float) -> None:
    blocks = model.policy.features_extractor.transformer.blocks
    parts = (blocks[0].attention.out.weight[:, :8], blocks[1].attention.out.weight[:, 8:])
    found = ablate(model, lambda: {"score": float(needs(bool(part.any()) for part in parts))}, pairs=True)
    assert len(found.pairs) == 6
    assert [one.part.name for one in found.pairs if one.excess["score"]] == ["layer 1, head 1 + layer 2, head 2"]
    assert found.pairs_by_excess()[0 if excess > 0.0 else -1].excess == {"score": excess}
    assert found.pairs_by_excess()[0 if excess > 0.0 else -1].drops == {"score": 1.0}


def test_any_torch_model_with_any_score() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    tokens = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))

    def score() -> dict[str, float]:
        with torch.no_grad():
            return {"size": model(tokens).square().mean().item()}

    found = ablate(model, score)
    assert [one.part.name for one in found.removals] == [
        *("layer 1, head 1", "layer 1, head 2", "layer 2, head 1", "layer 2, head 2"),
        *("layer 1, attention", "layer 2, attention", "layer 1, MLP", "layer 2, MLP"),
    ]
    assert found.by_drop()[0].drops["size"] == max(one.drops["size"] for one in found.removals)


def names(model: Any, kind: str) -> list[str]:
    return [part.name for part in removable_parts(model) if part.kind == kind]


def test_tokens_go_by_the_names_of_what_is_seen() -> None:
    space = gym.spaces.Dict(
        {
            "food": gym.spaces.Box(-1, 1, (3, 2)),
            "food_mask": gym.spaces.MultiBinary(3),
            "own": gym.spaces.Box(-1, 1, (2,)),
            "kind": gym.spaces.Discrete(3),
        }
    )
    policy = TransformerPolicy(space, gym.spaces.Discrete(2), lambda _: 1e-3)
    assert names(policy, "token") == ["query token", "food.0 ... food.2", "kind", "own.0", "own.1"]
    cart = make_batch_vec_env("CartPole-v1", 2, seed=0)
    assert names(taught(cart), "token") == ["query token", "column 0", "column 1", "column 2", "column 3"]
    kwargs = {"features_extractor_class": HistoryExtractor, "features_extractor_kwargs": SIZES}
    history = PPO(TransformerPolicy, HistoryVecEnv(cart, 4), policy_kwargs=kwargs, device="cpu")
    assert names(history, "token") == ["observation", "previous action"]
    assert len(names(history, "head")) == 4


def test_networks_of_a_critic_are_left_out(env: BatchVecEnv) -> None:
    apart = PPO(TransformerPolicy, env, policy_kwargs={"share_features_extractor": False}, device="cpu")
    assert len(names(apart, "head")) == 8
    kwargs = {"features_extractor_class": TransformerExtractor, "features_extractor_kwargs": SIZES}
    learner = DQN("MlpPolicy", env, policy_kwargs=kwargs, buffer_size=10, device="cpu")
    assert len(names(learner, "head")) == 4
    assert all(part.edits[0].target.startswith("q_net.") for part in removable_parts(learner))


def test_a_model_without_heads_is_refused(env: BatchVecEnv) -> None:
    with pytest.raises(ValueError, match="ActorCriticPolicy has no attention heads"):
        ablate(PPO("MlpPolicy", env, device="cpu"), lambda: {"score": 1.0})


@pytest.mark.parametrize(("scores", "sentence"), [({}, "says nothing"), ({"a": [1.0]}, "at least 2 episodes")])
def test_an_evaluation_that_says_too_little_is_refused(model: REINFORCE, scores: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ablate(model, lambda: scores)


def test_the_result_is_plain_data(model: REINFORCE, env: BatchVecEnv) -> None:
    scores = scores_of(model, env)
    found = ablate(model, scores, pairs=True, chance=scores.chance)
    document = json.loads(json.dumps(found.to_dict()))
    assert document["chance"]["success"] == 1 / 16
    assert document["parts"][3]["edits"][0]["kind"] == "head_mask"
    assert document["parts"][3]["layer"] == document["parts"][3]["heads"][0] == 1
    rows = list(csv.DictReader(found.to_csv().splitlines()))
    assert len(rows) == 1 + len(found.removals) + 2 + 6
    by_name = {row["part"]: row for row in rows}
    assert float(by_name["nothing taken away"]["success"]) == found.scores["success"]
    assert (by_name["layer 2, head 1"]["layer"], by_name["layer 2, head 1"]["head"]) == ("2", "1")
    assert by_name["layer 1, head 1 + layer 1, head 2"]["head"] == "1;2"
    assert by_name["count"]["success_low"] == ""
    drops = [float(row["success_drop"]) for row in rows[1 : 1 + len(found.removals)]]
    assert drops == sorted(drops, reverse=True)
