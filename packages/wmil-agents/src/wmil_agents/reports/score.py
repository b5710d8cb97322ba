"""What each arm reached, and what differs between two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wmil_agents.evaluation.interquartile_mean import interquartile_interval, interquartile_mean
from wmil_agents.evaluation.intervals import paired_bootstrap
from wmil_agents.plots.panels import differing_bound
from wmil_agents.runs.recorded_arm import RecordedArm
from wmil_agents.runs.solved import SOLVED, steps_until
from wmil_envs.oracle import Estimated


@dataclass(frozen=True)
class Reached:
    """What an arm's runs have at their last evaluation."""

    by_seed: dict[int, float]
    middle: float
    """Interquartile mean; not-a-number without runs."""
    interval: tuple[float, float] | None
    """Its 95 % bootstrap interval over seeds; of a single run that of its estimate, None where it is exact."""


def reached(arm: RecordedArm, column: str) -> Reached:
    """What the arm has in this column at the end."""
    by_seed = arm.final(column)
    values = np.array(list(by_seed.values()))[:, None]
    if not by_seed:
        return Reached({}, math.nan, None)
    interval = None
    if len(values) > 1:
        low, high = interquartile_interval(values)
        interval = float(low[0]), float(high[0])
    else:
        ends = [*arm.final(f"{column}_low").values(), *arm.final(f"{column}_high").values()]
        interval = (ends[0], ends[1]) if len(ends) == 2 else None
    return Reached(by_seed, float(interquartile_mean(values)[0]), interval)


def steps_to_solved(arm: RecordedArm, column: str) -> list[int | None] | None:
    """For each run the step at which it was first at 95 % of the ceiling, or None; None where no ceiling is known."""
    ceiling = arm.bound("success_ceiling" if column == "success" else "memoryless_return")
    if math.isnan(ceiling):
        return None
    found: list[int | None] = []
    for run in arm.runs:
        scores = run.metrics.get(column, [])
        lows = run.metrics.get(f"{column}_low", [math.nan] * len(scores))
        found.append(steps_until(run.metrics.get("step", []), scores, lows, SOLVED * ceiling))
    return found


def refusal(first: RecordedArm, other: RecordedArm) -> str | None:
    """Why the scores of two arms cannot be held against each other; None where they can."""
    if first.runs[0].settings.env.id != other.runs[0].settings.env.id:
        return "they are of different environments"
    horizons = [arm.runs[0].settings.env.arguments.get("horizon", 1) for arm in (first, other)]
    if horizons[0] != horizons[1]:
        return f"their episodes have {horizons[1]} and {horizons[0]} steps"
    lengths = [{run.last_step for run in arm.runs} for arm in (first, other)]
    if lengths[0] != lengths[1] or len(lengths[0]) != 1:
        return "their runs are of different lengths"
    if (name := differing_bound(first, other)) is not None:
        return f"what is {name} differs between them"
    arguments = [arm.runs[0].settings.env.arguments for arm in (first, other)]
    if math.isnan(first.bound("random_return")) and arguments[0] != arguments[1]:
        return "their environments have different arguments, and no floor and ceiling say what a score is worth in each"
    return None


def paired_difference(first: RecordedArm, other: RecordedArm, column: str) -> Estimated | None:
    """Mean of the differences between runs of one seed, with the interval of a paired bootstrap; None below 2 pairs."""
    ones, others = first.final(column), other.final(column)
    seeds = [seed for seed in ones if seed in others]
    if len(seeds) < 2:
        return None
    value, interval = paired_bootstrap(
        [ones[seed] for seed in seeds], [others[seed] for seed in seeds], np.mean, np.random.default_rng(0)
    )
    return Estimated(value, len(seeds), interval)
