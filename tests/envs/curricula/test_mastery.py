from __future__ import annotations

import copy
import multiprocessing
import os
import pickle

import numpy as np
import pytest
from scipy.stats import binom

from wmil_envs.curricula.mastery import MasteryCurriculum
from wmil_envs.curricula.specification import make_curriculum
from wmil_envs.curricula.uniform import UniformCurriculum


def hear(curriculum: MasteryCurriculum, *scores: float) -> None:
    levels = np.full(len(scores), curriculum.level)
    curriculum.update(levels, np.array(scores))


def test_a_full_window_at_the_threshold_promotes_and_is_forgotten() -> None:
    curriculum = MasteryCurriculum(3, threshold=0.8, window=5)
    hear(curriculum, 1, 1, 1, 1)
    assert curriculum.level == 0, "the window is not full"
    hear(curriculum, 0)
    assert curriculum.level == 1
    hear(curriculum, 1, 1, 1, 1)
    assert curriculum.level == 1, "the window began anew"
    hear(curriculum, 1)
    assert curriculum.level == 2
    hear(curriculum, *[1] * 20)
    assert curriculum.level == 2, "there is no further level"


def test_only_the_latest_window_counts() -> None:
    curriculum = MasteryCurriculum(2, threshold=0.8, window=5)
    hear(curriculum, 0, 0, 0, 0, 1, 1, 1)
    assert curriculum.level == 0
    hear(curriculum, 1)
    assert curriculum.level == 1


def test_episodes_of_other_levels_do_not_count() -> None:
    curriculum = MasteryCurriculum(2, window=3)
    curriculum.update(np.array([1, 1, 1]), np.ones(3))
    assert curriculum.level == 0


def test_the_share_replayed_is_the_one_asked_for() -> None:
    curriculum = MasteryCurriculum(4, window=1, replay=0.2)
    hear(curriculum, 1)
    hear(curriculum, 1)
    levels = curriculum.sample(np.random.default_rng(0).random(20_000))
    np.testing.assert_allclose(np.bincount(levels) / 20_000, [0.1, 0.1, 0.8], atol=0.01)
    assert (MasteryCurriculum(3).sample(np.array([0.0, 0.999])) == 0).all()


def test_the_wilson_rule_needs_more_than_luck() -> None:
    def rate_needed(rule: str) -> int:
        for right in range(101):
            curriculum = MasteryCurriculum(2, rule=rule)
            hear(curriculum, *[1.0] * right, *[0.0] * (100 - right))
            if curriculum.level == 1:
                return right
        raise AssertionError

    assert rate_needed("mean") == 80
    needed = rate_needed("wilson")
    assert needed == 88
    assert binom.sf(needed - 1, 100, 0.7) < 1e-4 < binom.sf(79, 100, 0.7)


def test_its_state_is_plain_data_and_comes_back() -> None:
    import json

    curriculum = MasteryCurriculum(3, window=4)
    hear(curriculum, 1, 1, 1, 1, 1, 0)
    state = json.loads(json.dumps(curriculum.state_dict()))
    other = MasteryCurriculum(3, window=4)
    other.load_state_dict(state)
    for each in (curriculum, other):
        hear(each, 1, 1)
    assert other.level == curriculum.level == 1
    assert other.state_dict() == curriculum.state_dict()
    with pytest.raises(ValueError, match="cannot be at level 2"):
        MasteryCurriculum(2).load_state_dict({"level": 2, "scores": [], "sum": 0.0})


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_of_an_adaptive_curriculum_is_refused(copier) -> None:
    with pytest.raises(TypeError, match="shares one curriculum"):
        copier(MasteryCurriculum(2))
    assert copier(UniformCurriculum(2)).n_levels == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_copy_of_an_adaptive_curriculum_is_refused() -> None:
    context = multiprocessing.get_context("fork")
    curriculum, answers = MasteryCurriculum(2), context.SimpleQueue()

    def child() -> None:
        try:
            curriculum.update(np.array([0]), np.array([1.0]))
            answers.put("accepted")
        except RuntimeError as error:
            answers.put(str(error))

    process = context.Process(target=child)
    process.start()
    process.join(20)
    assert "shares one curriculum" in answers.get()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threshold": 0.0}, "threshold must be in"),
        ({"window": 0}, "window must be at least 1"),
        ({"rule": "luck"}, "rule must be one of mean, wilson"),
        ({"replay": 1.0}, "replay must be in"),
    ],
    ids=str,
)
def test_bad_settings_are_refused(arguments: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MasteryCurriculum(2, **arguments)
    with pytest.raises(ValueError, match=sentence):
        make_curriculum({"kind": "mastery", **arguments}, 2)


def test_an_object_can_be_shared_by_several_vector_envs() -> None:
    from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
    from wmil_envs.tasks.pattern_echo import PatternEcho

    curriculum = MasteryCurriculum(2, window=10)
    envs = [SymbolicVectorEnv(PatternEcho(), 5, curriculum=curriculum) for _ in range(2)]
    for env in envs:
        obs, _ = env.reset(seed=0)
        env.step(obs[:, 0].astype(np.int64))
    assert curriculum.level == 1
    with pytest.raises(ValueError, match="the task has 2 levels, the curriculum 3"):
        SymbolicVectorEnv(PatternEcho(), 5, curriculum=MasteryCurriculum(3))


def test_uniform_visits_every_level_equally() -> None:
    levels = UniformCurriculum(4).sample(np.random.default_rng(0).random(40_000))
    np.testing.assert_allclose(np.bincount(levels) / 40_000, 0.25, atol=0.01)
    with pytest.raises(ValueError, match="has no state"):
        UniformCurriculum(4).load_state_dict({"level": 1})
    with pytest.raises(ValueError, match="at least 1 level"):
        UniformCurriculum(0)
