from __future__ import annotations

import pytest

from wmil_agents.buffers.running_mean import RunningMean


def test_the_first_number_is_the_mean_and_later_ones_weigh_by_momentum() -> None:
    mean = RunningMean(0.25)
    assert mean.value == 0.0
    mean.update(8.0)
    assert mean.value == pytest.approx(8.0)
    mean.update(4.0)
    assert mean.value == pytest.approx((0.75 * 0.25 * 8 + 0.25 * 4) / (0.75 * 0.25 + 0.25))


def test_state_round_trip() -> None:
    mean, other = RunningMean(), RunningMean()
    mean.update(3.0)
    other.load_state_dict(mean.state_dict())
    mean.update(1.0)
    other.update(1.0)
    assert other.value == mean.value


@pytest.mark.parametrize("momentum", [0.0, -1.0, 1.5])
def test_a_momentum_outside_its_range_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum must be above 0 and at most 1"):
        RunningMean(momentum)
