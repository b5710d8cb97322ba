"""One seed of the study of repairs: every arm on the same test damages, in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.runs.processes import Stop
from wmil_agents.runs.run_stopped import ComparisonStopped
from wmil_agents.studies.repair.arms import Arm, Bench
from wmil_agents.studies.repair.cases import Cases, write_cases
from wmil_agents.studies.repair.plan import Plan
from wmil_agents.studies.repair.recorded_rule import RecordedRule
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_agents.surgeons.faults import FAULTS
from wmil_agents.surgeons.patient import Patient, make_patient
from wmil_agents.surgeons.score import mean_score
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.theater import SurgicalTheater

Damage = tuple[Edit, ...]

TEST_STREAM = 0x7E57_DA3A_6E50_F7E9_41B3_0C2D
"""Entropy of the test damages. Those of a training come from the surgeon's seed, which is much smaller."""
LEAST_LOSS = 0.02
"""Of the held-out score: a damage that takes less is drawn again, for a share of nothing says nothing."""
_TRIES = 100


def repair_with_seed(plan: Plan, seed: int, stop: Stop) -> None:
    """Lets every arm that is lacking operate, and writes its cases.

    Raises:
        ComparisonStopped: `stop` asked for it; arms that are done are kept.
    """
    torch.set_num_threads(1)
    patient = make_patient(plan.settings.patient_seed)
    damages = test_damages(plan.settings, patient)
    for arm in plan.lacking(seed):
        bench = Bench(patient, plan.settings, seed, RecordedRule(), _Stopping(plan.folder, stop))
        question = plan.settings.of_arm(learns=arm.learns)
        write_cases(plan.file(arm, seed), arm.name, seed, question, operate(arm, bench, damages, plan.folder, stop))


def test_damages(settings: RepairSettings, patient: Patient) -> list[Damage]:
    """The damages by which all arms are judged, the same for every seed, and with more of them the same first ones.

    Raises:
        RuntimeError: the fault nearly never takes anything.
    """
    rng, fault = np.random.default_rng([TEST_STREAM, settings.patient_seed]), FAULTS[settings.fault]
    healthy = mean_score(patient.held_out, patient.model)
    damages: list[Damage] = []
    for _ in range(_TRIES * settings.n_damages):
        damage = fault.draw(patient.model, rng)
        with SurgicalTheater(patient.model, damage):
            lost = healthy - mean_score(patient.held_out, patient.model)
        if lost >= LEAST_LOSS:
            damages.append(damage)
        if len(damages) == settings.n_damages:
            return damages
    raise RuntimeError(f"{settings.fault} takes less than {LEAST_LOSS} of the held-out score nearly always")


def operate(arm: Arm, bench: Bench, damages: Sequence[Damage], folder: Path, stop: Stop) -> Cases:
    """Makes an arm ready and lets it operate on every damage.

    Raises:
        ComparisonStopped: `stop` asked for it.
    """
    start = time.process_time()
    ready = arm.make(bench)
    train_seconds = time.process_time() - start
    infos, n_evaluations, seconds = [], [], 0.0
    for damage in damages:
        _ask(folder, stop)
        observation, _ = ready.env.reset(options={"fault": damage})
        start = time.process_time()
        infos.append(ready.surgeon.operate(ready.env, observation))
        seconds += time.process_time() - start
        n_evaluations.append(ready.surgeon.n_evaluations)
    return Cases(
        healthy=[info["held_out_healthy"] for info in infos],
        before=[info["held_out_before"] for info in infos],
        after=[info["held_out"] for info in infos],
        kept=[decision.keep for decision in bench.keep_rule.said[-len(damages) :]],
        n_evaluations=n_evaluations,
        train_evaluations=ready.train_evaluations,
        train_seconds=train_seconds,
        seconds=seconds / len(damages),
    )


class _Stopping(BaseCallback):
    """Ends a training that was asked to stop."""

    def __init__(self, folder: Path, stop: Stop) -> None:
        super().__init__()
        self.folder, self.stop = folder, stop

    def _on_step(self) -> bool:
        _ask(self.folder, self.stop)
        return True


def _ask(folder: Path, stop: Stop) -> None:
    reason = stop()
    if reason is not None:
        raise ComparisonStopped(folder, reason)
