import math

import pytest

from wmil_agents.evaluation.intervals import mean_interval, wilson_interval
from wmil_agents.evaluation.quantity import estimated_mean, estimated_return, figure_text, quantity_text
from wmil_envs.oracle import Estimated, Exact, Unavailable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 16, "0.0625"),
        (0.0, "0.0000"),
        (1.0, "1.000"),
        (-0.52, "-0.5200"),
        (2.0794, "2.079"),
        (485.123, "485.1"),
        (12_345.6, "12,346"),
        (math.nan, "-"),
        (math.inf, "inf"),
    ],
)
def test_a_figure_has_four_digits(value: float, text: str) -> None:
    assert figure_text(value) == text


def test_an_estimate_is_never_a_bare_number() -> None:
    assert quantity_text(Exact(0.5)) == "0.5000"
    assert quantity_text(Estimated(0.5, 8, (0.25, 0.75))) == "0.5000 [0.2500, 0.7500] (n = 8)"
    assert quantity_text(Unavailable("not here")) == "not available: not here"


def test_returns_of_0_and_1_have_wilsons_interval_and_others_students() -> None:
    assert estimated_return([1.0] * 20).interval == wilson_interval(20, 20)
    assert estimated_return([0.0, 1.0, 1.0, 0.0]).interval == wilson_interval(2, 4)
    assert estimated_return([0.0, 1.0, 2.0]).interval == mean_interval([0.0, 1.0, 2.0])


def test_a_mean_that_is_no_return_keeps_students() -> None:
    assert estimated_mean([0.0] * 20).interval == (0.0, 0.0)
