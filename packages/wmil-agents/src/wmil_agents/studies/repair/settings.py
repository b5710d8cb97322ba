"""What a study of repairs asks: which damages, how many edits, how much training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from wmil_agents.runs.input_error import InputError

_HASH_DIGITS = 6
_TRAINING = ("n_train_edits",)
"""What only arms that learn depend on."""


@dataclass(frozen=True)
class RepairSettings:
    """The question of a study of repairs; arms and seeds are beside it.

    Args:
        n_damages: test damages, the same for every arm and seed.
        n_edits: of a surgeon in one operation.
        n_train_edits: of a surgeon that learns, before it is judged.
        fault: what is done to the healthy policy, a name in `wmil_agents.surgeons.faults`.
        max_change: of one strength by one edit.
        patient_seed: of the policy that is damaged.

    Raises:
        InputError: a number is out of range.
    """

    n_damages: int = 40
    n_edits: int = 4
    n_train_edits: int = 8_000
    fault: str = "random_damage"
    max_change: float = 0.5
    patient_seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_damages", 2), ("n_edits", 1), ("n_train_edits", 1), ("patient_seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not self.max_change > 0.0:
            raise InputError(f"max_change must be above 0, not {self.max_change}")

    def of_arm(self, *, learns: bool) -> dict[str, Any]:
        """What an arm's results depend on, as plain data."""
        return {name: value for name, value in asdict(self).items() if learns or name not in _TRAINING}

    def digits(self) -> str:
        """A few digits, the same for the same question."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]
