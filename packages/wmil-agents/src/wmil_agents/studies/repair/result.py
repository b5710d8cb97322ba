"""What came out of a study of repairs: what each arm regains, and what differs from the first one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wmil_agents.studies.crossed_bootstrap import crossed_mean, crossed_ratio
from wmil_agents.studies.repair.arms import Arm
from wmil_agents.studies.repair.cases import Cases
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_envs.oracle import Estimated

Floats = npt.NDArray[np.float64]

_RESAMPLING_SEED = 0


@dataclass(frozen=True)
class ArmResult:
    """What an arm did over all seeds and damages."""

    arm: Arm
    seeds: tuple[int, ...]
    cases: tuple[Cases, ...]
    """One entry for each seed."""

    @property
    def lost(self) -> Floats:
        """(n_seeds, n_damages) what each damage took from the held-out score."""
        return np.array([one.lost for one in self.cases])

    @property
    def gain(self) -> Floats:
        """(n_seeds, n_damages) what the held-out score rose by."""
        return np.array([one.gain for one in self.cases])

    @property
    def kept(self) -> Floats:
        """(n_seeds, n_damages) 1 where the keep rule kept it."""
        return np.array([one.kept for one in self.cases], dtype=np.float64)

    @property
    def shares(self) -> Floats:
        """(n_seeds, n_damages) the share of the lost held-out score that was regained; below 0 if more was lost."""
        return self.gain / self.lost

    @property
    def regained(self) -> Estimated:
        """The mean of the shares."""
        return _mean(self.shares)

    @property
    def regained_of_all(self) -> Estimated:
        """All that was regained as a share of all that was lost, so that a large loss counts for more."""
        interval = crossed_ratio(self.gain, self.lost, np.random.default_rng(_RESAMPLING_SEED))
        return Estimated(float(self.gain.sum() / self.lost.sum()), self.gain.size, interval)

    @property
    def regained_if_kept(self) -> Estimated:
        """The mean of the shares, 0 where the keep rule reverted what was done."""
        return _mean(self.shares * self.kept)

    @property
    def seed_means(self) -> list[float]:
        """The mean share of each seed."""
        return [float(mean) for mean in self.shares.mean(axis=1)]

    @property
    def evaluations(self) -> float:
        """Of the search items in one operation, mean."""
        return float(np.mean([one.n_evaluations for one in self.cases]))

    @property
    def seconds(self) -> float:
        """CPU seconds of one operation, median of the seeds."""
        return float(np.median([one.seconds for one in self.cases]))

    @property
    def train_evaluations(self) -> float:
        """Of the search items in the training of one surgeon, mean."""
        return float(np.mean([one.train_evaluations for one in self.cases]))

    @property
    def train_seconds(self) -> float:
        """CPU seconds of the training of one surgeon, median of the seeds."""
        return float(np.median([one.train_seconds for one in self.cases]))


@dataclass(frozen=True)
class Difference:
    """The first arm's share minus another one's, damage by damage and seed by seed."""

    arm: Arm
    value: Estimated
    of_all: Estimated
    """The same for shares of all that was lost."""
    paid_after: float | None
    """Repairs after which the first arm's training has cost less than the other arm's further evaluations; None if the
    other one needs no more of them."""


@dataclass(frozen=True)
class BreakEven:
    """How many repairs it takes until training has paid, against an evolution strategy that regains as much."""

    evaluations: float
    """That the strategy needs for one repair: between its measured points, on a log axis."""
    is_bound: bool
    """Whether it regains less even with those, so that it needs more, and training has paid earlier."""
    repairs: float


@dataclass(frozen=True)
class RepairResult:
    """All of it."""

    settings: RepairSettings
    n_seeds: int
    arms: tuple[ArmResult, ...]
    """Those with results, the first one of the plan first, if it has any."""
    failures: tuple[tuple[int, str], ...] = ()
    """Seeds that failed, each with a sentence."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The first arm against each other one."""
        first, *others = self.arms
        return tuple(
            Difference(
                other.arm,
                _mean(first.shares - other.shares),
                _ratio_difference(first, other),
                _paid_after(first, other.evaluations),
            )
            for other in others
        )

    def break_even(self, learner: ArmResult) -> BreakEven | None:
        """Of an arm that learns; None where the strategies in the study regain more with no more evaluations."""
        curve = sorted((one.evaluations, float(one.regained)) for one in self.arms if one.arm.is_search)
        share = float(learner.regained)
        reaching = [place for place, (_, regained) in enumerate(curve) if regained >= share]
        if not curve:
            return None
        if not reaching:
            needed, is_bound = curve[-1][0], True
        else:
            place, is_bound = reaching[0], False
            needed = curve[place][0] if place == 0 else _between(curve[place - 1], curve[place], share)
        repairs = _paid_after(learner, needed)
        return None if repairs is None else BreakEven(needed, is_bound, repairs)


def _paid_after(learner: ArmResult, evaluations: float) -> float | None:
    """Repairs until training has cost less than so many evaluations for each of them; None if it never has."""
    spared = evaluations - learner.evaluations
    return learner.train_evaluations / spared if spared > 0.0 and learner.train_evaluations else None


def _between(low: tuple[float, float], high: tuple[float, float], share: float) -> float:
    """The evaluations at which a line on a log axis passes a share."""
    part = (share - low[1]) / (high[1] - low[1])
    return math.exp(math.log(low[0]) + part * (math.log(high[0]) - math.log(low[0])))


def _mean(table: Floats) -> Estimated:
    interval = crossed_mean(table, np.random.default_rng(_RESAMPLING_SEED))
    return Estimated(float(table.mean()), table.size, interval)


def _ratio_difference(first: ArmResult, other: ArmResult) -> Estimated:
    """Both arms have the same damages, so what was lost is the same."""
    difference = first.gain - other.gain
    interval = crossed_ratio(difference, first.lost, np.random.default_rng(_RESAMPLING_SEED))
    return Estimated(float(difference.sum() / first.lost.sum()), difference.size, interval)
