"""What came out: where each arm ended, between floor and ceiling, and what differs from the first one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from wmil_agents.evaluation.intervals import MIN_PAIRS
from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.plots.panels import score_bounds
from wmil_agents.reports.blocks import Missing, arm_name, figure, note, numbers, section, table
from wmil_agents.reports.dot_chart import Dot, DotRow, dot_chart
from wmil_agents.reports.markup import Child, Markup, element
from wmil_agents.reports.scale import percent, short_number, spread
from wmil_agents.reports.score import Reached, paired_difference, reached, refusal, steps_to_solved
from wmil_agents.runs.difference import answer_text
from wmil_agents.runs.recorded_arm import RecordedArm
from wmil_agents.runs.solved import SOLVED


def outcome(arms: Sequence[RecordedArm], column: str) -> Markup | Missing:
    """The section."""
    ends = [reached(arm, column) for arm in arms]
    if not any(end.by_seed for end in ends):
        return Missing("Outcome", "no evaluation was recorded, so there is no metrics.csv")
    if sum(len(arm.runs) for arm in arms) == 1:
        return section("outcome", "Outcome", _tiles(arms[0], ends[0], column))
    words: list[Child] = [_table(arms, ends, column), [note(text) for text in _notes(arms, ends)]]
    if len(arms) > 1:
        words += _differences(arms, column)
    return section(
        "outcome", "Outcome", element("div", _chart(arms, ends, column), element("div", words), class_="beside")
    )


def _tiles(arm: RecordedArm, end: Reached, column: str) -> Markup:
    """The figures of a single run."""
    text = percent if column == "success" else figure_text
    value = text(end.middle)
    interval = None if end.interval is None else f"95 % interval {text(end.interval[0])} to {text(end.interval[1])}"
    tiles = [(f"final {column}", value, interval)]
    tiles += [(name, text(bound), None) for name, bound in score_bounds([arm], column).items()]
    if (found := steps_to_solved(arm, column)) is not None:
        tiles.append((f"steps to {SOLVED:.0%} of the ceiling", _steps_text(found, arm), None))
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", number, None if more is None else element("small", more)))
            for name, number, more in tiles
        ],
        class_="tiles",
    )


def _chart(arms: Sequence[RecordedArm], ends: Sequence[Reached], column: str) -> Markup:
    is_share = column == "success"
    bounds = score_bounds(arms, column)
    every = [value for end in ends for value in end.by_seed.values()] + list(bounds.values())
    low, high = (0.0, 1.0) if is_share else spread(every)
    floor, ceiling = next(iter(bounds.values()), math.nan), list(bounds.values())[-1] if bounds else math.nan
    rows = [
        DotRow(arm.label, [Dot(i, end.middle, end.interval, list(end.by_seed.values()))], floor, ceiling)
        for i, (arm, end) in enumerate(zip(arms, ends, strict=True))
        if end.by_seed
    ]
    sentence = "; ".join(f"{arm.name} {_with_interval(end)}" for arm, end in zip(arms, ends, strict=True))
    chart = dot_chart(f"Final {column}", sentence, rows, low, high, percent if is_share else short_number)
    table_ = table(
        ["arm", "seed", column],
        [
            [arm.name, str(seed), figure_text(value)]
            for arm, end in zip(arms, ends, strict=True)
            for seed, value in end.by_seed.items()
        ],
    )
    dashed = " = ".join(bounds) if len(set(bounds.values())) < 2 else " and ".join(bounds)
    remark = f"Faint dots are runs, the sign their interquartile mean, the bar its 95 % interval. Dashed: {dashed}."
    return figure(f"Final {column}", [chart, numbers("Numbers of every run", table_)], remark if bounds else None)


def _table(arms: Sequence[RecordedArm], ends: Sequence[Reached], column: str) -> Markup:
    steps = [steps_to_solved(arm, column) for arm in arms]
    headings = ["arm", "runs", f"final {column}"]
    headings += [f"steps to {SOLVED:.0%} of the ceiling"] if any(one is not None for one in steps) else []
    headings.append("verdict passed")
    rows: list[list[Child]] = []
    for i, (arm, end, found) in enumerate(zip(arms, ends, steps, strict=True)):
        row: list[Child] = [arm_name(arm, i, with_swatch=len(arms) > 1), str(len(arm.runs)), _with_interval(end)]
        if len(headings) == 5:
            row.append("-" if found is None else _steps_text(found, arm))
        row.append(_verdicts(arm))
        rows.append(row)
    return table(headings, rows)


def _steps_text(found: Sequence[int | None], arm: RecordedArm) -> str:
    """The median; where most runs never get there, that it takes longer."""
    solved = [step for step in found if step is not None]
    total = max(run.last_step for run in arm.runs)
    median = float(np.median([total if step is None else step for step in found]))
    text = f"{median:,.0f}" if 2 * len(solved) > len(found) else f"> {median:,.0f}"
    return text if len(found) == 1 else f"{text} ({len(solved)} of {len(found)})"


def _verdicts(arm: RecordedArm) -> str:
    ended = [run for run in arm.runs if run.verdict is not None]
    n_passed = sum(run.verdict is not None and run.verdict.get("reached") is True for run in ended)
    open_ = "" if len(ended) == len(arm.runs) else f", {len(arm.runs) - len(ended)} not ended"
    return f"{n_passed} of {len(arm.runs)}{open_}"


def _notes(arms: Sequence[RecordedArm], ends: Sequence[Reached]) -> Iterator[str]:
    most = max(len(end.by_seed) for end in ends)
    if most > 1:
        yield "Figures are interquartile means over seeds with 95 % bootstrap intervals; steps are medians."
    if 1 < most < MIN_PAIRS:
        yield f"With fewer than {MIN_PAIRS} seeds such an interval is too narrow: run more."
    for arm in arms:
        if arm.mark:
            yield f"{arm.name}: {arm.mark}, so it is no result of learning from rewards alone."


def _differences(arms: Sequence[RecordedArm], column: str) -> list[Child]:
    first = arms[0]
    rows: list[list[Child]] = []
    for i, arm in enumerate(arms[1:], start=1):
        why = refusal(first, arm)
        difference = paired_difference(first, arm, column)
        if why is not None:
            text = f"not compared: {why}"
        elif difference is None:
            text = "not compared: they share fewer than two seeds"
        else:
            text = answer_text(difference, more_is_better=True)
        rows.append([arm_name(arm, i), text])
    remark = "Mean of the differences between runs of the same seed, with the 95 % interval of a paired bootstrap."
    return [table([f"against {first.label}", f"final {column}"], rows, figures_from=2), note(remark)]


def _with_interval(end: Reached) -> str:
    if end.interval is None:
        return figure_text(end.middle)
    low, high = map(figure_text, end.interval)
    return f"{figure_text(end.middle)} [{low}, {high}]"
