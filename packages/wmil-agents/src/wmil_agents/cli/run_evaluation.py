"""`wmil eval`: the policy of a run, level by level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.markup import escape

from wmil_agents.cli.console import console, figure, table
from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.quantity import interval_text, number, quantity_text
from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.experiment import Experiment, torch_threads
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run_files import SETTINGS
from wmil_agents.runs.run_folder import load_run
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.oracle import Estimated, Exact, Quantity, Unavailable

_HEADINGS = ("value", "95 % interval", "floor", "best\nmemoryless", "ceiling")


def evaluate_run(folder: Path, n_episodes: int | None, level: int | None) -> None:
    """Print what the policy does at one level, or at all of them.

    Args:
        folder: of a finished run.
        n_episodes: estimate from so many episodes; None for an exact evaluation where that is possible.
        level: the level; None for all.

    Raises:
        InputError: this is no run, or it has no such level.
    """
    evaluations = evaluations_of(folder, n_episodes, level)
    screen = console()
    mark = privilege(load_settings(str(folder / SETTINGS)))
    screen.print(f"{folder}{f' ({mark})' if mark else ''}\n", markup=False, soft_wrap=True)
    for name, evaluation in evaluations.items():
        figures = table(escape(_title(name, evaluation)), "quantity", *_HEADINGS)
        for row in _rows(evaluation):
            figures.add_row(*row)
        screen.print(figures)
        for note in _notes(evaluation):
            screen.print(note, markup=False)


def evaluations_of(folder: Path, n_episodes: int | None, level: int | None) -> dict[str, Evaluation]:
    """The evaluations, by the names of the levels."""
    experiment = load_run(folder)
    try:
        world, settings = world_of(experiment.evaluation_env), experiment.settings
        asked = None if level is None else checked_level(experiment, level)
        with torch_threads(settings.n_threads):
            if world is None:
                return {settings.env.id: experiment.evaluate(n_episodes, exact=False)}
            levels = range(len(world.task.levels)) if asked is None else [asked]
            evaluations = {}
            for each in levels:
                name = f"{each}: {world.task.levels[each]}{' (trained)' if each == world.level else ''}"
                if n_episodes is None:
                    evaluations[name] = experiment.evaluate(level=each)
                else:
                    at_level = load_run(folder, level=each)
                    evaluations[name] = at_level.evaluate(n_episodes, exact=False)
                    at_level.close()
            return evaluations
    finally:
        experiment.close()


def checked_level(experiment: Experiment, level: int) -> int:
    """The level of the world that an experiment evaluates in.

    Raises:
        InputError: there is no such level.
    """
    world = world_of(experiment.evaluation_env)
    if world is None:
        raise InputError(f"{experiment.settings.env.id} has no levels")
    try:
        return world.task.level_index(level)
    except ValueError as error:
        raise InputError(str(error)) from None


def _title(level: str, evaluation: Evaluation) -> str:
    """The level, and the number of episodes if what follows is estimated."""
    return_ = evaluation.episode_return
    return f"{level}, {return_.n} episodes" if isinstance(return_, Estimated) else level


def _rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """Each quantity that there is, with its floor, what the best memoryless policy reaches, and its ceiling."""
    oracle, world_model = evaluation.oracle, evaluation.world_model
    random_success, random_return, memoryless, optimal = (
        None if oracle is None else number(getattr(oracle, name))
        for name in ("random_success", "random_return", "memoryless_return", "optimal_return")
    )
    ceiling = number(evaluation.success_ceiling)
    yield "success", *_measured(evaluation.success), *map(figure, (random_success, None, ceiling))
    yield "return", *_measured(evaluation.episode_return), *map(figure, (random_return, memoryless, optimal))
    yield "entropy", *_measured(evaluation.entropy), *map(figure, (0.0, None, number(evaluation.max_entropy)))
    if isinstance(world_model, WorldModelErrors):
        errors = world_model.mean
        bounds = map(figure, (errors.floor, None, errors.mean_error))
        yield "world-model error", *_measured(Exact(errors.error)), *bounds
        if errors.skill is not None:
            yield "world-model skill", *_measured(Exact(errors.skill)), *map(figure, (0.0, None, 1.0))


def _measured(quantity: Quantity) -> tuple[str, str]:
    """Value and interval."""
    match quantity:
        case Exact(value):
            return figure(value), "exact"
        case Estimated(value):
            return figure(value), interval_text(quantity)
        case Unavailable():
            return "-", "-"


def _notes(evaluation: Evaluation) -> Iterator[str]:
    """Why what is missing is missing."""
    for name, quantity in (
        ("success", evaluation.success),
        ("return", evaluation.episode_return),
        ("entropy", evaluation.entropy),
        ("world-model error", evaluation.world_model),
    ):
        if isinstance(quantity, Unavailable):
            yield f"{name}: {quantity_text(quantity)}"
