"""`wmil envs`: the registered environments with their floors and ceilings."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import gymnasium as gym

from wmil_agents.cli.console import console, figure, table
from wmil_agents.evaluation.quantity import quantity_text
from wmil_agents.runs.input_error import InputError, nearest
from wmil_envs.oracle import Oracle
from wmil_envs.outcomes import MIN_PREDICTABLE
from wmil_envs.registration import ROWS

_FIGURES = ("random_success", "random_return", "memoryless_return", "optimal_return")
_HEADINGS = ("random\nsuccess", "random\nreturn", "memoryless\nreturn", "optimal\nreturn")

_LIKENESS = 0.75
"""Of two names of environments, so that one is offered for the other."""


def list_environments() -> None:
    """Print every id with its levels and what can be reached there."""
    listed = table("Environments, with their default arguments", "environment\n  level", *_HEADINGS)
    for row in ROWS:
        world = _world(row.id)
        listed.add_row(row.id)
        for level, level_name in enumerate(world.task.levels):
            label = f"  {level}: {level_name}{' (default)' if level == world.level else ''}"
            listed.add_row(label, *_oracle_figures(world.oracle(level)))
        listed.add_section()
    console().print(listed)


def describe_environment(id: str) -> None:
    """Print an environment's page: what it is, its spaces, its levels, and what a world model can reach there.

    Args:
        id: whole, or short where that means one environment: `PatternEcho-v0`, `PatternEcho`.

    Raises:
        InputError: there is no such environment.
    """
    id = whole_id(id)
    screen, world = console(), _world(id)
    screen.print(f"{id}\n\n{inspect.getdoc(type(world.task))}\n", markup=False)
    observation = ", ".join(f"{attribute.name} ({attribute.n_values})" for attribute in world.observation.attributes)
    screen.print(f"Observation: {observation}", markup=False)
    screen.print(f"Actions: {world.n_actions}. Steps of an episode: {world.horizon}.\n", markup=False)
    reached = table("What can be reached", "level", *_HEADINGS)
    predicted = table(
        "What a world model can reach", "level\n  attribute", "least\nerror", "error of\nlooking at nothing", ""
    )
    for level, level_name in enumerate(world.task.levels):
        oracle, label = world.oracle(level), f"{level}: {level_name}"
        reached.add_row(label, *_oracle_figures(oracle))
        predicted.add_row(label)
        for name in oracle.world_model_floor:
            predicted.add_row(f"  {name}", *_prediction(oracle, name))
        predicted.add_section()
    screen.print(reached)
    screen.print(predicted)


def whole_id(id: str) -> str:
    """The id of an environment that is named in short.

    Raises:
        InputError: there is none, or several.
    """
    ids = [row.id for row in ROWS]
    meant = [known for known in ids if id in (known, _short(known), _name(known))]
    if len(meant) == 1:
        return meant[0]
    by_name = {_name(known): known for known in ids}
    alike = difflib.get_close_matches(_name(id), by_name, n=1, cutoff=_LIKENESS)
    hint = nearest(by_name[alike[0]] if alike else "", ids)
    raise InputError(f"there is no environment {id!r}; {hint}")


def _short(id: str) -> str:
    """Without its namespace."""
    return id.rpartition("/")[2]


def _name(id: str) -> str:
    """Without namespace and version."""
    return _short(id).partition("-v")[0]


def _world(id: str) -> Any:
    env: Any = gym.make(f"wmil_envs:{id}").unwrapped
    return env.world


def _oracle_figures(oracle: Oracle) -> list[str]:
    return [quantity_text(getattr(oracle, name)) for name in _FIGURES]


def _prediction(oracle: Oracle, name: str) -> list[str]:
    figures = [figure(float(errors[name])) for errors in (oracle.world_model_floor, oracle.world_model_mean_error)]
    if oracle.is_predictable(name):
        return [*figures, ""]
    is_constant = float(oracle.world_model_mean_error[name]) < MIN_PREDICTABLE
    return [*figures, "always the same" if is_constant else "not predictable"]
