"""The verdict on a run: four criteria, each beside its floor and ceiling; or, in a world without tables, the return.

An exact evaluation has no sampling error, but one run is one draw of weights and questions, and a policy that learnt
nothing can be lucky or can narrow by itself. So each criterion asks for more than such a policy reaches:

1. **Success above chance.** A policy that never learns from rewards still settles on some answer to each question, and
   each is right with the probability of chance. The success has to exceed the
   97.5 % quantile of such guessing.
2. **Success above one half by half-time**: above 50 %, at the last evaluation that is not after half of the steps.
3. **Entropy falls** to at most half of what it was at the start. A policy gradient also narrows when its rewards are
   noise, by drift; so the fall counts only together with criterion 1.
4. **World-model error falls**: below that of the start, and to a skill of at least .5 between the best
   prediction that looks at nothing (0) and the least error possible (1). The error is exact, every question and
   every action weighing the same; one over the actions the policy takes would fall by itself as they become few.

In a world that is not finite there is no chance, floor or ceiling to hold these against. Where a return is known that
counts as solved, the verdict is on that one question instead: a mean return of at least so much.

Where a number was estimated from episodes, the end of its 95 % interval that is worse for the run counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.quantity import figure_text, interval_text, number
from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_agents.runs.evaluation_callback import EvaluatedStep
from wmil_envs.bank import Bank
from wmil_envs.oracle import Estimated, Quantity, Unavailable
from wmil_envs.parent import FALLBACK
from wmil_envs.world import World

CHANCE_QUANTILE = 0.975
HALF = 0.5
ENTROPY_LEFT = 0.5
WORLD_MODEL_SKILL = 0.5


@dataclass(frozen=True)
class Criterion:
    """One question about a run and its answer."""

    statement: str
    value: float | None
    threshold: float | None
    """What the value was held against."""
    floor: float | None
    """What is reached without learning, or for an error the least possible."""
    ceiling: float | None
    """What is possible at best, or for an error that of the prediction that looks at nothing."""
    passed: bool | None
    """None where it cannot be judged."""
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """The answers to all questions."""

    criteria: tuple[Criterion, ...]
    mark: str = ""
    """What the run was told besides the rewards of its own actions; empty if nothing."""

    @property
    def reached(self) -> bool:
        """Whether every criterion that can be judged is passed, and at least one can."""
        answers = [criterion.passed for criterion in self.criteria if criterion.passed is not None]
        return bool(answers) and all(answers)

    @property
    def summary(self) -> str:
        """The verdict in a few words."""
        return f"{self._answer}; {self.mark}" if self.mark else self._answer

    @property
    def _answer(self) -> str:
        n_open = sum(criterion.passed is None for criterion in self.criteria)
        if n_open == len(self.criteria):
            return "no criterion can be judged"
        if not self.reached:
            return "not all criteria passed"
        return f"all criteria that can be judged passed ({n_open} not judged)" if n_open else "all criteria passed"

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Verdict:
        """The verdict that `to_dict` told.

        Raises:
            KeyError or TypeError: it is something else.
        """
        return cls(tuple(Criterion(**criterion) for criterion in document["criteria"]), document["mark"])

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "reached": self.reached,
            "mark": self.mark,
            "criteria": [asdict(criterion) for criterion in self.criteria],
        }


def judge(
    history: Sequence[EvaluatedStep],
    total_steps: int,
    bank: Bank | None,
    *,
    world_model_is_trained: bool,
    return_threshold: float | None = None,
    mark: str = "",
    refusal: str | None = None,
) -> Verdict:
    """The verdict on a run.

    Args:
        history: its evaluations, the first one before any training.
        total_steps: of the run.
        bank: the tables of a finite world.
        world_model_is_trained: whether the run trained a world model.
        return_threshold: the mean return that counts as solved; only asked for where there are no tables.
        mark: what the run was told besides the rewards of its own actions.
        refusal: why nothing is judged; None where there is no such reason.
    """
    if bank is None and return_threshold is not None:
        criteria: tuple[Criterion, ...] = (_return_reached(history, return_threshold),)
    else:
        above_chance = _above_chance(history[-1].evaluation, bank)
        criteria = (
            above_chance,
            _above_half(history, total_steps),
            _entropy_falls(history, above_chance),
            _world_model_learns(history, is_trained=world_model_is_trained),
        )
    if refusal is not None:
        criteria = tuple(replace(criterion, passed=None, note=refusal) for criterion in criteria)
    return Verdict(criteria, mark)


def fallback_refusal(world: World | None, n_steps: int) -> str | None:
    """Why a run of so many answers says nothing about its parent; None where the parent itself judged enough of them.

    Args:
        world: the one that was trained in.
        n_steps: answers given in it.
    """
    limit = None if world is None else getattr(world.parent, "max_fallback_share", None)
    if world is None or world.verdicts is None or limit is None or n_steps == 0:
        return None
    share = float(world.verdicts.n_answers[FALLBACK]) / n_steps
    if share <= limit:
        return None
    return f"the fallback judged {share:.1%} of the answers, and max_fallback_share allows {limit:.1%}"


def chance_quantile(n: int, probability: float, quantile: float = CHANCE_QUANTILE) -> float:
    """The smallest share k / n with P(at most k of n guesses are right) >= quantile."""
    cumulative = 0.0
    for k in range(n + 1):
        cumulative += math.comb(n, k) * probability**k * (1.0 - probability) ** (n - k)
        if cumulative >= quantile:
            return k / n
    return 1.0


def _return_reached(history: Sequence[EvaluatedStep], threshold: float) -> Criterion:
    statement = f"return of at least {threshold:,.10g}"
    untrained, end = number(history[0].evaluation.episode_return), history[-1].evaluation.episode_return
    if isinstance(end, Unavailable):
        return Criterion(statement, None, threshold, untrained, None, None, end.reason)
    first = next((e.step for e in history if _lower(e.evaluation.episode_return) >= threshold), None)
    note = "never reached" if first is None else f"first reached at step {first:,}"
    note += f"{_interval(end)}; the floor is the untrained policy's"
    return Criterion(statement, number(end), threshold, untrained, None, _lower(end) >= threshold, note)


def _above_chance(evaluation: Evaluation, bank: Bank | None) -> Criterion:
    value, ceiling = number(evaluation.success), number(evaluation.success_ceiling)
    if isinstance(evaluation.success, Unavailable):
        return Criterion("success above chance", None, None, None, ceiling, None, evaluation.success.reason)
    if evaluation.oracle is None or evaluation.level is None or bank is None:
        note = "the success of chance is known in finite worlds only"
        return Criterion("success above chance", value, None, None, ceiling, None, note)
    chance = float(evaluation.oracle.random_success)
    n = len({int(look) for look in bank.visible_ids[bank.levels[evaluation.level]]})
    threshold = chance_quantile(n, chance)
    note = f"{CHANCE_QUANTILE:.1%} of policies that guess each of {n} answers once stay at or below the threshold"
    note += _interval(evaluation.success)
    passed = _lower(evaluation.success) > threshold
    return Criterion(f"success above chance ({chance:.3g})", value, threshold, chance, ceiling, passed, note)


def _above_half(history: Sequence[EvaluatedStep], total_steps: int) -> Criterion:
    half_time = total_steps // 2
    statement = f"success above {HALF:.0%} by step {half_time:,}"
    by_then = [evaluated for evaluated in history if evaluated.step <= half_time][-1]
    evaluation = by_then.evaluation
    floor = None if evaluation.oracle is None else number(evaluation.oracle.random_success)
    ceiling = number(evaluation.success_ceiling)
    if isinstance(evaluation.success, Unavailable):
        return Criterion(statement, None, HALF, floor, ceiling, None, evaluation.success.reason)
    first = next((e.step for e in history if _exceeds(e.evaluation.success, HALF)), None)
    note = "never above it" if first is None else f"first above it at step {first:,}"
    note += f"; value of step {by_then.step:,}{_interval(evaluation.success)}"
    return Criterion(
        statement, number(evaluation.success), HALF, floor, ceiling, _lower(evaluation.success) > HALF, note
    )


def _entropy_falls(history: Sequence[EvaluatedStep], above_chance: Criterion) -> Criterion:
    start, end = history[0].evaluation.entropy, history[-1].evaluation.entropy
    ceiling = number(history[-1].evaluation.max_entropy)
    if isinstance(start, Unavailable) or isinstance(end, Unavailable):
        reason = start.reason if isinstance(start, Unavailable) else end.reason if isinstance(end, Unavailable) else ""
        return Criterion("entropy falls", None, None, 0.0, ceiling, None, reason)
    threshold = ENTROPY_LEFT * float(start)
    falls = _upper(end) <= threshold
    note = f"from {figure_text(float(start))}{_interval(end)}"
    if falls and above_chance.passed is False:
        note += "; it fell, but not onto right answers: a policy also narrows by drift when its rewards mean nothing"
        falls = False
    return Criterion("entropy falls", float(end), threshold, 0.0, ceiling, falls, note)


def _world_model_learns(history: Sequence[EvaluatedStep], *, is_trained: bool) -> Criterion:
    statement = "world-model error falls"
    start, end = history[0].evaluation.world_model, history[-1].evaluation.world_model
    if not isinstance(start, WorldModelErrors) or not isinstance(end, WorldModelErrors):
        reason = end.reason if isinstance(end, Unavailable) else "it was not there at the start"
        note = reason if is_trained else f"no world model is trained, and {reason}"
        return Criterion(statement, None, None, None, None, None if is_trained else False, note)
    errors, skill = end.mean, end.mean.skill
    if skill is None:
        note = "nothing in this world can be predicted"
        return Criterion(statement, errors.error, None, errors.floor, errors.mean_error, None, note)
    threshold = errors.mean_error - WORLD_MODEL_SKILL * (errors.mean_error - errors.floor)
    # What a lazy parent decides has no error before it has judged.
    in_both = [name for name in end.attributes if name in start.attributes]
    error_then, error_now = (sum(one.attributes[name].error for name in in_both) for one in (start, end))
    passed = is_trained and errors.error <= threshold and error_now < error_then
    by_attribute = ", ".join(
        f"{name} {'not predictable' if error.skill is None else f'{error.skill:.2f}'}"
        for name, error in end.attributes.items()
    )
    note = f"skill {skill:.2f} ({by_attribute}); error at the start {figure_text(start.mean.error)}"
    note += "; " if len(in_both) == len(end.attributes) else f", of {', '.join(in_both)} alone; "
    note += f"on the actions the policy takes {figure_text(errors.on_policy_error)}"
    if not is_trained:
        note = f"no world model is trained: this is the error of its untrained head; {note}"
    return Criterion(statement, errors.error, threshold, errors.floor, errors.mean_error, passed, note)


def _interval(quantity: Quantity) -> str:
    """The end of a note on what was estimated."""
    if not isinstance(quantity, Estimated):
        return ""
    return f"; 95 % interval {interval_text(quantity)} over {quantity.n} episodes"


def _exceeds(quantity: Quantity, threshold: float) -> bool:
    return not isinstance(quantity, Unavailable) and _lower(quantity) > threshold


def _lower(quantity: Quantity) -> float:
    return quantity.interval[0] if isinstance(quantity, Estimated) else float(quantity)


def _upper(quantity: Quantity) -> float:
    return quantity.interval[1] if isinstance(quantity, Estimated) else float(quantity)
