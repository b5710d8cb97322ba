from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmil_agents.buffers.monte_carlo_buffer import Baseline, MonteCarloBuffer, MonteCarloDictBuffer

REWARDS = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 5.0]], dtype=np.float32)
ENDS = np.array([[False, False], [True, False], [False, True]])
RETURNS = np.array([[3.0, 6.0], [2.0, 6.0], [np.nan, 5.0]])
VALUE = 0.5


def filled(baseline: Baseline, gamma: float = 1.0) -> MonteCarloBuffer:
    space = spaces.Discrete(2)
    buffer = MonteCarloBuffer(3, space, space, "cpu", gamma=gamma, n_envs=2, baseline=baseline)
    starts = np.concatenate([np.ones((1, 2), dtype=bool), ENDS[:-1]])
    for step in range(3):
        column = np.zeros((2, 1), dtype=np.int64)
        buffer.add(column, column, REWARDS[step], starts[step], torch.full((2, 1), VALUE), torch.zeros(2))
    return buffer


@pytest.mark.parametrize(("baseline", "expected"), [("none", 0.0), ("learned", VALUE), ("running_mean", 7.0)])
def test_advantages_are_returns_minus_the_baseline(baseline: Baseline, expected: float) -> None:
    buffer = filled(baseline)
    buffer.running_mean.update(7.0)
    buffer.compute_returns_and_advantage(torch.zeros(2), ENDS[-1])
    complete = np.isfinite(RETURNS)
    np.testing.assert_allclose(buffer.advantages[complete], (RETURNS - expected)[complete])
    np.testing.assert_allclose(buffer.returns[complete], RETURNS[complete])


def test_steps_of_an_unfinished_episode_teach_nothing() -> None:
    buffer = filled("learned")
    buffer.compute_returns_and_advantage(torch.full((2,), 100.0), ENDS[-1])
    assert buffer.advantages[2, 0] == 0.0
    assert buffer.returns[2, 0] == VALUE
    assert buffer.complete_share == pytest.approx(5 / 6)


def test_without_a_future_every_judged_step_is_complete() -> None:
    buffer = filled("none", gamma=0.0)
    buffer.unjudged = np.array([[False, False], [True, False], [False, False]])
    buffer.compute_returns_and_advantage(torch.zeros(2), ENDS[-1])
    assert buffer.advantages.tolist() == [[1.0, 0.0], [0.0, 1.0], [4.0, 5.0]]
    assert buffer.complete_share == pytest.approx(5 / 6)


def test_with_a_future_the_steps_before_an_unjudged_one_are_not() -> None:
    buffer = filled("none", gamma=1.0)
    buffer.unjudged = np.array([[False, False], [True, False], [False, False]])
    buffer.compute_returns_and_advantage(torch.zeros(2), ENDS[-1])
    assert buffer.advantages.tolist() == [[0.0, 6.0], [0.0, 6.0], [0.0, 5.0]]


def test_the_running_mean_takes_in_a_rollout_after_it_was_used() -> None:
    buffer = filled("running_mean")
    buffer.compute_returns_and_advantage(torch.zeros(2), ENDS[-1])
    np.testing.assert_allclose(buffer.advantages[0], RETURNS[0])
    assert buffer.running_mean.value == pytest.approx(np.nanmean(RETURNS))


def test_state_round_trip() -> None:
    buffer, other = filled("running_mean"), filled("running_mean")
    buffer.compute_returns_and_advantage(torch.zeros(2), ENDS[-1])
    other.load_state_dict(buffer.state_dict())
    assert other.running_mean.value == buffer.running_mean.value != 0.0


def test_dict_observations_have_the_same_advantages() -> None:
    space = spaces.Dict({"a": spaces.Discrete(2)})
    buffer = MonteCarloDictBuffer(1, space, spaces.Discrete(2), "cpu", n_envs=2, baseline="none")
    column = np.zeros((2, 1), dtype=np.int64)
    buffer.add({"a": column}, column, np.array([1.0, 2.0]), np.ones(2), torch.zeros(2, 1), torch.zeros(2))
    buffer.compute_returns_and_advantage(torch.zeros(2), np.ones(2, dtype=bool))
    assert buffer.advantages.tolist() == [[1.0, 2.0]]
