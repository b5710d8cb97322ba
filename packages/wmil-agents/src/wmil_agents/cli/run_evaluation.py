"""`wmil eval`: the policy of a run, level by level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from wmil_agents.cli.console import console, figure
from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.quantity import number, quantity_text
from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.runs.experiment import torch_threads
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_folder import load_run

_HEADINGS = (
    "success",
    "chance",
    "ceiling",
    "return",
    "random",
    "best memoryless",
    "optimal",
    "entropy",
    "world-model error",
    "its floor",
    "skill",
)


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
    table = Table(title=f"{folder}", title_justify="left")
    table.add_column("level")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for name, evaluation in evaluations.items():
        table.add_row(name, *_cells(evaluation))
    console().print(table)


def evaluations_of(folder: Path, n_episodes: int | None, level: int | None) -> dict[str, Evaluation]:
    """The evaluations, by the names of the levels."""
    experiment = load_run(folder)
    try:
        world, settings = world_of(experiment.evaluation_env), experiment.settings
        with torch_threads(settings.n_threads):
            if world is None:
                if level is not None:
                    raise InputError(f"{settings.env.id} has no levels")
                return {"-": experiment.evaluate(n_episodes, exact=False)}
            levels = range(len(world.task.levels)) if level is None else [_checked_level(world.task.level_index, level)]
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


def _checked_level(level_index: Callable[[int], int], level: int) -> int:
    try:
        return level_index(level)
    except ValueError as error:
        raise InputError(str(error)) from None


def _cells(evaluation: Evaluation) -> list[str]:
    oracle, world_model = evaluation.oracle, evaluation.world_model
    chance, random, memoryless, optimal = (
        figure(None if oracle is None else number(getattr(oracle, name)))
        for name in ("random_success", "random_return", "memoryless_return", "optimal_return")
    )
    cells = [quantity_text(evaluation.success), chance, figure(number(evaluation.success_ceiling))]
    cells += [quantity_text(evaluation.episode_return), random, memoryless, optimal, quantity_text(evaluation.entropy)]
    if isinstance(world_model, WorldModelErrors):
        errors = world_model.mean
        return [*cells, figure(errors.error, 4), figure(errors.floor, 4), figure(errors.skill)]
    return [*cells, "-", "-", "-"]
