"""Settings as the text of settings.yaml, and what is different between two of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.settings import Settings

NUMBER_TAG = "!number"
NUMBER = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+|inf|nan)\Z")
"""A number such as 1e-3 or inf, which YAML 1.1 takes for text and settings do not."""
NUMBER_BEGINS = list("-+.0123456789in")

_MAX_NAMED = 6
_ABSENT = "not given"


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with quotes around text that would be read as a number."""


_Dumper.add_implicit_resolver(NUMBER_TAG, NUMBER, NUMBER_BEGINS)


def settings_text(settings: Settings) -> str:
    """YAML that reads back as the same settings, infinite numbers included.

    Raises:
        InputError: they hold something that YAML cannot write.
    """
    try:
        return yaml.dump(settings.model_dump(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise InputError(f"the settings cannot be written to a file: {' '.join(str(error).split())}") from None


def settings_difference(there: Settings, here: Settings) -> str:
    """What differs, such as `policy.width: 32 -> 64`, first there, then here; empty if nothing does."""
    before, now = (dict(_leaves("", yaml.safe_load(settings_text(one)))) for one in (there, here))
    names = [name for name in {**before, **now} if before.get(name, _ABSENT) != now.get(name, _ABSENT)]
    named = [f"{name}: {before.get(name, _ABSENT)} -> {now.get(name, _ABSENT)}" for name in names[:_MAX_NAMED]]
    more = [f"and {len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
    return ", ".join(named + more)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
