"""Writes the tables of the project's README from `benchmarks/results/latest`: `python -m benchmarks.readme`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.figure import Figure
from benchmarks.pace import pace, processor
from benchmarks.peers.comparison import Lesson, Rate, read_rows
from benchmarks.peers.report import (
    LEARNING,
    STEPPING,
    against_our_default,
    best,
    emphasised,
    of_course,
    ratio_text,
    seconds_text,
    steps_text,
    table,
)
from benchmarks.peers.rows import COURSES, ECHO_COURSE
from benchmarks.results_folder import LATEST
from benchmarks.table import read_csv

README = machine.ROOT / "README.md"
BEGIN = "<!-- written by `python -m benchmarks.readme` up to the next such line -->"
END = "<!-- until here -->"


def main() -> None:
    """Writes them."""
    write_readme()
    print(f"{README.name}: tables written")


def write_readme(readme: Path = README, results: Path = LATEST) -> None:
    """Puts the tables between the two marks of the README."""
    readme.write_text(with_tables(readme.read_text(encoding="utf-8"), results), encoding="utf-8")


def with_tables(text: str, results: Path) -> str:
    """The README's text with what these results say between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the README has no place for the tables: {BEGIN} and, later, {END}")
    return f"{before}{BEGIN}\n\n{section(results)}\n\n{END}{after}"


def section(results: Path) -> str:
    """Learners beside those of other libraries, steps of environments beside theirs, bounds that are missed."""
    lessons = read_rows(results / f"{LEARNING}.csv", Lesson)
    rates = read_rows(results / f"{STEPPING}.csv", Rate)
    figures = [figure for path in sorted(results.glob("*.csv")) if is_figures(path) for figure in read_csv(path)]
    echo = of_course(lessons, ECHO_COURSE)
    seeds = max(one.seeds for one in echo)
    return "\n\n".join(
        [
            "PatternEcho until 95 % of the answers are right, computed exactly: medians of one run on one machine, "
            f"{seeds} seeds. Steps and CPU time beside the first row: above 1 x that one needs less.",
            learners_table(echo),
            best(echo),
            *elsewhere(lessons),
            "Stepping environments at random, in million steps per CPU second of one thread:",
            stepping_table(rates),
            bounds(figures),
            *filter(None, [pace(results, processor(results))]),
        ]
    )


def is_figures(path: Path) -> bool:
    """Whether a CSV file is one of figures, which have bounds."""
    return path.read_text(encoding="utf-8").startswith("name,value,unit,bound,")


def elsewhere(lessons: Sequence[Lesson]) -> list[str]:
    """The other worlds, where there are some: a table of those that took part in each."""
    parts: list[str] = []
    for course in COURSES:
        learners = of_course(lessons, course)
        if course is ECHO_COURSE or not learners:
            continue
        n_seeds = max(one.seeds for one in learners)
        parts += [f"{course.name}, {n_seeds} {'seed' if n_seeds == 1 else 'seeds'}:", learners_table(learners)]
    if not parts:
        return []
    told = (
        "Worlds with more questions, the settings being our defaults or those found for PatternEcho. Where most runs "
        "had not got there, > stands before what they spent."
    )
    return [told, *parts]


def learners_table(lessons: Sequence[Lesson]) -> str:
    """One row for each learner that took part."""
    rows = [("learner", "steps to 95 %", "CPU s", "steps", "CPU time"), ("---",) * 5]
    for one in lessons:
        if one.steps is not None and one.seconds is not None:
            ratios = [against_our_default(one, ratio) for ratio in (one.steps_ratio, one.seconds_ratio)]
            rows.append((emphasised(one), steps_text(one), seconds_text(one), *ratios))
    return table(rows)


def stepping_table(rates: Sequence[Rate]) -> str:
    """Ours beside the fastest of the others, for each number of environments."""
    rows = [("environments", "ours", "the fastest other", "ours is"), ("---",) * 4]
    measured = [one for one in rates if one.steps_per_second is not None]
    for n_envs in dict.fromkeys(one.n_envs for one in measured):
        alike = [one for one in measured if one.n_envs == n_envs]
        ours = next(one for one in alike if one.is_ours)
        others = [one for one in alike if one.compared_with == ours.name and not one.is_ours]
        fastest = min(others, key=lambda one: one.ratio or 0.0)
        rows.append(
            (
                f"{n_envs:,}",
                f"{(ours.steps_per_second or 0.0) / 1e6:.3g}",
                f"{(fastest.steps_per_second or 0.0) / 1e6:.3g}, {fastest.name}",
                ratio_text(fastest.ratio or 0.0, "faster", "slower"),
            )
        )
    return table(rows)


def bounds(figures: Sequence[Figure]) -> str:
    """How many of the bounds are met, and, folded, which are not."""
    bounded = [figure for figure in figures if figure.bound is not None]
    missed = [figure for figure in bounded if figure.verdict != "met"]
    told = f"{len(bounded) - len(missed)} of {len(bounded)} figures meet the bounds that were set for them"
    if not missed:
        return f"{told}."
    lines = "\n".join(f"- {figure.name}: {figure.verdict}" for figure in missed)
    return f"<details><summary>{told}; the others do not yet.</summary>\n\n{lines}\n\n</details>"


if __name__ == "__main__":
    main()
