"""What is measured before a surgeon begins, for the end to be compared with."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass

from wmil_agents.surgeons.patient import Patient
from wmil_agents.surgeons.score import Floats, mean_score
from wmil_agents.surgery.theater import SurgicalTheater


@dataclass(frozen=True)
class Baseline:
    """A patient's scores without the surgeon."""

    healthy: float | None
    """Held-out score without the fault; None if it is not measured."""
    held_out: float | None
    """Held-out score with it."""
    decision: Floats | None
    """The items by which it is decided, with the fault; None if nothing is decided."""

    @classmethod
    def of(cls, patient: Patient, fault: SurgicalTheater | None, *, held_out: bool, decision: bool) -> Baseline:
        """Measures what is asked for; the model is then as it was.

        Args:
            patient: whose.
            fault: where the fault is done to the model; None if it has none.
            held_out: whether to measure the held-out scores.
            decision: whether to measure the items by which it is decided.
        """
        healthy = mean_score(patient.held_out, patient.model) if held_out else None
        damaged = healthy
        with ExitStack() as stack:
            if fault is not None:
                stack.enter_context(fault)
                if held_out:
                    damaged = mean_score(patient.held_out, patient.model)
            return cls(healthy, damaged, patient.decision(patient.model) if decision else None)

    def compared_with(self, after: float | None) -> dict[str, float]:
        """What an info tells of the held-out score, which is `after` at the end; nothing if it is not measured."""
        if self.healthy is None or self.held_out is None or after is None:
            return {}
        lost = self.healthy - self.held_out
        return {
            "held_out_healthy": self.healthy,
            "held_out_before": self.held_out,
            "held_out": after,
            "regained": (after - self.held_out) / lost if lost > 0.0 else math.nan,
        }
