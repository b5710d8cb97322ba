"""An arm of a comparison: settings with a name, written as SOURCE or SOURCE:setting=value,setting=value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run_files import SETTINGS
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings, preset_names

_OVERRIDES = re.compile(r":(?=[A-Za-z_][\w.]*=)")
"""The colon before the first override; other colons belong to the source."""
_OPENING, _CLOSING, _QUOTES = "[{(", "]})", "\"'"


@dataclass(frozen=True)
class Arm:
    """One side of a comparison."""

    name: str
    """What tables and plots call it."""
    settings: Settings
    """How it runs; the seed is the comparison's."""

    @property
    def mark(self) -> str:
        """What it is told besides the rewards of its own actions; empty if nothing."""
        return privilege(self.settings)

    @property
    def label(self) -> str:
        """The name with the mark."""
        return f"{self.name} ({self.mark})" if self.mark else self.name

    def with_seed(self, seed: int) -> Settings:
        """The settings of one of its runs, on one thread."""
        return self.settings.model_copy(update={"seed": seed, "n_threads": 1})


def parse_arms(texts: Sequence[str], overrides: Sequence[str] = ()) -> list[Arm]:
    """The arms that these texts describe; one that is written twice is counted.

    Args:
        texts: each the name of a preset, a YAML file of settings or the folder of a run, with overrides or without:
            `mvp`, `mvp:agent=random`, `mvp:policy.width=32,world_model.scale=0`.
        overrides: for all arms; an arm's own win.

    Raises:
        InputError: an arm cannot be understood.
    """
    arms: list[Arm] = []
    for text in texts:
        written_before = sum(other.name == text or other.name.startswith(f"{text} (") for other in arms)
        name = f"{text} ({written_before + 1})" if written_before else text
        arms.append(Arm(name, _settings(text, overrides)))
    return arms


def _settings(text: str, overrides: Sequence[str]) -> Settings:
    found = _OVERRIDES.search(text)
    source, own = (text, "") if found is None else (text[: found.start()], text[found.end() :])
    preset, colon, rest = source.partition(":")
    if colon and preset in preset_names():
        raise InputError(f"an arm has the form NAME:setting=value,setting=value, and {rest!r} is no setting=value")
    path = Path(source)
    if path.is_dir() and (path / SETTINGS).is_file():
        source = str(path / SETTINGS)
    settings = load_settings(source, [*overrides, *split_overrides(own)])
    if any(override.split("=")[0].strip() == "seed" for override in (*overrides, *split_overrides(own))):
        raise InputError(f"the arm {text!r} sets a seed, and all arms have the same ones: say how many, --seeds N")
    return settings


def split_overrides(text: str) -> list[str]:
    """The parts between commas, but for commas inside brackets and quotes."""
    return [part for part in _parts(text) if part.strip()]


def _parts(text: str) -> Iterator[str]:
    depth, quote, start = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]
