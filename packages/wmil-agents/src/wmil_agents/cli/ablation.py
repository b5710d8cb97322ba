"""`wmil ablate`: what each head, layer and token of a run's policy is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from wmil_agents.analysis.ablation import Ablation, Removal, ablate
from wmil_agents.analysis.policy_scores import PolicyScores
from wmil_agents.analysis.removable_parts import Part
from wmil_agents.cli.console import console, figure, table
from wmil_agents.cli.run_evaluation import checked_level
from wmil_agents.evaluation.quantity import interval_text
from wmil_agents.evaluation.sampled import evaluation_seed
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.plots.ablation import draw_ablation
from wmil_agents.plots.style import matplotlib_is_installed
from wmil_agents.runs.atomic_file import replace_json, replace_text
from wmil_agents.runs.experiment import Experiment, torch_threads
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.recorded_run import read_run
from wmil_agents.runs.run_folder import load_run, make_folder
from wmil_envs.oracle import Estimated

NAME = "ablation"
"""Of the files, without their endings."""


def ablate_run(folder: Path, level: int | None, n_episodes: int | None, out: Path, *, pairs: bool) -> None:
    """Print what the policy of a run loses without each part, and write it as CSV, JSON and SVG.

    Args:
        folder: of a run that has ended.
        level: where the policy is evaluated; the run's own for None.
        n_episodes: estimate from so many episodes; None for an exact evaluation where that is possible.
        out: the folder of the files.
        pairs: whether heads are taken away two by two as well.

    Raises:
        InputError: this is no run that has ended, it has no such level or no transformer, or nothing can be written.
    """
    if read_run(folder).verdict is None:
        raise InputError(f"{folder} has not ended, so its policy is not done: `wmil resume {folder}` continues it")
    make_folder(out)
    screen, experiment = console(), _loaded(folder, level)
    try:
        with torch_threads(experiment.settings.n_threads):
            found = _ablation(experiment, n_episodes, screen, pairs=pairs)
        where = _where(experiment)
    finally:
        experiment.close()
    screen.print(f"{folder}, {where}\n", markup=False, soft_wrap=True)
    for figures in _tables(found):
        screen.print(figures)
    written = [out / f"{NAME}.csv", out / f"{NAME}.json"]
    try:
        replace_text(written[0], found.to_csv())
        replace_json(written[1], {"world": where, **found.to_dict()})
        if matplotlib_is_installed():
            written.append(draw_ablation(found, out / f"{NAME}.svg"))
        else:
            screen.print("No picture was drawn: pip install 'wmil-agents\\[report]'")
    except OSError as error:
        raise InputError(f"the folder {out} cannot be written to: {error.strerror}") from None
    screen.print(f"Written: {', '.join(map(str, written))}", markup=False, soft_wrap=True)


def _ablation(experiment: Experiment, n_episodes: int | None, screen: Console, *, pairs: bool) -> Ablation:
    """What the policy of an experiment is worth without each part, at the level of its evaluation's environments."""

    def progress(parts: Iterable[Part]) -> Iterable[Part]:
        return track(list(parts), "Taking parts away", console=screen, transient=True, disable=not screen.is_terminal)

    experiment.recall_verdicts()
    settings = experiment.settings
    try:
        scores = PolicyScores(
            experiment.model,
            experiment.evaluation_env,
            n_episodes=n_episodes or settings.evaluation.episodes,
            seed=evaluation_seed(settings.seed),
            exact=n_episodes is None,
        )
        return ablate(experiment.model, scores, pairs=pairs, chance=scores.chance, progress=progress)
    except ValueError as error:
        raise InputError(str(error)) from error


def _loaded(folder: Path, level: int | None) -> Experiment:
    """The run, with its policy evaluated at a level."""
    experiment = load_run(folder)
    if level is None:
        return experiment
    with closing(experiment):
        index = checked_level(experiment, level)
    return load_run(folder, level=index)


def _where(experiment: Experiment) -> str:
    world, id = world_of(experiment.evaluation_env), experiment.settings.env.id
    return id if world is None else f"{id}, level {world.level}: {world.task.levels[world.level]}"


def _tables(found: Ablation) -> Iterator[Table]:
    """The parts by their drop with the controls below; the pairs by what they cost beyond their heads."""
    measure = found.measure
    is_estimated = isinstance(found.scores[measure], Estimated)
    headings = []
    for name in found.scores:
        headings += [name, "drop", *(["95 % interval"] if is_estimated and name == measure else [])]
    parts = table(escape(found.summary), "without", *headings)
    for one in (*found.by_drop(), found.nothing, found.everything):
        parts.add_row(escape(one.part.name), *_cells(one, measure))
    yield parts
    if found.pairs:
        pairs = table("Two heads", "without", measure, "drop", "beyond each alone", *["95 % interval"] * is_estimated)
        for one in found.pairs_by_excess():
            excess = one.excess[measure]
            interval = [interval_text(excess)] if isinstance(excess, Estimated) else []
            drop = figure(one.drops[measure])
            pairs.add_row(one.part.name, figure(one.scores[measure]), drop, figure(excess), *interval)
        yield pairs


def _cells(one: Removal, measure: str) -> Iterator[str]:
    for name, score in one.scores.items():
        drop = one.drops[name]
        yield figure(score)
        yield figure(drop)
        if name == measure and isinstance(drop, Estimated):
            yield interval_text(drop)
