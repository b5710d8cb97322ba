"""One page for each registered environment: its docstring, and what the environment says when the page is built."""

import inspect
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium as gym
from sphinx.pycode import ModuleAnalyzer

import wmil_envs  # noqa: F401  (registers the ids)
from wmil_envs.registration import ROWS, Row


def write_environment_pages(folder: Path) -> None:
    """Write the page of every registered id, and touch none that has not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / f"{name_of(row)}.md": page(row) for row in ROWS}
    for stale in set(folder.glob("*.md")) - set(pages):
        stale.unlink()
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def name_of(row: Row) -> str:
    """`PatternEcho-v0` for `WMIL/PatternEcho-v0`."""
    return row.id.rpartition("/")[2]


def page(row: Row) -> str:
    """The documentation page of one environment, in Markdown."""
    module, _, task = row.task.partition(":")
    docstring = inspect.getdoc(getattr(import_module(module), task))
    if not docstring:
        raise ValueError(f"{row.task} has no docstring, so {row.id} has no documentation page")
    world = make(row.id)
    levels = [make(row.id, level=level) for level in range(len(world.task.levels))]
    return f"""# {name_of(row)}

`{row.id}`

{docstring}

## As the environment says itself

With its default settings; every figure below was computed from the environment's tables when this page was built.

- action space: `{world.action_space}`
- observation space: `{world.observation_space}`

{attribute_table(world)}

## Levels and oracles

{oracle_table(levels)}

## What a world model can reach

The least mean squared error, one-hot, of a prediction of each attribute from observation and action, and the error of
the best prediction that looks at nothing.

{floor_table(world)}

## The task's arguments and their defaults

Besides those of every symbolic environment, which are described under [Environments](../index.md):

{argument_table(world)}
"""


def argument_table(world: Any) -> str:
    """The settings of the environment's task, with the sentence that stands under each where it is declared."""
    sentences: dict[str, str] = {}
    for cls in reversed(type(world.task).__mro__[:-1]):
        for (owner, field), lines in ModuleAnalyzer.for_module(cls.__module__).find_attr_docs().items():
            if owner == cls.__name__:
                sentences[field] = " ".join(lines).strip()
    rows = [(f"`{field.name}`", f"`{field.default!r}`", sentences[field.name]) for field in fields(world.task)]
    return table(("argument", "default", "meaning"), rows)


def attribute_table(world: Any) -> str:
    """The columns of an observation."""
    rows = [
        (attribute.name, attribute.n_values, "0 means absent" if attribute.optional else "")
        for attribute in world.observation_space.attributes
    ]
    return table(("attribute", "values", ""), rows)


def oracle_table(levels: list[Any]) -> str:
    """Random, best memoryless and optimal return at each level."""
    rows = [
        (
            f"{level}: {world.task.levels[level]}",
            world.oracle.random_return,
            world.oracle.memoryless_return,
            world.oracle.optimal_return,
        )
        for level, world in enumerate(levels)
    ]
    return table(("level", "random return", "best memoryless return", "optimal return"), rows)


def floor_table(world: Any) -> str:
    """The world model's error floor for each attribute."""
    floors, means = world.oracle.world_model_floor, world.oracle.world_model_mean_error
    return table(("attribute", "floor", "mean predictor"), [(name, floors[name], means[name]) for name in floors])


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def make(env_id: str, **settings: Any) -> Any:
    """The environment behind the wrappers, whose class declares `task` and `oracle`."""
    return gym.make(env_id, **settings).unwrapped
