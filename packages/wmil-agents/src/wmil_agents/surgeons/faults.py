"""Faults that a transformer may have: random damage, one wrong gain, a flipped head, saturation, a dead layer norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmil_agents.surgeons.fault import Fault
from wmil_agents.surgeons.score import Model
from wmil_agents.surgery.anatomy import Anatomy, module_of
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.edits.gains import Gains
from wmil_agents.surgery.edits.head_gain import HeadGain
from wmil_agents.surgery.edits.layer_norm_gain import LayerNormGain
from wmil_agents.surgery.edits.scale import Scale
from wmil_agents.surgery.edits.temperature import Temperature
from wmil_agents.surgery.target import Target, TargetKind


@dataclass(frozen=True)
class RandomDamage:
    """The queries and values of every head, each times e^x with x from a normal distribution."""

    scale: float = 0.7
    """Standard deviation of x."""
    name: str = "random_damage"

    def draw(self, model: Model, rng: np.random.Generator) -> tuple[Edit, ...]:
        """One number for each query and each value."""
        n_heads = len(_all(model, "query"))
        return (Gains("*", rng.normal(0.0, self.scale, 2 * n_heads).tolist()),)


@dataclass(frozen=True)
class OneWrongGain:
    """The queries or the values of one head, e^strength times too large or too small."""

    strength: float = 3.0
    name: str = "one_wrong_gain"

    def draw(self, model: Model, rng: np.random.Generator) -> tuple[Edit, ...]:
        """Of a head drawn by chance."""
        head = _drawn(model, "query", rng)
        kind = Temperature if rng.random() < 0.5 else HeadGain
        strength = self.strength if rng.random() < 0.5 else -self.strength
        return (kind(head.module, strength, head=head.head),)


@dataclass(frozen=True)
class FlippedHead:
    """What one head puts out, times -1."""

    name: str = "flipped_head"

    def draw(self, model: Model, rng: np.random.Generator) -> tuple[Edit, ...]:
        """Of a head drawn by chance."""
        return (Scale(_drawn(model, "out", rng).name, -2.0),)


@dataclass(frozen=True)
class SaturatedTemperature:
    """The queries of all heads of one layer e^strength times too large, so that each token sees one other."""

    strength: float = 3.0
    name: str = "saturated_temperature"

    def draw(self, model: Model, rng: np.random.Generator) -> tuple[Edit, ...]:
        """Of a layer drawn by chance."""
        return (Temperature(_drawn(model, "query", rng).module, self.strength),)


@dataclass(frozen=True)
class DeadLayerNorm:
    """The gain of one norm times e^-strength, so that little but its bias passes."""

    strength: float = 3.0
    name: str = "dead_layer_norm"

    def draw(self, model: Model, rng: np.random.Generator) -> tuple[Edit, ...]:
        """Of a norm drawn by chance."""
        return (LayerNormGain(_drawn(model, "norm", rng).module, -self.strength),)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (RandomDamage(), OneWrongGain(), FlippedHead(), SaturatedTemperature(), DeadLayerNorm())
}
"""Those that go by a name."""


def faults_by_name(faults: Sequence[str | Fault]) -> tuple[Fault, ...]:
    """Faults, those that are named looked up.

    Raises:
        ValueError: there is none of that name.
    """
    if isinstance(faults, str):
        raise ValueError(f"faults must be several names, not one: write ({faults!r},)")
    found: list[Fault] = []
    for fault in faults:
        if isinstance(fault, str) and fault not in FAULTS:
            raise ValueError(f"a fault must be one of {', '.join(FAULTS)}, not {fault!r}")
        found.append(FAULTS[fault] if isinstance(fault, str) else fault)
    return tuple(found)


def _drawn(model: Model, kind: TargetKind, rng: np.random.Generator) -> Target:
    """One of the targets of a kind."""
    targets = _all(model, kind)
    return targets[int(rng.integers(len(targets)))]


def _all(model: Model, kind: TargetKind) -> list[Target]:
    return Anatomy(module_of(model)).of_kind(kind, "*")
