"""`wmil envs`: the registered environments with their floors and ceilings."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium as gym
from rich.table import Table

from wmil_agents.cli.console import console, figure
from wmil_agents.evaluation.quantity import quantity_text
from wmil_agents.runs.input_error import InputError, nearest
from wmil_envs.oracle import Oracle
from wmil_envs.registration import ROWS

_FIGURES = ("random_success", "random_return", "memoryless_return", "optimal_return")
_HEADINGS = ("random success", "random return", "best memoryless return", "optimal return")


def list_environments() -> None:
    """Print every id with its levels and what can be reached there."""
    table = Table(title="Environments, with their default arguments", title_justify="left")
    for name in ("id", "level"):
        table.add_column(name)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for row in ROWS:
        world = _world(row.id)
        for level, level_name in enumerate(world.task.levels):
            label = f"{level}: {level_name}{' (default)' if level == world.level else ''}"
            table.add_row(row.id if level == 0 else "", label, *_oracle_figures(world.oracle(level)))
        table.add_section()
    console().print(table)


def describe_environment(id: str) -> None:
    """Print an environment's page: what it is, its spaces, its levels, and what a world model can reach there.

    Raises:
        InputError: there is no such environment.
    """
    ids = [row.id for row in ROWS]
    if id not in ids:
        raise InputError(f"there is no environment {id!r}; {nearest(id, ids)}")
    screen, world = console(), _world(id)
    screen.print(f"{id}\n\n{inspect.getdoc(type(world.task))}\n", markup=False)
    observation = ", ".join(f"{attribute.name} ({attribute.n_values})" for attribute in world.observation.attributes)
    screen.print(f"Observation: {observation}", markup=False)
    screen.print(f"Actions: {world.n_actions}. Steps of an episode: {world.horizon}.\n", markup=False)
    reached = Table(title="What can be reached", title_justify="left")
    predicted = Table(
        title="What a world model can reach: least error, and the error of looking at nothing", title_justify="left"
    )
    reached.add_column("level")
    predicted.add_column("level")
    for heading in _HEADINGS:
        reached.add_column(heading, justify="right")
    names = list(world.oracle(0).world_model_floor)
    for name in names:
        predicted.add_column(name, justify="right")
    for level, level_name in enumerate(world.task.levels):
        oracle, label = world.oracle(level), f"{level}: {level_name}"
        reached.add_row(label, *_oracle_figures(oracle))
        predicted.add_row(label, *(_prediction(oracle, name) for name in names))
    screen.print(reached)
    screen.print(predicted)


def _world(id: str) -> Any:
    env: Any = gym.make(f"wmil_envs:{id}").unwrapped
    return env.world


def _oracle_figures(oracle: Oracle) -> list[str]:
    return [quantity_text(getattr(oracle, name)) for name in _FIGURES]


def _prediction(oracle: Oracle, name: str) -> str:
    floor, mean_error = float(oracle.world_model_floor[name]), float(oracle.world_model_mean_error[name])
    text = f"{figure(floor)}, {figure(mean_error)}"
    return text if oracle.is_predictable(name) else f"{text} (not predictable)"
