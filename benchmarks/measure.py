"""Time per call, in CPU seconds of this process, contestants taking turns so that their ratios are of one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SECONDS_PER_TURN = 0.02
"""A turn is as many calls as take about this long: long against the clock's tick, short against a busy neighbour."""


@dataclass(frozen=True)
class Timing:
    """CPU time of one call, over several turns."""

    turns: tuple[float, ...]
    """Mean microseconds a call, one for each turn."""

    @property
    def median(self) -> float:
        """Microseconds a call."""
        return statistics.median(self.turns)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between these lie half of the turns."""
        if len(self.turns) == 1:
            return self.turns[0], self.turns[0]
        low, _, high = statistics.quantiles(self.turns, n=4)
        return low, high


def microseconds_per_call(contestants: Mapping[str, Callable[[], object]], n_turns: int) -> dict[str, Timing]:
    """Times each contestant `n_turns` times, all of them once before any comes again."""
    calls = {name: _calls_in_a_turn(function) for name, function in contestants.items()}
    turns: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(n_turns):
        for name, function in contestants.items():
            turns[name].append(_seconds(function, calls[name]) / calls[name] * 1e6)
    return {name: Timing(tuple(times)) for name, times in turns.items()}


def median_ratio(one: Timing, other: Timing) -> float:
    """Median over the turns of how many times `one` takes what `other` takes, each turn compared with its own."""
    return statistics.median(a / b for a, b in zip(one.turns, other.turns, strict=True))


def _calls_in_a_turn(function: Callable[[], object]) -> int:
    function()
    n_calls = 1
    while (seconds := _seconds(function, n_calls)) < SECONDS_PER_TURN / 4:
        n_calls *= 4
    return max(1, round(n_calls * SECONDS_PER_TURN / seconds))


def _seconds(function: Callable[[], object], n_calls: int) -> float:
    start = time.process_time()
    for _ in range(n_calls):
        function()
    return time.process_time() - start
