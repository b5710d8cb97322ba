from typing import Any

import numpy as np
import pytest
import torch

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.evaluation.world_model_errors import (
    WorldModelErrors,
    prediction_errors,
    world_model_errors,
    world_model_head,
)
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.oracle import Unavailable
from wmil_envs.outcomes import outcome_probabilities
from wmil_envs.world import World

ECHO = "wmil_envs.tasks.pattern_echo:PatternEcho"
SEQUENCE = "wmil_envs.tasks.sequence_next:SequenceNext"


def make_model(**arguments: Any) -> REINFORCE:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=2, **arguments)
    policy_kwargs = {"features_extractor_kwargs": {"width": 16}}
    return attach(REINFORCE("TransformerPolicy", env, seed=0, policy_kwargs=policy_kwargs), [WorldModelLoss()])


def uniform(n: int) -> np.ndarray:
    return np.full(n, 1.0 / n)


@pytest.mark.parametrize(("task", "level"), [(ECHO, 0), (ECHO, 1), (SEQUENCE, 2)])
def test_a_perfect_head_has_skill_1(task: str, level: int) -> None:
    outcomes = outcome_probabilities(World(task).bank, level)
    errors, mean = prediction_errors(outcomes.probabilities, outcomes, uniform(len(outcomes.actions)))
    assert [error.skill for error in errors.values()] == pytest.approx([1.0] * len(errors))
    assert mean.skill == pytest.approx(1.0)
    assert mean.error == pytest.approx(0.0)


@pytest.mark.parametrize("flip", [0.0, 0.2])
def test_the_mean_predictor_has_skill_0(flip: float) -> None:
    bank = World(ECHO, parent={"kind": "noisy", "flip": flip}).bank
    outcomes = outcome_probabilities(bank, 1)
    predicted = {name: np.tile(p.mean(0), (len(p), 1)) for name, p in outcomes.probabilities.items()}
    errors, mean = prediction_errors(predicted, outcomes, uniform(64))
    assert [error.skill for error in errors.values()] == pytest.approx([0.0] * len(errors))
    assert mean.skill == pytest.approx(0.0)


def test_what_cannot_be_predicted_has_no_skill() -> None:
    bank = World(ECHO, horizon=2, dynamics="fresh").bank
    outcomes = outcome_probabilities(bank, 1)
    errors, _ = prediction_errors(outcomes.probabilities, outcomes, uniform(64))
    assert errors["symbol"].skill is None
    assert errors["symbol"].error == pytest.approx(7 / 64)
    assert errors["feedback"].skill == pytest.approx(1.0)


def test_the_error_is_that_of_a_loop_over_all_cells() -> None:
    model = make_model()
    world = world_of(model.get_env())
    head = world_model_head(model)
    squares = []
    for symbol in range(8):
        features = model.policy.extract_features(torch.tensor([[symbol, 0, 0]]))
        for action in range(8):
            shown = [symbol, action + 1, 1 + (symbol == action)]
            predicted = head.predict(features, torch.tensor([action]))[0].numpy()
            for column, n_values in enumerate((8, 9, 3)):
                one_hot = np.eye(n_values)[shown[column]]
                squares.append(float(((predicted[column, :n_values] - one_hot) ** 2).mean()))
    errors = world_model_errors(model, world)
    assert isinstance(errors, WorldModelErrors)
    assert errors.mean.error == pytest.approx(np.mean(squares), rel=1e-5)
    assert errors.attributes["feedback"].error == pytest.approx(np.mean(squares[2::3]), rel=1e-5)


def test_the_error_on_policy_is_that_of_the_actions_it_takes() -> None:
    model = make_model()
    with torch.no_grad():  # always action 3
        model.policy.action_net.bias[3] = 100.0
    outcomes = outcome_probabilities(world_of(model.get_env()).bank, 1)
    errors = world_model_errors(model, world_of(model.get_env()))
    assert isinstance(errors, WorldModelErrors)
    symbols = torch.tensor([[symbol, 0, 0] for symbol in range(8)])
    predicted = world_model_head(model).predict(model.policy.extract_features(symbols), torch.full((8,), 3))
    target = outcomes.probabilities["feedback"][outcomes.actions == 3]
    expected = ((predicted[:, 2, :3].numpy() - target) ** 2).mean()
    assert errors.attributes["feedback"].on_policy_error == pytest.approx(expected, rel=1e-5)
    assert errors.attributes["feedback"].on_policy_error != pytest.approx(errors.attributes["feedback"].error, rel=1e-3)


def test_attributes_that_are_not_predicted_are_left_out() -> None:
    model = make_model(horizon=2, dynamics="fresh")
    errors = world_model_errors(model, world_of(model.get_env()))
    assert isinstance(errors, WorldModelErrors)
    assert "symbol" not in errors.attributes
    assert {"last_action", "feedback"} <= set(errors.attributes)


def test_a_policy_without_world_model_says_so() -> None:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=2)
    errors = world_model_errors(REINFORCE("TransformerPolicy", env, seed=0), world_of(env))
    assert isinstance(errors, Unavailable)
    assert "no world model" in errors.reason


def test_dict_observations_are_predicted_by_name() -> None:
    model = make_model(obs="dict")
    errors = world_model_errors(model, world_of(model.get_env()))
    assert isinstance(errors, WorldModelErrors)
    assert "feedback" in errors.attributes
