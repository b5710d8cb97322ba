"""Writes the tables of the project's README from `benchmarks/results/latest`: `python -m benchmarks.readme`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.figure import Figure
from benchmarks.pace import pace
from benchmarks.peers.comparison import Lesson, Rate, read_rows
from benchmarks.peers.report import (
    LEARNING,
    NOT_SEARCHED,
    SETTINGS,
    STEPPING,
    beside,
    best,
    legend,
    lessons_table,
    of_course,
    ratio_text,
)
from benchmarks.peers.rows import COURSES, ECHO_COURSE
from benchmarks.results_folder import LATEST
from benchmarks.table import read_csv, rows_as_markdown

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
    return "\n\n".join(
        [
            f"PatternEcho until 95 % of the answers are right, computed exactly. {legend(ECHO_COURSE)} {SETTINGS}",
            lessons_table(echo),
            best(echo),
            *elsewhere(lessons),
            "Stepping environments at random, in million steps per CPU second of one thread:",
            stepping_table(rates),
            bounds(figures),
            *filter(None, [pace(results)]),
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
        parts += [f"{course.name}, {beside(course)}:", lessons_table(learners)]
    return ["Worlds with more questions. " + NOT_SEARCHED, *parts] if parts else []


def stepping_table(rates: Sequence[Rate]) -> str:
    """Ours beside the fastest of the others, for each number of environments."""
    rows = [("environments", "ours", "the fastest other", "ours is")]
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
    return rows_as_markdown(rows)


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
