"""The keep rule of a study that tells what came of every operation, kept or not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from wmil_agents.surgeons.keep_rule import Decision, KeepRule
from wmil_agents.surgeons.score import Floats


@dataclass(frozen=True)
class RecordedRule(KeepRule):
    """Remembers what the keep rule says, and keeps everything, so that both outcomes of an operation can be told."""

    said: list[Decision] = field(default_factory=list)

    def decide(self, before: Floats, after: Floats, weights: Floats, rng_seed: int) -> Decision:
        """The decision, but for keeping."""
        decision = super().decide(before, after, weights, rng_seed)
        self.said.append(decision)
        return replace(decision, keep=True)
