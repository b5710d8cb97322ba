"""The arms of the study of repairs: who operates, and how each is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.runs.input_error import InputError, nearest
from wmil_agents.studies.repair.recorded_rule import RecordedRule
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_agents.surgeons.calibration import CalibrationSurgeon
from wmil_agents.surgeons.evolution_surgeon import EvolutionSurgeon
from wmil_agents.surgeons.gradient_surgeon import EVALUATIONS_A_GRADIENT, FineTuning, GradientSurgeon
from wmil_agents.surgeons.patient import Patient
from wmil_agents.surgeons.random_surgeon import NoSurgeon, RandomSurgeon
from wmil_agents.surgeons.sac_surgeon import SACSurgeon
from wmil_agents.surgeons.shuffled_readings import ShuffledReadings
from wmil_agents.surgeons.surgeon import Operation, Surgeon
from wmil_agents.surgeons.surgery_env import SurgeryEnv
from wmil_agents.surgery.edit import Edit

_ONE_STEP, _SEVERAL_STEPS = (0.25, 1e-3), (0.2, 3e-4)
"""Step sizes of Adam, in the strengths and in all weights. They are the best of a coarse search on other damages: among
.1, .25, .5 for one step and .05, .1, .2 for several in the strengths; 1e-4, 3e-4, 1e-3, 3e-3, 1e-2 in the weights."""


@dataclass(frozen=True)
class Bench:
    """What an arm works with."""

    patient: Patient
    settings: RepairSettings
    seed: int
    keep_rule: RecordedRule
    callback: BaseCallback
    """Asked at every step of a training."""

    def env(self, edits: tuple[Edit, ...] | None = None) -> SurgeryEnv:
        """A fresh environment around the patient."""
        return SurgeryEnv(
            self.patient,
            edits=edits,
            n_edits=self.settings.n_edits,
            max_change=self.settings.max_change,
            faults=(self.settings.fault,),
            keep_rule=self.keep_rule,
        )


@dataclass(frozen=True)
class Ready:
    """A surgeon that may operate now."""

    surgeon: Surgeon
    env: Operation
    train_evaluations: int = 0
    """Forwards over the search items that it took to get ready."""


@dataclass(frozen=True)
class Arm:
    """One arm."""

    name: str
    words: str
    make: Callable[[Bench], Ready]
    learns: bool = False
    is_search: bool = False
    """Whether it searches anew for each patient, the better the more evaluations it has."""


def arm_named(name: str) -> Arm:
    """The arm of that name; `es`, `gradient` and `finetune` take a number of evaluations after their name.

    Raises:
        InputError: there is none.
    """
    found = re.fullmatch(r"([a-z_]+?)(\d*)", name)
    kind, digits = found.groups() if found else ("", "")
    if kind in _COUNTED:
        least, words, make = _COUNTED[kind]
        n_evaluations = int(digits) if digits else None
        if n_evaluations is not None and n_evaluations < least:
            raise InputError(f"{kind} needs at least {least} evaluations, not {n_evaluations}")
        shown = "as many evaluations as edits" if n_evaluations is None else f"{n_evaluations} evaluations"
        return Arm(
            name,
            f"{words}, {shown}",
            lambda bench: make(bench, n_evaluations or max(least, bench.settings.n_edits)),
            is_search=kind == "es",
        )
    if name not in _PLAIN:
        raise InputError(f"there is no arm {name!r}; {nearest(name, ARMS)}")
    return _PLAIN[name]


def _sac(bench: Bench) -> Ready:
    return _trained(bench, bench.env())


def _sac_shuffled(bench: Bench) -> Ready:
    return _trained(bench, ShuffledReadings(bench.env(), bench.seed))


def _trained(bench: Bench, env: Operation) -> Ready:
    surgery = env.unwrapped
    assert isinstance(surgery, SurgeryEnv)
    surgeon = SACSurgeon(env, bench.seed)
    surgery.measure_held_out = False
    surgeon.train(bench.settings.n_train_edits, bench.callback)
    surgery.measure_held_out = True
    return Ready(surgeon, env, surgery.n_evaluations)


def _calibration(bench: Bench) -> Ready:
    env = bench.env()
    surgeon = CalibrationSurgeon(env)
    return Ready(surgeon, env, surgeon.n_record_evaluations)


def _evolution(bench: Bench, n_evaluations: int) -> Ready:
    return Ready(EvolutionSurgeon(n_evaluations, bench.seed), bench.env())


def _gradient(bench: Bench, n_evaluations: int) -> Ready:
    return Ready(GradientSurgeon(n_evaluations, _step_sizes(n_evaluations)[0]), bench.env())


def _fine_tuning(bench: Bench, n_evaluations: int) -> Ready:
    surgeon = FineTuning(bench.patient.model, n_evaluations, _step_sizes(n_evaluations)[1])
    return Ready(surgeon, bench.env(surgeon.edits))


def _step_sizes(n_evaluations: int) -> tuple[float, float]:
    return _ONE_STEP if n_evaluations < 2 * EVALUATIONS_A_GRADIENT else _SEVERAL_STEPS


_COUNTED: dict[str, tuple[int, str, Callable[[Bench, int], Ready]]] = {
    "es": (1, "(1+1) evolution strategy", _evolution),
    "gradient": (EVALUATIONS_A_GRADIENT, "gradient in the same strengths", _gradient),
    "finetune": (EVALUATIONS_A_GRADIENT, "gradient in all weights", _fine_tuning),
}
_PLAIN = {
    arm.name: arm
    for arm in (
        Arm("sac", "Soft Actor-Critic surgeon", _sac, learns=True),
        Arm("sac_shuffled", "the same, blind: readings of another moment", _sac_shuffled, learns=True),
        Arm("random", "random edits", lambda bench: Ready(RandomSurgeon(bench.seed), bench.env())),
        Arm("none", "no surgeon", lambda bench: Ready(NoSurgeon(), bench.env())),
        Arm("calibrate", "readings turned back to the healthy record, no learning", _calibration),
    )
}
ARMS = (*_PLAIN, *_COUNTED)
"""Their names."""
DEFAULT_ARMS = (
    *("sac", "random", "es", "es40", "es200", "none"),
    *("gradient", "gradient40", "finetune", "finetune40", "calibrate"),
)
