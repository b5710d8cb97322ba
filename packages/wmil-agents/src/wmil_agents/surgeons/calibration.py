"""A control that learns nothing: it turns every head's readings back to what they were in health."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmil_agents.surgeons.score import Floats
from wmil_agents.surgeons.surgeon import Operation, edit_by_edit, surgery_in
from wmil_agents.surgeons.surgery_env import Action, View
from wmil_agents.surgery.theater import SurgicalTheater

_NUDGE = 0.05
"""Of a strength, to see what it does to the readings."""
_DAMPING = 1e-3


class CalibrationSurgeon:
    """Solves for the strengths at which the readings are those of the healthy model (Broyden, 1965).

    It needs a record of the healthy model: its readings, and what each strength does to them. It never looks at a
    score. If it repairs as well as a surgeon that has learnt, then learning was not needed.

    Args:
        env: whose model is healthy now.
    """

    name, learns = "calibrate", False

    def __init__(self, env: Operation) -> None:
        surgery = surgery_in(env)
        model, search, readings = surgery.patient.model, surgery.patient.search, surgery.readings
        n_strengths = surgery.theater.n_strengths
        self.n_evaluations = 0
        self._max_change = surgery.max_change
        self._healthy = readings.read(search.observations).astype(np.float64)
        self._slopes: Floats = np.zeros((len(self._healthy), n_strengths))  # d reading / d strength
        with SurgicalTheater(model, surgery.theater.edits) as theater:
            for number in range(n_strengths):
                sides = []
                for nudge in (_NUDGE, -_NUDGE):
                    theater.operate(nudge * np.eye(n_strengths)[number])
                    sides.append(readings.read(search.observations).astype(np.float64))
                self._slopes[:, number] = (sides[0] - sides[1]) / (2.0 * _NUDGE)
        self.n_record_evaluations = 1 + 2 * n_strengths
        """Forwards over the search items for the record."""

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation."""
        slopes = self._slopes.copy()
        before: tuple[Floats, Floats] | None = None

        def choose(observation: View) -> Action:
            nonlocal before
            error = observation[: len(self._healthy)].astype(np.float64) - self._healthy
            if before is not None:
                change, last = before
                unforeseen = error - last - slopes @ change
                slopes[:] += np.outer(unforeseen, change) / max(float(change @ change), _DAMPING)
            squares = slopes.T @ slopes + _DAMPING * np.eye(slopes.shape[1])
            wanted = -np.linalg.solve(squares, slopes.T @ error)
            change = np.clip(wanted, -self._max_change, self._max_change)
            before = change, error
            action: Action = (change / self._max_change).astype(np.float32)
            return action

        info, self.n_evaluations = edit_by_edit(env, observation, choose)
        return info

    def state_dict(self) -> dict[str, Any]:
        """The record."""
        return {"healthy": self._healthy.copy(), "slopes": self._slopes.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes another record."""
        self._healthy, self._slopes = state["healthy"].copy(), state["slopes"].copy()
