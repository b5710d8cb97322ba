"""A comparison as text and as files: comparison.md, comparison.csv and comparison.json."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wmil_agents.evaluation.intervals import MIN_PAIRS
from wmil_agents.evaluation.quantity import figure_text, interval_text
from wmil_agents.runs.comparison import ArmResult, Comparison, Difference
from wmil_agents.runs.difference import answer_text
from wmil_agents.runs.run_folder import write_json
from wmil_agents.runs.versions import versions
from wmil_envs.oracle import Estimated, plain_quantity

MARKDOWN, TABLE, DOCUMENT = "comparison.md", "comparison.csv", "comparison.json"


def write_comparison(comparison: Comparison, command: Sequence[str] = ()) -> None:
    """Write the three files into the comparison's folder."""
    folder = comparison.plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKDOWN).write_text(_markdown(comparison, command), encoding="utf-8")
    write_json(folder / DOCUMENT, _document(comparison, command))
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rows(comparison))


def arm_headings(comparison: Comparison) -> tuple[str, ...]:
    """Headings of the figures of `arm_rows`."""
    score = f"final {comparison.yardstick.score}, mean"
    return (score,) if comparison.yardstick.threshold is None else ("steps, median", "solved", score)


def arm_rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """For each arm its label and its figures with their intervals."""
    for result in comparison.results:
        n_runs = len(result.outcomes)
        steps = () if result.steps is None else (_steps_text(result, result.steps), f"{result.n_solved} of {n_runs}")
        yield (result.arm.label, *steps, f"{figure_text(float(result.score))} {interval_text(result.score)}")


def difference_rows(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    """Arm, quantity, and what differs from the first arm, in words."""
    for difference in comparison.differences:
        yield difference.arm.label, difference.quantity, difference_text(difference)


def difference_text(difference: Difference) -> str:
    """Such as `better by 12 [4, 20]`, or `no difference shown, 3 [-8, 12]`: arm minus first arm."""
    return answer_text(difference.value, more_is_better=difference.more_is_better)


def scale_text(comparison: Comparison) -> str:
    """Score, floor, ceiling and threshold in a sentence."""
    yardstick = comparison.yardstick
    bounds = [
        f"{name} {figure_text(bound)}"
        for name, bound in (
            ("floor", yardstick.floor),
            ("ceiling", yardstick.ceiling),
            ("threshold", yardstick.threshold),
        )
        if bound is not None
    ]
    return f"Score: {yardstick.score}{', ' if bounds else ''}{', '.join(bounds)}."


def notes(comparison: Comparison) -> Iterator[str]:
    """What should be known beside the figures."""
    plan, yardstick = comparison.plan, comparison.yardstick
    yield f"{len(plan.seeds)} seeds, the same for every arm; in brackets 95 % bootstrap intervals."
    if yardstick.threshold is not None:
        intervals = sorted({arm.settings.evaluation.interval for arm in plan.arms})
        words = " to ".join(f"{interval:,}" for interval in intervals[:: max(1, len(intervals) - 1)])
        note = f"Steps are until an evaluation is first at the threshold, and one was made every {words} steps"
        if any(result.n_solved < len(result.outcomes) for result in comparison.results):
            note += "; a run that never gets there counts with all its steps"
        yield f"{note}."
    if comparison.differences:
        yield (
            f"Differences are those of pairs with one seed, arm minus {plan.arms[0].name}: the median in steps, the "
            "mean in score. Each interval is 95 % by itself."
        )
    if any(difference.answer == "too few seeds" for difference in comparison.differences):
        yield f"With fewer than {MIN_PAIRS} seeds all differences have one sign by luck too often: run more."
    yield from yardstick.notes
    for arm in plan.arms:
        if arm.mark:
            yield f"{arm.name}: {arm.mark}, so it is no result of learning from rewards alone."
    n_older = sum(run.is_done and not run.is_of_now for run in plan.runs)
    if n_older:
        yield f"{n_older} of {len(plan.runs)} runs were made earlier, with other versions or at another commit."
    for failure in comparison.failures:
        yield f"FAILED: {failure.arm.name}, seed {failure.seed}: {failure.reason}"


def _steps_text(result: ArmResult, steps: Estimated) -> str:
    """Median and interval in whole steps; of an arm of which most runs never get there, that it takes longer."""
    if 2 * result.n_solved < len(result.outcomes):
        return f"> {_whole(float(steps))}"
    low, high = steps.interval
    return f"{_whole(float(steps))} [{_whole(low)}, {_whole(high)}]"


def _whole(steps: float) -> str:
    return f"{steps:,.0f}"


def _markdown(comparison: Comparison, command: Sequence[str]) -> str:
    first = comparison.plan.arms[0].name
    parts = [_table(("arm", *arm_headings(comparison)), arm_rows(comparison)), scale_text(comparison)]
    if comparison.differences:
        parts.append(_table((f"against {first}", "in", "difference"), difference_rows(comparison)))
    parts.append(" ".join(notes(comparison)))
    if command:
        parts.append(f"Written by `{shlex.join(command)}`.")
    return "\n\n".join(parts) + "\n"


def _table(headings: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


_COLUMNS = ("arm", "mark", "seed", "steps_to_threshold", "score", "final_score", "floor", "ceiling", "run")


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    yardstick = comparison.yardstick
    for result in comparison.results:
        for outcome in result.outcomes:
            yield {
                "arm": result.arm.name,
                "mark": result.arm.mark,
                "seed": outcome.seed,
                "steps_to_threshold": outcome.steps,
                "score": yardstick.score,
                "final_score": outcome.score,
                "floor": yardstick.floor,
                "ceiling": yardstick.ceiling,
                "run": _relative(outcome.folder, comparison.plan.folder),
            }


def _document(comparison: Comparison, command: Sequence[str]) -> dict[str, Any]:
    plan, yardstick = comparison.plan, comparison.yardstick
    return {
        "score": yardstick.score,
        "floor": yardstick.floor,
        "ceiling": yardstick.ceiling,
        "threshold": yardstick.threshold,
        "compared_at_step": yardstick.last_step,
        "seeds": list(plan.seeds),
        "arms": [
            {
                "name": result.arm.name,
                "mark": result.arm.mark,
                "divisor": yardstick.divisors[plan.arms.index(result.arm)],
                "settings": result.arm.settings.model_dump(mode="json", exclude={"seed"}),
                "steps_to_threshold": None if result.steps is None else plain_quantity(result.steps),
                "n_solved": result.n_solved,
                "final_score": plain_quantity(result.score),
                "runs": [_relative(outcome.folder, plan.folder) for outcome in result.outcomes],
            }
            for result in comparison.results
        ],
        "differences": [
            {
                "arm": difference.arm.name,
                "minus": plan.arms[0].name,
                "quantity": difference.quantity,
                "value": plain_quantity(difference.value),
                "answer": difference.answer,
            }
            for difference in comparison.differences
        ],
        "failures": [
            {"arm": failure.arm.name, "seed": failure.seed, "reason": failure.reason} for failure in comparison.failures
        ],
        "notes": list(notes(comparison)),
        "versions": {name: fact for name, fact in versions(0, command).items() if name != "seed"},
    }


def _relative(folder: Path, parent: Path) -> str:
    return folder.relative_to(parent).as_posix()
