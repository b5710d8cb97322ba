"""What a study of repairs would do, where to, and what of it is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wmil_agents.runs.input_error import InputError, nearest
from wmil_agents.studies.repair.arms import Arm, arm_named
from wmil_agents.studies.repair.cases import Cases, read_cases
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_agents.surgeons.faults import FAULTS


@dataclass(frozen=True)
class Plan:
    """Arms over seeds, and where the results are kept."""

    folder: Path
    settings: RepairSettings
    names: tuple[str, ...]
    """Of the arms; the others are compared with the first."""
    n_seeds: int

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms."""
        return tuple(map(arm_named, self.names))

    @property
    def seeds(self) -> range:
        """The seeds of the surgeons."""
        return range(self.n_seeds)

    def seed_folder(self, seed: int) -> Path:
        """Where everything of one seed is."""
        return self.folder / f"seed-{seed}"

    def file(self, arm: Arm, seed: int) -> Path:
        """Where the cases of one arm are."""
        return self.seed_folder(seed) / f"{arm.name}.json"

    def done(self, arm: Arm, seed: int) -> Cases | None:
        """The cases that are there already; None if they are not."""
        return read_cases(self.file(arm, seed), self.settings.of_arm(learns=arm.learns))

    def lacking(self, seed: int) -> list[Arm]:
        """The arms that have still to operate with this seed."""
        return [arm for arm in self.arms if self.done(arm, seed) is None]


def plan_repairs(names: Sequence[str], n_seeds: int, settings: RepairSettings, folder: Path | None = None) -> Plan:
    """The plan; nothing is written.

    Args:
        names: of arms; the others are compared with the first.
        n_seeds: surgeons of each arm.
        settings: the question.
        folder: where to; `runs/repair-FAULT-...`, the same for the same question, if None.

    Raises:
        InputError: an arm or the fault is not known.
    """
    if not names or len(set(names)) != len(names):
        raise InputError("a study of repairs needs at least one arm, each of them once, such as: sac random es none")
    if n_seeds < 1:
        raise InputError(f"n_seeds must be at least 1, not {n_seeds}")
    if settings.fault not in FAULTS:
        raise InputError(f"there is no fault {settings.fault!r}; {nearest(settings.fault, FAULTS)}")
    if folder is None:
        folder = Path("runs") / f"repair-{settings.fault}-{settings.digits()}"
    for name in names:
        arm_named(name)
    return Plan(folder, settings, tuple(names), n_seeds)
