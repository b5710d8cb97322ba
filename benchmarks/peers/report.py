"""The tables against the peers as Markdown, CSV files and a plot."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.peers.comparison import Lesson, Rate, as_rows
from benchmarks.peers.installation import installation_of
from benchmarks.peers.peer import PEERS
from benchmarks.peers.references import elimination_steps, rewards_only_steps
from benchmarks.peers.rows import COURSES, ECHO_COURSE, TRIES, Course
from benchmarks.table import rows_as_markdown

PAGE = "peers.md"
STEPPING, LEARNING = "peers_environments", "peers_learning"
PLOT = "peers.svg"
VERSIONS = "peers_versions.json"
SETTINGS = (
    f"*Found*: the best of {TRIES} settings drawn at random, for the goal that is named "
    "(`python -m benchmarks.peers.tuning`). Each kind of learner had as many tries, and of ours there are four kinds: "
    "transformer or MLP, with event replay or without. *Usual*: CleanRL's values for many environments with ten times "
    "its learning rate."
)
NOT_SEARCHED = (
    "Nobody's settings were searched for here: they are the defaults of ours, and what was found for PatternEcho."
)
NAMED_IN_PAGE = {
    "gymnax": ("gymnax", "jax"),
    "popgym": ("popgym", "gymnasium"),
    "minigrid": ("minigrid", "gymnasium"),
    "bsuite": ("bsuite", "dm-env"),
    "sbx": ("sbx-rl", "jax", "stable_baselines3"),
}


def write(folder: Path, rates: Sequence[Rate], lessons: Sequence[Lesson], command: str) -> str:
    """Writes all files; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, entries in ((STEPPING, rates), (LEARNING, lessons)):
        if entries:
            write_csv(folder / f"{name}.csv", as_rows(entries))
    (folder / VERSIONS).write_text(json.dumps(versions(), indent=2) + "\n")
    drawn = of_course(lessons, ECHO_COURSE)
    plotted = any(one.steps is not None for one in drawn)
    if plotted:
        from benchmarks.peers.plot import draw

        draw(drawn, reference_steps(), folder / PLOT)
    text = page(rates, lessons, command, plotted)
    (folder / PAGE).write_text(text)
    return text


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One line for each row, a header first."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def reference_steps() -> dict[str, float]:
    """Median steps of learners that draw every conclusion from what they remember."""
    rng = np.random.default_rng(0)
    return {
        "remembers what paid": float(np.median(rewards_only_steps(10_000, rng))),
        "remembers failures too": float(np.median(elimination_steps(2_000, rng))),
    }


def versions() -> dict[str, dict[str, str]]:
    """Of the machine and our environment, and of everything in each peer's."""
    return {"machine": machine.description()} | {name: installation_of(name).versions for name in PEERS}


def page(rates: Sequence[Rate], lessons: Sequence[Lesson], command: str, plotted: bool) -> str:
    """The whole Markdown page."""
    parts = ["# Against the peers", f"Written by `{command}`."]
    if lessons:
        parts += learning_section(of_course(lessons, ECHO_COURSE), plotted)
        parts += elsewhere_section(lessons)
    if rates:
        parts += environments_section(rates)
    parts += ["## Who took part", participants(rates, lessons)]
    return "\n\n".join(part for part in parts if part) + "\n"


def of_course(lessons: Sequence[Lesson], course: Course) -> list[Lesson]:
    """Those of one world."""
    return [one for one in lessons if one.world == course.name]


def learning_section(lessons: Sequence[Lesson], plotted: bool) -> list[str]:
    """Paragraphs on the learners of PatternEcho."""
    references = "; ".join(f"a learner that {name}, {steps:.0f} steps" for name, steps in reference_steps().items())
    return [
        "## Learning PatternEcho",
        "Until the exact success, the mean over the symbols of the probability of the right answer, is 95 %. "
        + legend(ECHO_COURSE),
        lessons_table(lessons),
        f"Simulated, for comparison: {references}.",
        *([f"![Steps and CPU seconds to 95 % exact success]({PLOT})"] if plotted else []),
        *losses_of(lessons),
        best(lessons),
        SETTINGS,
        "\n".join(settings_line(one) for one in lessons),
    ]


def elsewhere_section(lessons: Sequence[Lesson]) -> list[str]:
    """Paragraphs on the learners of the other worlds."""
    parts: list[str] = []
    for course in COURSES:
        learners = of_course(lessons, course)
        if course is ECHO_COURSE or not learners:
            continue
        parts += [
            f"### {course.name}",
            f"`{course.env_id}`"
            + (f" with `{json.dumps(dict(course.env_arguments))}`" if course.env_arguments else "")
            + f", {beside(course)}.",
            lessons_table(learners),
            *losses_of(learners),
            best(learners),
        ]
    if not parts:
        return []
    return ["## Learning worlds with more questions", NOT_SEARCHED, *parts]


def legend(course: Course) -> str:
    """What the columns of a table of learners say."""
    return (
        f"Medians over the seeds, which count from 0; a run that was not there after {course.budget:,} steps counts "
        "with what it spent, and where most were not, > stands before the median. The last two columns say how many "
        f"times as much is needed as by `{course.reference}`; where that is less, **ours loses**."
    )


def beside(course: Course) -> str:
    """The same of another world, in short."""
    return f"given up after {course.budget:,} steps, the last two columns beside `{course.reference}`"


def best(lessons: Sequence[Lesson]) -> str:
    """Who needs the least, of ours and of theirs, among those whose runs all got there."""
    told = []
    for what, unit, quantity, form in (
        ("the fewest steps", "", "steps", ",.0f"),
        ("the least CPU time", " s", "seconds", ".3g"),
    ):
        solved = [one for one in lessons if one.steps is not None and one.solved == one.seeds]
        sides = [[one for one in solved if one.is_ours is side] for side in (True, False)]
        if not all(sides):
            continue
        ours, theirs = (min(side, key=lambda one: getattr(one, quantity)) for side in sides)
        verdict = ": **ours loses**" if getattr(theirs, quantity) < getattr(ours, quantity) else ""
        told.append(
            f"Of those that got there with every seed, {what}: ours {getattr(ours, quantity):{form}}{unit} "
            f"(`{ours.name}`), theirs {getattr(theirs, quantity):{form}}{unit} (`{theirs.name}`){verdict}."
        )
    return " ".join(told)


def environments_section(rates: Sequence[Rate]) -> list[str]:
    """Paragraphs on the environments."""
    return [
        "## Stepping environments",
        "Steps of single environments per CPU second, random actions (gymnax draws its own in the call). The worlds "
        "differ, so this compares what a step costs, not what it does. The ratio is ours to theirs, turn by turn: "
        "above 1 ours is faster.",
        rates_table(rates),
        losses("step faster", [f"{one.name}, {one.n_envs:,} envs" for one in rates if is_loss(one.ratio)]),
    ]


def losses(what: str, names: Sequence[str]) -> str:
    """The sentence that says where ours is the worse one."""
    if not names:
        return f"Ours does not lose to anybody here: none {what}."
    return f"**Ours loses**: {'; '.join(names)} {what}."


def losses_of(lessons: Sequence[Lesson]) -> list[str]:
    """Whose steps, and whose CPU time, are less than those of ours."""
    theirs = [one for one in lessons if not one.is_ours]
    return [
        losses("need fewer steps", [one.name for one in theirs if is_loss(one.steps_ratio)]),
        losses("need less CPU time", [one.name for one in theirs if is_loss(one.seconds_ratio)]),
    ]


def settings_line(one: Lesson) -> str:
    """What a learner was given besides the world, and what is to be known about it."""
    given = {name: value for name, value in json.loads(one.arguments).items() if name != "id" and value != {}}
    return f"- {one.name}: `{json.dumps(given)}`" + (f"; {one.remark}" if one.remark else "")


def is_loss(ratio: float | None) -> bool:
    """Whether ours is the worse one."""
    return ratio is not None and ratio < 1.0


def rates_table(rates: Iterable[Rate]) -> str:
    """One row for each contestant and number of environments."""
    rows = [("who", "envs", "million steps / CPU s", "quartiles", "ours is", "turns")]
    for one in rates:
        if one.steps_per_second is None:
            rows.append((one.name, f"{one.n_envs:,}", f"not measured: {one.reason}", "", "", ""))
            continue
        between = f"{_millions(one.low)} - {_millions(one.high)}"
        rows.append(
            (
                emphasised(one),
                f"{one.n_envs:,}",
                _millions(one.steps_per_second),
                between,
                "" if one.ratio is None else ratio_text(one.ratio, "faster", "slower"),
                str(one.turns),
            )
        )
    return rows_as_markdown(rows)


def lessons_table(lessons: Iterable[Lesson]) -> str:
    """One row for each learner."""
    header = ("learner", "steps to 95 %", "quartiles", "worst", "solved", "CPU s", "quartiles", "steps", "CPU time")
    rows = [header]
    for one in lessons:
        if one.steps is None or one.worst is None or one.seconds is None:
            rows.append((one.name, f"not measured: {one.reason}", *[""] * 7))
            continue
        rows.append(
            (
                emphasised(one),
                steps_text(one),
                f"{one.steps_low:,.0f} - {one.steps_high:,.0f}",
                f"{one.worst:,.0f}",
                f"{one.solved} of {one.seeds}",
                seconds_text(one),
                f"{one.seconds_low:.3g} - {one.seconds_high:.3g}",
                against_our_default(one, one.steps_ratio),
                against_our_default(one, one.seconds_ratio),
            )
        )
    return rows_as_markdown(rows)


def steps_text(one: Lesson) -> str:
    """The median; what is only known to be more is marked so."""
    return f"{'> ' if one.is_given_up else ''}{one.steps:,.0f}"


def seconds_text(one: Lesson) -> str:
    """The median; what is only known to be more is marked so."""
    return f"{'> ' if one.is_given_up else ''}{one.seconds:.3g}"


def participants(rates: Sequence[Rate], lessons: Sequence[Lesson]) -> str:
    """Versions of each peer, or why it did not take part."""
    lines = [f"- ours: {', '.join(f'{key} {value}' for key, value in machine.description().items())}"]
    everybody: list[Rate | Lesson] = [*rates, *lessons]
    reasons = {one.peer: one.reason for one in everybody if one.reason}
    for name, peer in PEERS.items():
        known = {key.lower().replace("_", "-"): version for key, version in installation_of(name).versions.items()}
        told = [f"{package} {known[package]}" for package in NAMED_IN_PAGE[name] if package in known]
        line = f"- {name}: {', '.join(told)}" if told else f"- {name}: **did not take part**"
        line += f"; {peer.remark}" if peer.remark else ""
        lines.append(line + (f"; {reasons[name]}" if name in reasons else ""))
    return "\n".join(lines)


def emphasised(one: Rate | Lesson) -> str:
    """The name, bold where it is ours."""
    return f"**{one.name}**" if one.is_ours else one.name


def against_our_default(one: Lesson, ratio: float | None) -> str:
    """How many times what our default needs this one needs."""
    if ratio is None:
        return ""
    return f"{_ratio(ratio)} x" if one.is_ours else ratio_text(ratio, "", "ours loses")


def _ratio(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"


def ratio_text(ratio: float, win: str, loss: str) -> str:
    """The ratio with its word, in bold where ours is the worse one."""
    word = loss if is_loss(ratio) else win
    return f"{_ratio(ratio)} x" + (f" (**{word}**)" if is_loss(ratio) else f" {word}".rstrip())


def _millions(rate: float | None) -> str:
    return "" if rate is None else f"{rate / 1e6:.3g}"
