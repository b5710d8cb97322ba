import math
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.world_model_errors import PredictionError, WorldModelErrors
from wmil_agents.runs import verdict as verdict_module
from wmil_agents.runs.evaluation_callback import EvaluatedStep
from wmil_agents.runs.verdict import (
    CHANCE_QUANTILE,
    ENTROPY_LEFT,
    HALF,
    WORLD_MODEL_SKILL,
    Verdict,
    chance_quantile,
    judge,
)
from wmil_envs.oracle import Estimated, Exact, Unavailable
from wmil_envs.world import World

WORLD = World("wmil_envs.tasks.pattern_echo:PatternEcho")


def evaluation(success: float, entropy: float, error: float) -> Evaluation:
    prediction = PredictionError(error, 0.0, 0.1, error)
    return Evaluation(
        success=Exact(success),
        episode_return=Exact(success),
        entropy=Exact(entropy),
        world_model=WorldModelErrors({"symbol": prediction}, prediction),
        oracle=WORLD.oracle(),
        success_ceiling=Exact(1.0),
        max_entropy=Exact(math.log(8)),
        level=1,
    )


START = evaluation(0.125, 2.08, 0.14)


def verdict(*later: Evaluation, is_trained: bool = True) -> Verdict:
    history = [EvaluatedStep(step * 50, e) for step, e in enumerate((START, *later))]
    return judge(history, 50 * len(later), WORLD.bank, world_model_is_trained=is_trained)


def answers(judged: Verdict) -> list[bool | None]:
    return [criterion.passed for criterion in judged.criteria]


def test_a_policy_that_learnt_passes() -> None:
    judged = verdict(evaluation(0.9, 0.5, 0.02), evaluation(1.0, 0.1, 0.01))
    assert answers(judged) == [True] * 4
    assert judged.reached
    assert judged.summary == "all criteria passed"


def test_a_policy_that_learnt_nothing_fails() -> None:
    judged = verdict(START, START)
    assert answers(judged) == [False] * 4
    assert not judged.reached
    assert judged.summary == "not all criteria passed"


def test_chance_is_exceeded_only_by_more_than_a_lucky_guesser_has() -> None:
    assert answers(verdict(START, evaluation(0.375, 1.0, 0.01)))[0] is False
    assert answers(verdict(START, evaluation(0.376, 1.0, 0.01)))[0] is True


def test_the_quantile_of_chance_is_that_of_all_guesses_by_brute_force() -> None:
    shares = np.sort([np.mean([guess == 0 for guess in guesses]) for guesses in product(range(4), repeat=5)])
    expected = shares[math.ceil(0.975 * len(shares)) - 1]
    assert chance_quantile(5, 0.25, 0.975) == pytest.approx(expected)


def test_half_must_be_reached_by_half_time() -> None:
    late = verdict(evaluation(0.4, 1.5, 0.1), evaluation(0.9, 0.5, 0.05), evaluation(1.0, 0.1, 0.01))
    assert answers(late) == [True, False, True, True]
    assert "first above it at step 100" in late.criteria[1].note
    assert late.criteria[1].value == 0.4


def test_entropy_that_falls_onto_wrong_answers_does_not_count() -> None:
    judged = verdict(START, evaluation(0.125, 0.1, 0.01))
    assert judged.criteria[2].passed is False
    assert "drift" in judged.criteria[2].note


def test_entropy_must_fall_by_half() -> None:
    assert answers(verdict(START, evaluation(0.9, 1.05, 0.01)))[2] is False
    assert answers(verdict(START, evaluation(0.9, 1.03, 0.01)))[2] is True


def test_the_world_model_must_reach_half_of_the_skill() -> None:
    assert answers(verdict(START, evaluation(1.0, 0.1, 0.051)))[3] is False
    assert answers(verdict(START, evaluation(1.0, 0.1, 0.049)))[3] is True


def test_an_error_that_was_low_from_the_start_has_not_fallen() -> None:
    low = evaluation(0.125, 2.08, 0.01)
    judged = judge([EvaluatedStep(0, low), EvaluatedStep(8, low)], 8, WORLD.bank, world_model_is_trained=True)
    assert judged.criteria[3].passed is False


def test_an_untrained_world_model_fails_whatever_its_error() -> None:
    judged = verdict(evaluation(1.0, 0.1, 0.01), is_trained=False)
    assert judged.criteria[3].passed is False
    assert "no world model is trained" in judged.criteria[3].note
    without = replace(START, world_model=Unavailable("the policy has no world model"))
    judged = judge([EvaluatedStep(0, without)] * 2, 8, WORLD.bank, world_model_is_trained=False)
    assert judged.criteria[3].passed is False


def test_an_estimate_counts_by_the_worse_end_of_its_interval() -> None:
    unsure = replace(evaluation(0.6, 0.1, 0.01), success=Estimated(0.6, 20, (0.3, 0.78)))
    assert answers(verdict(unsure, unsure))[:2] == [False, False]
    vague = replace(evaluation(1.0, 0.1, 0.01), entropy=Estimated(1.0, 20, (0.9, 1.1)))
    assert answers(verdict(vague, vague))[2] is False


def test_the_interval_behind_an_estimate_is_told() -> None:
    success, entropy = Estimated(0.6, 20, (0.375, 0.78125)), Estimated(1.0, 20, (0.9, 1.1))
    estimated = verdict(*[replace(evaluation(0.6, 1.0, 0.01), success=success, entropy=entropy)] * 2)
    notes = [criterion.note for criterion in estimated.criteria]
    assert all("95 % interval [0.3750, 0.7812] over 20 episodes" in note for note in notes[:2])
    assert "95 % interval [0.9000, 1.100] over 20 episodes" in notes[2]
    exact = verdict(evaluation(0.9, 0.5, 0.02), evaluation(1.0, 0.1, 0.01))
    assert not any("interval" in criterion.note for criterion in exact.criteria)


def test_what_cannot_be_judged_is_said_and_fails_nothing() -> None:
    unknown = Unavailable("the environment does not tell success")
    start = replace(START, success=unknown, success_ceiling=unknown, world_model=unknown, oracle=None, level=None)
    end = replace(start, entropy=Exact(0.5))
    judged = judge([EvaluatedStep(0, start), EvaluatedStep(8, end)], 8, None, world_model_is_trained=True)
    assert answers(judged) == [None, None, True, None]
    assert judged.reached
    assert judged.summary == "all criteria that can be judged passed (3 not judged)"
    speechless = replace(start, entropy=unknown)
    judged = judge([EvaluatedStep(0, speechless)] * 2, 8, None, world_model_is_trained=True)
    assert answers(judged) == [None] * 4
    assert not judged.reached
    assert judged.summary == "no criterion can be judged"


def returns(*intervals: tuple[float, float], threshold: float | None = 475.0) -> Verdict:
    unknown = Unavailable("the environment does not tell success")
    history = [
        EvaluatedStep(
            8 * place,
            replace(
                START,
                success=unknown,
                success_ceiling=unknown,
                world_model=unknown,
                oracle=None,
                level=None,
                episode_return=Estimated(sum(interval) / 2, 100, interval),
            ),
        )
        for place, interval in enumerate(intervals)
    ]
    return judge(history, 16, None, world_model_is_trained=True, return_threshold=threshold)


def test_without_tables_a_return_that_counts_as_solved_is_the_question() -> None:
    solved = returns((18.0, 22.0), (476.0, 484.0), (475.0, 495.0))
    (criterion,) = solved.criteria
    assert solved.reached
    assert (criterion.statement, criterion.value, criterion.floor) == ("return of at least 475", 485.0, 20.0)
    assert "first reached at step 8; 95 % interval [475.0, 495.0] over 100 episodes" in criterion.note


def test_a_return_whose_interval_reaches_below_the_threshold_is_not_enough() -> None:
    unsure = returns((18.0, 22.0), (474.0, 500.0))
    assert not unsure.reached
    assert "never reached" in unsure.criteria[0].note


def test_without_a_threshold_or_with_tables_the_four_questions_are_asked() -> None:
    assert len(returns((18.0, 22.0), threshold=None).criteria) == 4
    history = [EvaluatedStep(0, START), EvaluatedStep(8, START)]
    judged = judge(history, 8, WORLD.bank, world_model_is_trained=True, return_threshold=0.9)
    assert len(judged.criteria) == 4


def test_the_page_tells_the_numbers_that_are_held_against() -> None:
    page = " ".join((verdict_module.__doc__ or "").split())
    for words, constant in (
        (r"the ([\d.]+) % quantile of such guessing", 100 * CHANCE_QUANTILE),
        (r"by half-time\*\*: above (\d+) %", 100 * HALF),
        (r"at least ([\d.]+) between the best prediction", WORLD_MODEL_SKILL),
    ):
        told = re.search(words, page)
        assert told is not None
        assert float(told[1]) == constant
    assert "at most half of what it was at the start" in page
    assert ENTROPY_LEFT == 0.5
    assert not re.search("[A-Z]{3}", page)


def test_a_verdict_is_plain_data() -> None:
    plain = verdict(evaluation(0.9, 0.5, 0.02), evaluation(1.0, 0.1, 0.01)).to_dict()
    assert plain["reached"] is True
    assert plain["criteria"][0]["floor"] == 0.125
    assert plain["criteria"][0]["ceiling"] == 1.0
