"""What one arm did with one seed: every test damage it operated on, as columns."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_agents.runs.atomic_file import replace_json

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cases:
    """Columns with an entry for each test damage; scores are those of the held-out items."""

    healthy: list[float]
    """Before the damage."""
    before: list[float]
    """With the damage."""
    after: list[float]
    """With what the surgeon did about it, kept or not."""
    kept: list[bool]
    """What the keep rule said, from the decision items."""
    n_evaluations: list[int]
    """Forwards over the search items that the surgeon asked for, after the one that it was shown first."""
    train_evaluations: int
    """The same in training, with the first ones: 0 of an arm that does not learn."""
    train_seconds: float
    """CPU seconds of the training."""
    seconds: float
    """CPU seconds of one operation, mean."""

    @property
    def gain(self) -> Floats:
        """What the held-out score rose by."""
        gain: Floats = np.array(self.after) - np.array(self.before)
        return gain

    @property
    def lost(self) -> Floats:
        """What the damage had taken from it."""
        lost: Floats = np.array(self.healthy) - np.array(self.before)
        return lost


def write_cases(path: Path, arm: str, seed: int, question: dict[str, Any], cases: Cases) -> None:
    """Write them whole or not at all, with what they are results of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_json(path, {"arm": arm, "seed": seed, "question": question, **asdict(cases)})


def read_cases(path: Path, question: dict[str, Any]) -> Cases | None:
    """The cases in a file; None if it is not there, or holds those of another question."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    if not isinstance(document, dict) or document.get("question") != question:
        return None
    return Cases(**{field.name: document[field.name] for field in fields(Cases)})
