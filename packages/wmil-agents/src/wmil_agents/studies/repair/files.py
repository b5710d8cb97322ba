"""A study of repairs as text and as files: summary.md, results.csv and summary.json."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wmil_agents.plots.repair_curve import Point
from wmil_agents.runs.run_folder import write_json
from wmil_agents.runs.versions import versions
from wmil_agents.studies.repair.operation import LEAST_LOSS
from wmil_agents.studies.repair.result import ArmResult, RepairResult
from wmil_envs.oracle import Estimated, plain_quantity

MARKDOWN, TABLE, DOCUMENT = "summary.md", "results.csv", "summary.json"

ARM_HEADINGS = (
    *("regained, mean", "of all lost", "kept", "if kept"),
    *("evaluations", "CPU ms", "training evaluations", "training CPU s"),
)
DIFFERENCE_HEADINGS = ("difference in share", "of all lost", "training paid after")
_COLUMNS = ("arm", "seed", "damage", "healthy", "before", "after", "regained", "kept", "evaluations")


def write_summary(result: RepairResult, folder: Path, command: Sequence[str] = ()) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKDOWN).write_text(markdown(result, command), encoding="utf-8")
    write_json(folder / DOCUMENT, _document(result, command))
    write_table(result, folder / TABLE)


def write_table(result: RepairResult, path: Path) -> None:
    """Write one row for each arm, seed and damage."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rows(result))


def markdown(result: RepairResult, command: Sequence[str] = ()) -> str:
    """The tables and what should be known beside them."""
    parts = [_table(("arm", *ARM_HEADINGS), arm_rows(result))]
    if len(result.arms) > 1:
        parts.append(_table((f"{result.arms[0].arm.name} minus", *DIFFERENCE_HEADINGS), difference_rows(result)))
    parts += [*break_even_sentences(result), " ".join(notes(result))]
    if command:
        parts.append(f"Written by `{shlex.join(command)}`.")
    return "\n\n".join(parts) + "\n"


def arm_rows(result: RepairResult) -> Iterator[tuple[str, ...]]:
    """For each arm its name and its figures with their intervals."""
    for one in result.arms:
        trained = one.train_evaluations > 0
        yield (
            one.arm.name,
            share_text(one.regained),
            share_text(one.regained_of_all),
            f"{one.kept.mean():.0%}",
            f"{float(one.regained_if_kept):.2f}",
            f"{one.evaluations:,.0f}",
            f"{one.seconds * 1e3:,.0f}",
            f"{one.train_evaluations:,.0f}" if trained else "",
            f"{one.train_seconds:,.0f}" if trained else "",
        )


def difference_rows(result: RepairResult) -> Iterator[tuple[str, str, str, str]]:
    """For each other arm its name, by how much the first one regains more, and after how many repairs that was free."""
    trained = result.arms[0].train_evaluations > 0
    for difference in result.differences:
        repairs = "never" if difference.paid_after is None else f"{difference.paid_after:,.0f} repairs"
        paid = repairs if trained else ""
        yield difference.arm.name, signed_text(difference.value), signed_text(difference.of_all), paid


def share_text(share: Estimated) -> str:
    """Such as `.73 [.61, .84]`."""
    low, high = share.interval
    return f"{float(share):.2f} [{low:.2f}, {high:.2f}]"


def signed_text(difference: Estimated) -> str:
    """The same with signs; in bold where the interval leaves out 0."""
    low, high = difference.interval
    text = f"{float(difference):+.2f} [{low:+.2f}, {high:+.2f}]"
    return text if low <= 0.0 <= high else f"**{text}**"


def break_even_sentences(result: RepairResult) -> Iterator[str]:
    """Of each arm that learns: after how many repairs its training has paid."""
    for one in result.arms:
        if not one.arm.learns:
            continue
        found = result.break_even(one)
        if found is None:
            yield f"{one.arm.name} never breaks even with the evolution strategies here: they need no more evaluations."
            continue
        at_most, over = ("at most ", "more than ") if found.is_bound else ("", "")
        yield (
            f"{one.arm.name} breaks even after {at_most}{found.repairs:,.0f} repairs: its training took "
            f"{one.train_evaluations:,.0f} evaluations, an evolution strategy that regains as much takes "
            f"{over}{found.evaluations:,.0f} a case, and it takes {one.evaluations:,.0f}."
        )


def notes(result: RepairResult) -> Iterator[str]:
    """What should be known beside the figures."""
    settings = result.settings
    seeds = "1 seed" if result.n_seeds == 1 else f"{result.n_seeds} seeds"
    yield (
        f"Shares are of the held-out score that the damage took; {settings.n_damages} test damages "
        f"({settings.fault}, each taking at least {LEAST_LOSS}), the same for every arm and seed, times {seeds}. In "
        "brackets 95 % intervals of a bootstrap that draws seeds and damages, both with replacement."
    )
    if result.n_seeds == 1:
        yield "With one seed an interval tells nothing of the luck of a training."
    elif result.n_seeds < 5:
        yield "With so few seeds an interval tells little of the luck of a training."
    for one in result.arms:
        if one.arm.learns:
            yield f"Means of the seeds of {one.arm.name}: {', '.join(f'{mean:.2f}' for mean in one.seed_means)}."
    for seed, reason in result.failures:
        yield f"FAILED: seed {seed}: {reason}"


def points(result: RepairResult) -> list[Point]:
    """What is drawn of each arm."""
    return [
        Point(one.arm.name, one.evaluations, float(one.regained), one.regained.interval, is_on_curve=one.arm.is_search)
        for one in result.arms
    ]


def _table(headings: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *rows))


def _rows(result: RepairResult) -> Iterator[dict[str, Any]]:
    for one in result.arms:
        for seed, cases in zip(one.seeds, one.cases, strict=True):
            regained = cases.gain / cases.lost
            for damage, share in enumerate(regained.tolist()):
                yield {
                    "arm": one.arm.name,
                    "seed": seed,
                    "damage": damage,
                    "healthy": f"{cases.healthy[damage]:.6f}",
                    "before": f"{cases.before[damage]:.6f}",
                    "after": f"{cases.after[damage]:.6f}",
                    "regained": f"{share:.6f}",
                    "kept": int(cases.kept[damage]),
                    "evaluations": cases.n_evaluations[damage],
                }


def _document(result: RepairResult, command: Sequence[str]) -> dict[str, Any]:
    return {
        "settings": asdict(result.settings),
        "n_seeds": result.n_seeds,
        "arms": [_arm_document(one, result) for one in result.arms],
        "differences": [
            {
                "arm": result.arms[0].arm.name,
                "minus": difference.arm.name,
                "share": plain_quantity(difference.value),
                "share_of_all_lost": plain_quantity(difference.of_all),
                "training_paid_after": difference.paid_after,
            }
            for difference in result.differences
        ],
        "failures": [{"seed": seed, "reason": reason} for seed, reason in result.failures],
        "notes": list(notes(result)),
        "versions": {name: fact for name, fact in versions(0, command).items() if name != "seed"},
    }


def _arm_document(one: ArmResult, result: RepairResult) -> dict[str, Any]:
    found = result.break_even(one) if one.arm.learns else None
    return {
        "name": one.arm.name,
        "words": one.arm.words,
        "regained": plain_quantity(one.regained),
        "regained_of_all": plain_quantity(one.regained_of_all),
        "regained_if_kept": plain_quantity(one.regained_if_kept),
        "share_kept": float(np.mean(one.kept)),
        "seed_means": one.seed_means,
        "evaluations": one.evaluations,
        "cpu_seconds": one.seconds,
        "train_evaluations": one.train_evaluations,
        "train_cpu_seconds": one.train_seconds,
        "break_even": None if found is None else asdict(found),
    }
