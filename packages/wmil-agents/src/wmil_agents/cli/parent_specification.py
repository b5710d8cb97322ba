"""What the commands about parents are told: a language model, and the task that it judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym

from wmil_agents.cli.environments import whole_id
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.settings_sources import YAML_ENDINGS, parse_yaml, set_override
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.task import Task

_FILE_ENDINGS = {*YAML_ENDINGS, ".json"}


def language_model(
    text: str, *, calls: int | None = None, dollars: float | None = None, store: Path | None = None
) -> LLMSettings:
    """The settings of the parent that a specification describes.

    Args:
        text: the specification in JSON or YAML, or the path of a file with it.
        calls: allowed over all runs with its store, instead of what the specification says; None to leave that.
        dollars: the same for dollars.
        store: the file of verdicts, instead of the specification's.

    Raises:
        InputError: it is none of a language model.
    """
    plain = _plain(text)
    if plain.get("kind") != "llm":
        raise InputError(f"a parent that can be asked has kind: llm, not {plain.get('kind')!r}")
    with refusals_told("the parent cannot be used"):
        settings = LLMSettings.from_dict({name: value for name, value in plain.items() if name != "kind"})
        budget = settings.budget
        budget = budget if calls is None else replace(budget, calls=calls)
        budget = budget if dollars is None else replace(budget, dollars=dollars)
        return replace(settings, budget=budget, store=settings.store if store is None else str(store))


def task_of(id: str, overrides: Sequence[str]) -> Task:
    """The task of an environment.

    Args:
        id: as `wmil envs` lists it, whole or short; one of somebody else's as `module:id`.
        overrides: arguments of the environment, such as `n_symbols=16`.

    Raises:
        InputError: there is no such environment, or it has no task.
    """
    id = id if ":" in id else f"wmil_envs:{whole_id(id)}"
    arguments: dict[str, Any] = {}
    for override in overrides:
        set_override(arguments, override)
    if "parent" in arguments:
        raise InputError("the parent is given by --parent, the other arguments of the environment by --set")
    with refusals_told(f"the environment {id} cannot be made"):
        task = getattr(gym.make(id, **arguments).unwrapped, "task", None)
    if not isinstance(task, Task):
        raise InputError(f"{id} has no parent: it is none of our environments")
    return task


@contextmanager
def refusals_told(what: str) -> Iterator[None]:
    """A block in which a refusal by a library is told as an `InputError`, these words in front."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, OSError, ImportError, AssertionError, gym.error.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        raise InputError(f"{what}: {reason}") from error


def _plain(text: str) -> Mapping[str, Any]:
    what = "the parent"
    if Path(text).suffix in _FILE_ENDINGS:
        what = text
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise InputError(f"the parent's file {what} cannot be read: {reason}") from None
    plain = parse_yaml(text, what)
    if not isinstance(plain, dict):
        raise InputError(
            f"a parent is given as a .yaml or .json file, or in YAML or JSON such as '{{kind: llm, provider: openai, "
            f"model: NAME}}', and {what} holds {type(plain).__name__}"
        )
    return plain
