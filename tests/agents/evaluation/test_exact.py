from typing import Any

import numpy as np
import pytest
import torch

from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.exact import can_be_evaluated_exactly, evaluate_exactly
from wmil_agents.evaluation.sampled import evaluate_episodes
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.oracle import Estimated, Exact, Unavailable

WORLDS: list[tuple[str, dict[str, Any]]] = [
    ("PatternEcho", {}),
    ("PatternEcho", {"parent": {"kind": "noisy", "flip": 0.2}, "level": 0}),
    ("PatternEcho", {"horizon": 3, "dynamics": "respond"}),
    ("SequenceNext", {"level": 5}),
    ("Conditional", {"horizon": 2, "dynamics": "fresh"}),
]


def make_model(name: str, n_envs: int = 64, **arguments: Any) -> REINFORCE:
    """A policy that knows nothing but is far from uniform."""
    env = make_batch_vec_env(f"wmil_envs:WMIL/{name}-v0", num_envs=n_envs, **arguments)
    model = REINFORCE("TransformerPolicy", env, seed=0, policy_kwargs={"features_extractor_kwargs": {"width": 16}})
    with torch.no_grad():
        model.policy.action_net.weight.normal_()
    return model


@pytest.mark.parametrize(("name", "arguments"), WORLDS)
def test_the_uniform_policy_has_the_oracles_random_figures(name: str, arguments: dict[str, Any]) -> None:
    model = make_model(name, **arguments)
    for parameter in model.policy.action_net.parameters():
        torch.nn.init.zeros_(parameter)
    world = world_of(model.get_env())
    evaluation = evaluate_exactly(model, world)
    assert float(evaluation.success) == pytest.approx(float(world.oracle().random_success), abs=1e-6)
    assert float(evaluation.episode_return) == pytest.approx(float(world.oracle().random_return), abs=1e-6)
    assert float(evaluation.entropy) == pytest.approx(float(evaluation.max_entropy), abs=1e-6)


@pytest.mark.parametrize(("name", "arguments"), WORLDS)
def test_the_exact_evaluation_equals_a_long_simulation(name: str, arguments: dict[str, Any]) -> None:
    model = make_model(name, **arguments)
    exact = evaluate(model, model.get_env(), n_episodes=10, seed=0)
    estimate = evaluate_episodes(model, model.get_env(), n_episodes=6_400, seed=2**32)
    for truth, guess in (
        (exact.success, estimate.success),
        (exact.episode_return, estimate.episode_return),
        (exact.entropy, estimate.entropy),
    ):
        assert isinstance(truth, Exact)
        assert isinstance(guess, Estimated)
        assert guess.n == 6_400
        sigma = (guess.interval[1] - guess.interval[0]) / (2 * 1.96)
        assert abs(float(truth) - guess.value) <= 4 * sigma + 1e-6


@pytest.mark.parametrize("obs", ["attributes", "onehot", "dict"])
def test_every_form_of_observation_can_be_evaluated(obs: str) -> None:
    model = make_model("PatternEcho", n_envs=2, obs=obs)
    evaluation = evaluate(model, model.get_env(), n_episodes=2, seed=0)
    assert isinstance(evaluation.success, Exact)


def test_levels_are_evaluated_apart() -> None:
    model = make_model("PatternEcho")
    world = world_of(model.get_env())
    easy, full = (evaluate_exactly(model, world, level) for level in (0, 1))
    assert float(easy.success) != float(full.success)
    assert (easy.level, full.level) == (0, 1)


def test_what_is_hidden_lowers_the_ceiling() -> None:
    model = make_model("SequenceNext", level=5)
    evaluation = evaluate_exactly(model, world_of(model.get_env()))
    assert float(evaluation.success_ceiling) == pytest.approx(0.5)


def test_a_ceiling_that_is_not_known_is_said_to_be() -> None:
    model = make_model("SequenceNext", level=5, horizon=2)
    evaluation = evaluate_exactly(model, world_of(model.get_env()))
    assert isinstance(evaluation.success_ceiling, Unavailable)


def test_episodes_stand_in_where_a_world_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("PatternEcho")
    monkeypatch.setattr("wmil_agents.evaluation.exact.MAX_OBSERVATIONS", 7)
    assert not can_be_evaluated_exactly(model, world_of(model.get_env()))
    evaluation = evaluate(model, model.get_env(), n_episodes=64, seed=0)
    assert isinstance(evaluation.success, Estimated)
    assert evaluation.oracle is not None
    with pytest.raises(ValueError, match="say nothing about level 0"):
        evaluate(model, model.get_env(), n_episodes=64, seed=0, level=0)


def test_an_evaluation_is_plain_data_and_text() -> None:
    model = make_model("PatternEcho")
    evaluation = evaluate(model, model.get_env(), n_episodes=2, seed=0)
    plain = evaluation.to_dict()
    assert plain["success"] == {"kind": "exact", "value": float(evaluation.success)}
    assert plain["world_model"]["kind"] == "unavailable"
    assert "chance 0.125" in str(evaluation)
    assert np.isfinite(plain["oracle"]["optimal_return"]["value"])
