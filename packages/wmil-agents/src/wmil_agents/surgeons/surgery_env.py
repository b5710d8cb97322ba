"""Surgery as a Gymnasium environment, so that any agent with continuous actions can be the surgeon."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.error import ResetNeeded

from wmil_agents.checkpoints.generators import generator_state, set_space_generators, space_generators, with_state
from wmil_agents.surgeons.baseline import Baseline
from wmil_agents.surgeons.chart import chart
from wmil_agents.surgeons.fault import Fault
from wmil_agents.surgeons.faults import faults_by_name
from wmil_agents.surgeons.head_watch import LOG_RMS_BOUNDS
from wmil_agents.surgeons.keep_rule import KeepRule
from wmil_agents.surgeons.patient import Patient, make_patient
from wmil_agents.surgeons.readings import HeadReadings
from wmil_agents.surgeons.score import mean_score
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.edits.gains import Gains
from wmil_agents.surgery.edits.table import edit_from_dict
from wmil_agents.surgery.theater import SurgicalTheater

Action = npt.NDArray[np.float32]
View = npt.NDArray[np.float32]

NO_FAULT = "none"
GIVEN_FAULT = "given"


class SurgeryEnv(gym.Env[View, Action]):
    """A model is damaged, and a surgeon changes what its heads do, edit by edit, to win back what was lost.

    **Action space.** `Box(-1, 1, (n_strengths,))`. Actions add up: each changes the strengths of `edits` by
    `max_change` times the action. With the default `Gains()` there are 2 x heads x layers of them: a log-gain for the
    queries of every head, layer by layer, then one for the values of every head. An action of zeros leaves every bit of
    the model as it is.

    **Observation space.** `Box`, float32, each number named by `observation_names`: the entropy of every head's
    attention, then the logarithm of what every head puts out (`HeadReadings`), both on the items of the search score;
    that score; the share of the edits that is left. The strengths are not shown: with them SAC learnt half as fast.

    **Reward.** `reward_scale` times the change of the search score, which asks about the same items with the same
    random numbers every time; so the return is `reward_scale` times what was won in all.

    **Starting state.** A fault is drawn from `faults` and done to the model, none if there are none.
    `reset(options={"fault": ...})` sets it: the name of a fault, one edit or several, or None for none.

    **Episode end.** `terminated` after `n_edits` edits and never before; `truncated` never.

    **Info.** `search_score` after every call; after a reset `fault`, its name. At the end besides:

    - `held_out_healthy`, `held_out_before`, `held_out`: the held-out score without the fault, with it, and at the end;
    - `regained`: the share of the lost held-out score that was won back, NaN where none was lost;
    - `kept`, `p_value`, `decision_gain`: what the keep rule says, where there is one.

    **The model** is edited while something is measured and at no other time: between two calls, and after an exception,
    it has the bits that it had. With a `keep_rule` the surgeon's edits are kept at the end of an episode if the
    patient's `decision` score says so, otherwise reverted, and `held_out` is that of what is left. A fault is always
    undone, and what was kept on top of it with it: edits stay for good in episodes without one.

    Args:
        patient: whom to operate on; `make_patient(seed)` if None.
        edits: what the surgeon may set the strengths of, which all begin with 0; `Gains()` if None.
        n_edits: steps of an episode.
        max_change: the most that a step changes a strength by.
        faults: names of `FAULTS`, or a `Fault` of one's own; one of them is drawn for each episode.
        reward_scale: what a score of 1 is worth.
        keep_rule: a `KeepRule`, or the level of one; None to decide nothing.
        measure_held_out: whether the info of an episode's end tells the held-out scores. Without them training takes
            less time; the attribute of that name may be set between episodes.
        render_mode: `"ansi"` or None.
        seed: of the default patient.

    Raises:
        ValueError: an argument is not as said, or the model has no heads that can be read or edited.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(
        self,
        patient: Patient | None = None,
        *,
        edits: Edit | Iterable[Edit] | None = None,
        n_edits: int = 4,
        max_change: float = 0.5,
        faults: Sequence[str | Fault] = ("random_damage",),
        reward_scale: float = 10.0,
        keep_rule: KeepRule | float | None = None,
        measure_held_out: bool = True,
        render_mode: str | None = None,
        seed: int = 0,
    ) -> None:
        if n_edits < 1:
            raise ValueError(f"n_edits must be at least 1, not {n_edits}")
        for name, number in (("max_change", max_change), ("reward_scale", reward_scale)):
            if not (math.isfinite(number) and number > 0.0):
                raise ValueError(f"{name} must be a positive number, not {number}")
        if render_mode not in (None, "ansi"):
            raise ValueError(f"render_mode must be None or 'ansi', not {render_mode!r}")
        self.faults = faults_by_name(faults)
        self.keep_rule = KeepRule(keep_rule) if isinstance(keep_rule, float) else keep_rule
        self.n_edits, self.max_change, self.reward_scale = n_edits, float(max_change), float(reward_scale)
        self.measure_held_out = measure_held_out
        self.render_mode = render_mode
        self.patient = make_patient(seed) if patient is None else patient
        self.theater = SurgicalTheater(self.patient.model, Gains() if edits is None else edits).prepare()
        """Where the surgeon's edits are made. Open it by `operating`, so that the fault is there, too."""
        self.readings = HeadReadings(self.patient.model)
        n_strengths = self.theater.n_strengths
        if not n_strengths:
            raise ValueError("edits must name at least one, so that the surgeon has something to set")
        self.observation_names = (*self.readings.names, "search_score", "edits_left")
        """What each number of an observation is."""
        self.action_space = gym.spaces.Box(-1.0, 1.0, (n_strengths,), np.float32)
        self.observation_space = self._observation_space()
        self.n_evaluations = 0
        """How often the search score was asked for, over all episodes."""
        self._fault_name = NO_FAULT
        self._fault_theater: SurgicalTheater | None = None
        self._before: Baseline | None = None
        """None where no episode is running."""
        self._step = 0
        self._score = math.nan
        self._scored: list[float] = []
        """The strengths at which it was."""
        self._read: View = np.zeros(len(self.readings.names), np.float32)
        self._n_blocks = 0
        """Of `operating`, those that are open."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[View, dict[str, Any]]:
        """Begins an operation; an unfinished one is given up, and nothing of it stays.

        Args:
            seed: of the faults that are drawn from now on.
            options: `"fault"`: see the description of the environment.

        Returns:
            Observation and info.

        Raises:
            ValueError: an unknown option or fault.
        """
        super().reset(seed=seed)
        if self._n_blocks:
            raise RuntimeError("an operation cannot begin inside the block of another: leave `operating` first")
        if unknown := set(options or ()) - {"fault"}:
            raise ValueError(f"reset takes the option 'fault', not {', '.join(map(repr, sorted(unknown)))}")
        self._before = None
        name, edits = self._chosen_fault(options)
        self._fault_name = name
        self._fault_theater = SurgicalTheater(self.patient.model, edits).prepare() if edits else None
        self.theater.operate([0.0] * self.theater.n_strengths)
        self._step = 0
        self._before = Baseline.of(
            self.patient, self._fault_theater, held_out=self.measure_held_out, decision=self.keep_rule is not None
        )
        self.search_score()
        return self._observation(), {"search_score": self._score, "fault": name}

    def step(self, action: Action) -> tuple[View, float, bool, bool, dict[str, Any]]:
        """Carries out one edit.

        Args:
            action: (n_strengths,) numbers from -1 to 1.

        Returns:
            Observation, reward, terminated, False and info.

        Raises:
            ResetNeeded: no episode is running.
            ValueError: the action is none.
        """
        self._check_running()
        change = _checked_action(action, self.theater.n_strengths)
        strengths, score = self.theater.strengths, self._score
        self.theater.operate(np.asarray(strengths) + self.max_change * change)
        try:
            self.search_score()
        except BaseException:
            self.theater.operate(strengths)
            raise
        self._step += 1
        reward = self.reward_scale * (self._score - score)
        is_last = self._step == self.n_edits
        info = self.conclude() if is_last else {"search_score": self._score}
        return self._observation(), reward, is_last, False, info

    @contextmanager
    def operating(self) -> Iterator[SurgicalTheater]:
        """A block in which the model has the episode's fault and the surgeon's edits; then it is as it was before.

        For surgeons that look closer than an observation does. Blocks may be nested; `set_strengths` inside takes
        effect at once. What is changed inside beside the weights that fault and edits touch is not put back.

        Raises:
            ResetNeeded: no episode is running.
        """
        self._check_running()
        with ExitStack() as stack:
            if not self._n_blocks:
                if self._fault_theater is not None:
                    stack.enter_context(self._fault_theater)
                stack.enter_context(self.theater)
            self._n_blocks += 1
            try:
                yield self.theater
            finally:
                self._n_blocks -= 1

    @property
    def strengths(self) -> list[float]:
        """Those of the surgeon's edits, as they are now."""
        return self.theater.strengths

    def set_strengths(self, values: Iterable[float]) -> None:
        """Sets them, without taking a step.

        Raises:
            ResetNeeded: no episode is running.
            ValueError: there are not as many, or they are not finite.
        """
        self._check_running()
        self.theater.operate(values)

    def search_score(self) -> float:
        """The search score of the model with the fault and the strengths as they are; it counts as an evaluation.

        Raises:
            ResetNeeded: no episode is running.
        """
        self._search()
        self.n_evaluations += 1
        return self._score

    def conclude(self) -> dict[str, Any]:
        """Ends the operation with the strengths as they are: decides, measures, and returns the info of a last step.

        Raises:
            ResetNeeded: no episode is running.
        """
        self._check_running()
        before, patient, rule = self._before, self.patient, self.keep_rule
        assert before is not None
        if self._scored != self.theater.strengths:
            self._search()
        info: dict[str, Any] = {"search_score": self._score}
        after = None
        with self.operating() as theater:
            if before.held_out is not None:
                after = mean_score(patient.held_out, patient.model)
            if before.decision is not None:
                assert rule is not None
                decision_after = patient.decision(patient.model)
                seed = int(self.np_random.integers(2**31))
                decision = rule.decide(before.decision, decision_after, patient.decision.weights, seed)
                info |= {"kept": decision.keep, "p_value": decision.p_value, "decision_gain": decision.gain}
                if not decision.keep:
                    after = before.held_out
                elif self._fault_theater is None:
                    theater.keep()
        self._before = None
        return info | before.compared_with(after)

    def render(self) -> str | None:
        """A table of the heads with their readings and strengths; None without a render mode."""
        if self.render_mode is None:
            return None
        title = f"fault: {self._fault_name}   edits: {self._step} of {self.n_edits}   search score: {self._score:.4f}"
        return chart(title, self.readings.heads, self._read, self.theater)

    def close(self) -> None:
        """Gives up an unfinished operation; the model is as it was."""
        self._before = None

    def state_dict(self) -> dict[str, Any]:
        """Everything that what follows depends on, in the middle of an episode, too; the model's weights included.

        Raises:
            RuntimeError: the model is being operated on.
            TypeError: the fault is a `Custom` edit, which is no plain data.
        """
        if self._n_blocks:
            raise RuntimeError("inside `operating` the weights are not the model's own: leave the block first")
        fault = None if self._fault_theater is None else [edit.to_dict() for edit in self._fault_theater.edits]
        return {
            "fault_name": self._fault_name,
            "fault": fault,
            "strengths": self.theater.strengths,
            "before": None if self._before is None else asdict(self._before),
            "step": self._step,
            "score": self._score,
            "scored": list(self._scored),
            "read": self._read.copy(),
            "n_evaluations": self.n_evaluations,
            "generator": generator_state(self._np_random),
            "seed": self._np_random_seed,
            "spaces": [space_generators(space) for space in (self.action_space, self.observation_space)],
            "scores": [score.state_dict() if hasattr(score, "state_dict") else None for score in self._scores()],
            "weights": {name: tensor.detach().clone() for name, tensor in self._tensors().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` returned, without a reset.

        Raises:
            RuntimeError: the model is being operated on.
            ValueError: the state is of another model.
        """
        if self._n_blocks:
            raise RuntimeError("inside `operating` the weights are not the model's own: leave the block first")
        tensors, weights = self._tensors(), state["weights"]
        if {name: tensor.shape for name, tensor in tensors.items()} != {name: w.shape for name, w in weights.items()}:
            raise ValueError("the state is of a model with other weights than this patient's")
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(weights[name])
        for score, score_state in zip(self._scores(), state["scores"], strict=True):
            if score_state is not None:
                score.load_state_dict(score_state)
        self._fault_name = state["fault_name"]
        fault = state["fault"]
        self._fault_theater = None
        if fault is not None:
            self._fault_theater = SurgicalTheater(self.patient.model, map(edit_from_dict, fault)).prepare()
        self.theater.operate(state["strengths"])
        self._before = None if state["before"] is None else Baseline(**state["before"])
        self._step, self._score, self._scored = state["step"], state["score"], list(state["scored"])
        self._read = state["read"].copy()
        self.n_evaluations = state["n_evaluations"]
        self._np_random, self._np_random_seed = with_state(state["generator"]), state["seed"]
        for space, generators in zip((self.action_space, self.observation_space), state["spaces"], strict=True):
            set_space_generators(space, generators)

    def _chosen_fault(self, options: dict[str, Any] | None) -> tuple[str, tuple[Edit, ...]]:
        """The name and the edits of the next episode's fault."""
        model = self.patient.model
        if options is None or "fault" not in options:
            if not self.faults:
                return NO_FAULT, ()
            number = int(self.np_random.integers(len(self.faults))) if len(self.faults) > 1 else 0
            return self.faults[number].name, self.faults[number].draw(model, self.np_random)
        given = options["fault"]
        if isinstance(given, str):
            (fault,) = faults_by_name([given])
            return fault.name, fault.draw(model, self.np_random)
        edits = () if given is None else (given,) if isinstance(given, Edit) else tuple(given)
        return (GIVEN_FAULT if edits else NO_FAULT), edits

    def _search(self) -> None:
        """Scores and reads the model, in one forward where the score is one."""
        model, search = self.patient.model, self.patient.search
        with self.operating() as theater:
            if search.is_one_forward:
                with self.readings.recording():
                    score = mean_score(search, model)
                self._read = self.readings.recorded()
            else:
                score = mean_score(search, model)
                self._read = self.readings.read(search.observations)
            self._score, self._scored = score, theater.strengths

    def _observation_space(self) -> gym.Space[View]:
        """Each number from its least to its highest; where there is no bound, those of float32."""
        n_heads, widest = len(self.readings.heads), np.finfo(np.float32).max
        low, high = np.full((2, len(self.observation_names)), [[-widest], [widest]], np.float32)
        low[:n_heads], high[:n_heads] = 0.0, 1.0
        low[n_heads : 2 * n_heads], high[n_heads : 2 * n_heads] = LOG_RMS_BOUNDS
        low[-1], high[-1] = 0.0, 1.0
        return gym.spaces.Box(low, high, dtype=np.float32)

    def _observation(self) -> View:
        rest = [self._score, 1.0 - self._step / self.n_edits]
        return np.concatenate([self._read, np.asarray(rest, np.float32)])

    def _scores(self) -> tuple[Any, ...]:
        return self.patient.search, self.patient.decision, self.patient.held_out

    def _tensors(self) -> dict[str, torch.Tensor]:
        module = self.theater.module
        return {**dict(module.named_parameters()), **dict(module.named_buffers())}

    def _check_running(self) -> None:
        if self._before is None:
            raise ResetNeeded("no operation is under way: call reset first")


def _checked_action(action: Any, n_strengths: int) -> npt.NDArray[np.float64]:
    numbers = np.asarray(action, dtype=np.float64)
    if numbers.shape != (n_strengths,):
        raise ValueError(f"an action must have the shape ({n_strengths},), not {numbers.shape}")
    if not (np.abs(numbers) <= 1.0 + 1e-6).all():  # NaN is refused, too
        raise ValueError("each number of an action must lie between -1 and 1")
    return numbers
