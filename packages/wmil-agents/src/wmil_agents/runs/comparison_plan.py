"""What a comparison would run, where to, and what of it is there already."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmil_agents.runs.arm import Arm
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_files import VERSIONS
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.standing import standing
from wmil_agents.runs.versions import versions
from wmil_agents.runs.yardstick import Yardstick, common_yardstick

_LONGEST_NAME = 80
_HASH_DIGITS = 6
_OF_ONE_RUN = ("seed", "command")
"""Facts in versions.json that differ from run to run."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of an arm."""

    arm: Arm
    seed: int
    folder: Path
    is_done: bool
    """Whether its folder holds it already, complete and with the same settings."""
    is_of_now: bool
    """Whether what is done was made with the versions and the commit of now."""

    @property
    def settings(self) -> Settings:
        """What it does."""
        return self.arm.with_seed(self.seed)


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison, arm by arm, and what they will be held against."""

    folder: Path
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]
    yardstick: Yardstick

    def of(self, arm: Arm) -> list[PlannedRun]:
        """The runs of one arm, in the order of the seeds."""
        return [run for run in self.runs if run.arm is arm]


def plan_comparison(arms: Sequence[Arm], seeds: Sequence[int], folder: Path, *, per_step: bool = False) -> Plan:
    """The plan of a comparison; nothing is written.

    Raises:
        InputError: the arms cannot be compared, or the folder cannot hold them.
    """
    if len(arms) < 2:
        raise InputError("a comparison needs at least two arms, such as: wmil compare mvp mvp:agent=random")
    if len(seeds) < 2 or len(set(seeds)) != len(seeds):
        raise InputError("a comparison needs at least two seeds, each of them once")
    yardstick = common_yardstick(arms, per_step=per_step)
    now = _facts(versions(0))
    runs = []
    for arm, name in zip(arms, _folder_names(arms), strict=True):
        for seed in seeds:
            place = folder / name / f"seed-{seed}"
            is_done = standing(place, arm.with_seed(seed)) == "done"
            runs.append(PlannedRun(arm, seed, place, is_done, is_done and _facts_of(place) == now))
    return Plan(folder, tuple(arms), tuple(seeds), tuple(runs), yardstick)


def default_comparison_folder(arms: Sequence[Arm], parent: Path = Path("runs")) -> Path:
    """`runs/compare-<names>-<digits>`, the same for the same arms: started again, a comparison finds what is done."""
    names = "-".join(dict.fromkeys(arm.settings.name for arm in arms))[:_LONGEST_NAME]
    documents = [arm.with_seed(0).model_dump(mode="json") for arm in arms]
    digits = hashlib.sha256(json.dumps(documents, sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]
    return parent / f"compare-{names}-{digits}"


def _facts_of(folder: Path) -> dict[str, Any] | None:
    try:
        return _facts(json.loads((folder / VERSIONS).read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError):
        return None


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in document.items() if name not in _OF_ONE_RUN}


def _folder_names(arms: Sequence[Arm]) -> list[str]:
    """A name for each arm's folder: its own where a file system takes it, and no two alike."""
    names: list[str] = []
    for arm in arms:
        plain = re.sub(r"[^A-Za-z0-9._=,-]+", "_", Path(arm.name).name)[:_LONGEST_NAME].strip("._")
        name, counter = plain or "arm", 2
        while name.lower() in {other.lower() for other in names}:
            name, counter = f"{plain}-{counter}", counter + 1
        names.append(name)
    return names
