"""Whether one arm is better than another, said with an interval."""

from __future__ import annotations

from typing import Literal

from wmil_agents.evaluation.intervals import MIN_PAIRS
from wmil_agents.evaluation.quantity import figure_text
from wmil_envs.oracle import Estimated

Answer = Literal["better", "worse", "no difference shown", "too few seeds"]


def answer_of(difference: Estimated, *, more_is_better: bool) -> Answer:
    """What a difference between pairs of runs says; open where there are too few, or its interval has 0 in it."""
    low, high = difference.interval
    if difference.n < MIN_PAIRS:
        return "too few seeds"
    if low <= 0.0 <= high:
        return "no difference shown"
    return "better" if (difference > 0.0) == more_is_better else "worse"


def answer_text(difference: Estimated, *, more_is_better: bool) -> str:
    """The answer with its figures, such as `better by 12 [4, 20]`, or `no difference shown, 3 [-8, 12]`.

    What should be more is written with four figures, and what should be less, such as steps, in whole numbers.
    """
    in_words = figure_text if more_is_better else _whole
    answer = answer_of(difference, more_is_better=more_is_better)
    if answer in ("better", "worse"):
        low, high = sorted(map(abs, difference.interval))
        return f"{answer} by {in_words(abs(float(difference)))} [{in_words(low)}, {in_words(high)}]"
    return f"{answer}, {in_words(float(difference))} [{', '.join(map(in_words, difference.interval))}]"


def _whole(steps: float) -> str:
    return f"{steps:,.0f}"
