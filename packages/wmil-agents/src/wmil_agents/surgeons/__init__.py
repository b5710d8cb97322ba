"""Surgeons: who operates on a live model, on whom, and how it is judged.

What is exported here is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wmil_agents.surgeons.bank_score import BankScore
    from wmil_agents.surgeons.calibration import CalibrationSurgeon
    from wmil_agents.surgeons.episode_score import EpisodeScore
    from wmil_agents.surgeons.evolution_surgeon import EvolutionSurgeon
    from wmil_agents.surgeons.fault import Fault
    from wmil_agents.surgeons.faults import FAULTS
    from wmil_agents.surgeons.gradient_surgeon import FineTuning, GradientSurgeon
    from wmil_agents.surgeons.keep_rule import Decision, KeepRule
    from wmil_agents.surgeons.patient import Patient, make_patient, patient_of
    from wmil_agents.surgeons.phases import Phase, Phases
    from wmil_agents.surgeons.random_surgeon import NoSurgeon, RandomSurgeon
    from wmil_agents.surgeons.readings import HeadReadings
    from wmil_agents.surgeons.sac_surgeon import SACSurgeon
    from wmil_agents.surgeons.score import Score, mean_score
    from wmil_agents.surgeons.shuffled_readings import ShuffledReadings
    from wmil_agents.surgeons.surgeon import Surgeon
    from wmil_agents.surgeons.surgery_callback import Operated, SurgeryCallback
    from wmil_agents.surgeons.surgery_env import SurgeryEnv

_MODULE_OF = {
    "BankScore": "bank_score",
    "CalibrationSurgeon": "calibration",
    "Decision": "keep_rule",
    "EpisodeScore": "episode_score",
    "EvolutionSurgeon": "evolution_surgeon",
    "FAULTS": "faults",
    "Fault": "fault",
    "FineTuning": "gradient_surgeon",
    "GradientSurgeon": "gradient_surgeon",
    "HeadReadings": "readings",
    "KeepRule": "keep_rule",
    "NoSurgeon": "random_surgeon",
    "Operated": "surgery_callback",
    "Patient": "patient",
    "Phase": "phases",
    "Phases": "phases",
    "RandomSurgeon": "random_surgeon",
    "SACSurgeon": "sac_surgeon",
    "Score": "score",
    "ShuffledReadings": "shuffled_readings",
    "Surgeon": "surgeon",
    "SurgeryCallback": "surgery_callback",
    "SurgeryEnv": "surgery_env",
    "make_patient": "patient",
    "mean_score": "score",
    "patient_of": "patient",
}

__all__ = [
    "FAULTS",
    "BankScore",
    "CalibrationSurgeon",
    "Decision",
    "EpisodeScore",
    "EvolutionSurgeon",
    "Fault",
    "FineTuning",
    "GradientSurgeon",
    "HeadReadings",
    "KeepRule",
    "NoSurgeon",
    "Operated",
    "Patient",
    "Phase",
    "Phases",
    "RandomSurgeon",
    "SACSurgeon",
    "Score",
    "ShuffledReadings",
    "Surgeon",
    "SurgeryCallback",
    "SurgeryEnv",
    "make_patient",
    "mean_score",
    "patient_of",
]


def __getattr__(name: str) -> Any:
    """Imports an exported name on first use (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
