"""A callback with which a surgeon operates on a policy while it is learning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.evaluation.exact import can_be_evaluated_exactly
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.surgeons.keep_rule import KeepRule
from wmil_agents.surgeons.own_generators import OwnGenerators
from wmil_agents.surgeons.patient import Patient, patient_of
from wmil_agents.surgeons.phases import Phase, Phases
from wmil_agents.surgeons.readings import HeadReadings
from wmil_agents.surgeons.score import mean_score
from wmil_agents.surgeons.surgeon import Surgeon
from wmil_agents.surgeons.surgery_env import SurgeryEnv
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.edits.gains import Gains

MakeSurgeon = Callable[[SurgeryEnv], Surgeon]
MakePatient = Callable[[BaseAlgorithm], Patient]

_DECIDING = ("actor", "q_net", "quantile_net")
"""What the policies of off-policy algorithms act by; critics and copies stand beside it."""


@dataclass(frozen=True)
class Operated:
    """One operation on a learner, when it is done."""

    number: int
    """Of the operation; the first is 1."""
    step: int
    """Environment steps that the learner has taken."""
    phase: Phase
    kept: bool
    p_value: float
    """Of the keep rule."""
    gain: float
    """Of the decision score, if it is kept or would have been."""
    search_score: float
    """Of the policy as it is now."""
    decision_score: float
    """The same."""
    info: dict[str, Any]
    """What the `SurgeryEnv` told at the end."""


class SurgeryCallback(BaseCallback):
    """Lets a surgeon operate on the live policy of any algorithm of Stable-Baselines3, between two rollouts.

    An operation is an episode of `SurgeryEnv` without a fault. What the surgeon did stays if the keep rule says so, by
    items that the surgeon never searched on; otherwise every bit of the policy is as before. The rollout that follows
    is one of the policy as it is then. Optimizers keep their state, and parameters stay the same objects.

    The surgeon has random numbers of its own. As long as nothing is kept, the learner learns to the same bits as
    without this callback. `state_dict` holds the surgeon, its random numbers and the schedule, so that exact
    checkpoints continue all of it.

    Args:
        surgeon: who operates; or what makes one, given the environment in which it will.
        phases: when; by default at every rollout.
        interval: rollouts for each operation of the joint phase.
        patient: makes the scores by which it is searched, decided and judged, given the algorithm when learning begins;
            by default those of its one-step world, split by `patient_of`.
        keep_rule: when an edit is kept.
        edits: what is edited: queries and values of every head if None, of off-policy algorithms those of the actor or
            Q-network that acts.
        n_edits: steps of an operation.
        max_change: the most that a step changes a strength by.
        reward_scale: what a search score of 1 is worth to the surgeon.
        seed: of the surgeon's random numbers, and of the default patient's split.
        after_operation: called after every operation, when the policy is as it stays. A checkpoint may be written then.
        verbose: as in Stable-Baselines3.

    Raises:
        ValueError: an argument is not as said; or, when learning begins, the policy has no heads that can be read, or
            its world no table and no patient was given, or too few items decide for the rule's level.
    """

    def __init__(
        self,
        surgeon: Surgeon | MakeSurgeon,
        *,
        phases: Phases | None = None,
        interval: int = 1,
        patient: MakePatient | None = None,
        keep_rule: KeepRule | None = None,
        edits: Edit | Iterable[Edit] | None = None,
        n_edits: int = 4,
        max_change: float = 0.5,
        reward_scale: float = 10.0,
        seed: int = 0,
        after_operation: Callable[[Operated], None] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        if interval < 1:
            raise ValueError(f"interval must be at least 1, not {interval}")
        self.phases = Phases() if phases is None else phases
        self.interval = interval
        self.keep_rule = KeepRule() if keep_rule is None else keep_rule
        self.edits = tuple(edits) if isinstance(edits, Iterable) else edits
        self.n_edits, self.max_change, self.reward_scale = n_edits, max_change, reward_scale
        self.seed = seed
        self.after_operation = after_operation
        self.n_operations = self.n_kept = self.n_exclusive = 0
        """Operations, those that were kept, and those of the exclusive phase."""
        self.kept_gain = 0.0
        """Sum of the gains that were kept, on the items by which they were."""
        self._n_rollouts = 0
        """Of the joint phase."""
        self._given_surgeon, self._make_patient = surgeon, patient
        self._generators = OwnGenerators(seed)
        self._env: SurgeryEnv | None = None
        self._surgeon: Surgeon | None = None

    @property
    def env(self) -> SurgeryEnv:
        """Where the operations take place.

        Raises:
            RuntimeError: learning has not begun.
        """
        if self._env is None:
            raise RuntimeError("the operating room is set up when learning begins")
        return self._env

    @property
    def surgeon(self) -> Surgeon:
        """Who operates.

        Raises:
            RuntimeError: learning has not begun.
        """
        if self._surgeon is None:
            raise RuntimeError("the surgeon is called when learning begins")
        return self._surgeon

    @property
    def phase(self) -> Phase:
        """What happens before the next rollout."""
        return self.phases.at(self.model.num_timesteps, self.n_exclusive)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next operations depend on."""
        return {
            "counts": [self.n_operations, self.n_kept, self.n_exclusive, self._n_rollouts],
            "kept_gain": self.kept_gain,
            "generators": self._generators.state_dict(),
            "env": self.env.state_dict(),
            "surgeon": self.surgeon.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned, in a learning that has begun."""
        self.n_operations, self.n_kept, self.n_exclusive, self._n_rollouts = state["counts"]
        self.kept_gain = state["kept_gain"]
        self.env.load_state_dict(state["env"])
        self.surgeon.load_state_dict(state["surgeon"])
        self._generators.load_state_dict(state["generators"])  # last: others may have drawn

    def _on_training_start(self) -> None:
        if self._env is not None and self._env.patient.model is self.model:
            return
        HeadReadings(self.model)  # refuses what has no heads, in the clearest words
        patient = self._default_patient() if self._make_patient is None else self._make_patient(self.model)
        self._check_level(patient)
        edits = _gains_of_what_acts(self.model) if self.edits is None else self.edits
        self._env = SurgeryEnv(
            patient,
            edits=edits,
            n_edits=self.n_edits,
            max_change=self.max_change,
            faults=(),
            reward_scale=self.reward_scale,
            keep_rule=self.keep_rule,
        )
        mean_score(patient.decision, patient.model)  # what cannot be scored is refused before the first rollout
        with self._generators:
            self._env.reset(seed=self.seed)
            given: Any = self._given_surgeon
            self._surgeon = given if hasattr(given, "operate") else given(self._env)

    def _on_rollout_start(self) -> None:
        while self.phase is Phase.EXCLUSIVE:
            self.n_exclusive += 1
            self._operate(Phase.EXCLUSIVE)
        phase = self.phase
        if phase is Phase.JOINT:
            self._n_rollouts += 1
            if self._n_rollouts % self.interval == 0:
                self._operate(phase)
        self.logger.record("surgery/phase", int(phase))

    def _on_step(self) -> bool:
        return True

    def _operate(self, phase: Phase) -> None:
        """One operation; whatever it draws, and however it runs the policy, the learner does not notice."""
        env, patient = self.env, self.env.patient
        with self._generators:
            observation, begun = env.reset()
            info = self.surgeon.operate(env, observation)
        policy: Any = self.model.policy
        if hasattr(policy, "forget"):
            policy.forget()
        kept, gain = bool(info["kept"]), float(info["decision_gain"])
        self.n_operations += 1
        self.n_kept += kept
        self.kept_gain += gain * kept
        operated = Operated(
            number=self.n_operations,
            step=self.model.num_timesteps,
            phase=phase,
            kept=kept,
            p_value=float(info["p_value"]),
            gain=gain,
            search_score=float((info if kept else begun)["search_score"]),
            decision_score=mean_score(patient.decision, patient.model),
            info=info,
        )
        self._log(operated)
        if self.after_operation is not None:
            self.after_operation(operated)

    def _log(self, operated: Operated) -> None:
        figures = {
            "operations": self.n_operations,
            "kept": self.n_kept,
            "reverted": self.n_operations - self.n_kept,
            "kept_gain": self.kept_gain,
            "p_value": operated.p_value,
            "search_score": operated.search_score,
            "decision_score": operated.decision_score,
        }
        for name, value in figures.items():
            self.logger.record(f"surgery/{name}", value)

    def _check_level(self, patient: Patient) -> None:
        """Raises a `ValueError` where so few items decide that nothing could ever be kept."""
        n_items, alpha = len(patient.decision.weights), self.keep_rule.alpha
        n_needed = math.ceil(-math.log2(alpha))
        if n_items < n_needed:
            raise ValueError(
                f"to keep an edit at a level of {alpha} takes at least {n_needed} items to decide by, and there are "
                f"{n_items}: take a larger world, or give patient= with a larger decision score"
            )

    def _default_patient(self) -> Patient:
        """The learner in its own world."""
        model = self.model
        assert model.env is not None
        world = world_of(model.env)
        if world is None or not can_be_evaluated_exactly(model, world) or model.get_vec_normalize_env() is not None:
            raise ValueError(
                f"the answers of this {type(model).__name__} cannot be scored from a table: give patient=, a function "
                "of the algorithm that returns a Patient, with EpisodeScores for instance"
            )
        return patient_of(model, world, self.seed)


def _gains_of_what_acts(model: BaseAlgorithm) -> Gains:
    """The heads of the network that chooses actions."""
    names = [name for name in _DECIDING if hasattr(model.policy, name)]
    return Gains(f"{names[0]}.*") if names else Gains()
