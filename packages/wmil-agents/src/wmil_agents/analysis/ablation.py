"""What each part of a model is worth: it is taken away, what the model reaches then is measured, and it is put back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from wmil_agents.analysis.removable_parts import Part, PartKind, action_head, removable_parts
from wmil_agents.evaluation.quantity import estimated_mean, estimated_return, figure_text, quantity_text
from wmil_agents.surgery.anatomy import HasPolicy
from wmil_agents.surgery.edits.head_mask import HeadMask
from wmil_agents.surgery.theater import SurgicalTheater
from wmil_envs.oracle import Estimated, Exact, plain_quantity

Floats = NDArray[np.float64]
Scores = Mapping[str, float | Sequence[float] | Floats]
"""What a model reaches, by the names of what is measured: a number where that is exact, otherwise a value for each
episode, the same episodes in the same order every time."""
Measured = Exact | Estimated


@dataclass(frozen=True)
class Removal:
    """What is left without a part."""

    part: Part
    scores: Mapping[str, Measured]
    drops: Mapping[str, Measured]
    """The score of the whole model minus this one: below 0 where it does better without. Estimates are means of the
    differences between equal episodes, so the luck that both share is not in them."""
    excess: Mapping[str, Measured] = field(default_factory=dict)
    """Of a pair: its drop minus those of its two heads. Above 0 each makes up for the loss of the other; below 0 losing
    one of them costs what losing both does."""


@dataclass(frozen=True)
class Ablation:
    """What a model is worth without each of its parts."""

    scores: Mapping[str, Measured]
    """Of the whole model."""
    removals: tuple[Removal, ...]
    """Heads, then attention, MLPs and tokens."""
    pairs: tuple[Removal, ...]
    """Heads two by two; empty if that was not asked for."""
    nothing: Removal
    """The control that must change nothing: every head is masked with strength 0."""
    everything: Removal
    """The control that must leave chance: all parts are taken away, and of a policy the action head, too."""
    chance: Mapping[str, float]
    """What chance reaches, where that is known."""

    @property
    def measure(self) -> str:
        """What parts are sorted by: the first of the scores."""
        return next(iter(self.scores))

    @property
    def summary(self) -> str:
        """What the whole model reaches beside chance, by the first of the scores."""
        chance = f", chance {figure_text(self.chance[self.measure])}" if self.measure in self.chance else ""
        return f"{self.measure} {quantity_text(self.scores[self.measure])}{chance}"

    def of(self, kind: PartKind) -> list[Removal]:
        """The parts of one kind, in the model's order."""
        return [one for one in (*self.removals, *self.pairs) if one.part.kind == kind]

    def by_drop(self) -> list[Removal]:
        """All parts, the one that is missed most first."""
        return sorted(self.removals, key=lambda one: -one.drops[self.measure])

    def pairs_by_excess(self) -> list[Removal]:
        """All pairs, those of which each head makes up most for the other first."""
        return sorted(self.pairs, key=lambda one: -one.excess[self.measure])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; layers and heads count from 0, as in the edits that stand beside them."""
        return {
            "scores": _plain(self.scores),
            "chance": dict(self.chance),
            "parts": [_plain_removal(one) for one in self.removals],
            "pairs": [_plain_removal(one) for one in self.pairs],
            "controls": {"nothing": _plain_removal(self.nothing), "everything": _plain_removal(self.everything)},
        }

    def to_csv(self) -> str:
        """A table: the whole model, the parts by their drop, the controls, the pairs by their excess.

        Layers and heads count from 1; the two of a pair have a semicolon between them. The ends of the 95 % intervals
        are empty where a number is exact.
        """
        whole = Removal(Part("nothing taken away", "control", ()), self.scores, {})
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["part", "kind", "layer", "head", *(column for name in self.scores for column in _columns(name))]
        )
        for one in (whole, *self.by_drop(), self.nothing, self.everything, *self.pairs_by_excess()):
            layer = "" if one.part.layer is None else one.part.layer + 1
            heads = ";".join(str(head + 1) for head in one.part.heads)
            cells = [
                cell
                for name in self.scores
                for quantities in (one.scores, one.drops, one.excess)
                for cell in _cells(quantities.get(name))
            ]
            writer.writerow([one.part.name, one.part.kind, layer, heads, *cells])
        return text.getvalue()


def ablate(
    model: nn.Module | HasPolicy,
    evaluate: Callable[[], Scores],
    *,
    pairs: bool = False,
    chance: Mapping[str, float] | None = None,
    progress: Callable[[Iterable[Part]], Iterable[Part]] = iter,
) -> Ablation:
    """Take away each part of a model, evaluate, and put it back to the last bit.

    A drop says what the model, as it is, loses without the part; a model trained without it might have done as well.

    Args:
        model: what `removable_parts` knows.
        evaluate: says what the model reaches as it is at that moment, the higher the better; the scores by which parts
            are sorted first. `PolicyScores` does so for a policy in its world.
        pairs: whether heads are taken away two by two as well, so that redundancy shows.
        chance: what chance reaches, for the result.
        progress: wraps what is gone through, as tqdm does.

    Raises:
        ValueError: the model has no attention heads, or there is nothing that it was measured by.
    """
    parts = removable_parts(model)
    whole = _values(evaluate())
    if not whole:
        raise ValueError("the evaluation says nothing, so nothing can be lost")
    couples = list(combinations([part for part in parts if part.kind == "head"], 2)) if pairs else []
    nothing = Part("nothing (strength 0)", "control", (HeadMask("*", 0.0),))
    edits = [edit for part in parts for edit in part.edits]
    everything = Part("everything", "control", (*edits, *action_head(model)))
    without: dict[Part, _Values] = {}
    for part in progress([*parts, *(_pair(*couple) for couple in couples), nothing, everything]):
        with SurgicalTheater(model, part.edits):
            without[part] = _values(evaluate())

    def removal(part: Part) -> Removal:
        drops = {name: whole[name] - values for name, values in without[part].items()}
        return Removal(part, _measured(without[part], estimated_return), _measured(drops))

    def removal_of_pair(first: Part, second: Part) -> Removal:
        both = _pair(first, second)
        excess = {
            name: without[first][name] + without[second][name] - whole[name] - values
            for name, values in without[both].items()
        }
        return replace(removal(both), excess=_measured(excess))

    return Ablation(
        _measured(whole, estimated_return),
        tuple(map(removal, parts)),
        tuple(removal_of_pair(*couple) for couple in couples),
        removal(nothing),
        removal(everything),
        dict(chance or {}),
    )


_Values = dict[str, Floats]
"""By the names of the scores: () of an exact number, else (n,) of n episodes."""


def _values(scores: Scores) -> _Values:
    found = {name: np.array(score, dtype=np.float64) for name, score in scores.items()}
    for name, values in found.items():
        if values.shape == (1,) or values.ndim > 1:
            raise ValueError(f"{name} must be a number, or one number for each of at least 2 episodes")
    return found


def _measured(found: _Values, estimated: Callable[[list[float]], Estimated] = estimated_mean) -> dict[str, Measured]:
    return {name: estimated(values.tolist()) if values.ndim else Exact(values) for name, values in found.items()}


def _pair(first: Part, second: Part) -> Part:
    """Two heads as one part."""
    layer = first.layer if first.layer == second.layer else None
    heads = (*first.heads, *second.heads)
    return Part(f"{first.name} + {second.name}", "pair", (*first.edits, *second.edits), layer, heads)


def _plain_removal(removal: Removal) -> dict[str, Any]:
    part = asdict(removal.part) | {"edits": [edit.to_dict() for edit in removal.part.edits]}
    figures = {"scores": removal.scores, "drops": removal.drops, "excess": removal.excess}
    return part | {name: _plain(quantities) for name, quantities in figures.items() if quantities}


def _plain(quantities: Mapping[str, Measured]) -> dict[str, Any]:
    return {name: plain_quantity(quantity) for name, quantity in quantities.items()}


def _columns(name: str) -> list[str]:
    return [f"{name}{of}{end}" for of in ("", "_drop", "_excess") for end in ("", "_low", "_high")]


def _cells(quantity: Measured | None) -> list[float | str]:
    """The value and the ends of its interval; empty where there is none."""
    match quantity:
        case None:
            return ["", "", ""]
        case Exact(value):
            return [value, "", ""]
        case Estimated(value, _, interval):
            return [value, *interval]
