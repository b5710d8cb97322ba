import importlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import wmil_envs  # noqa: F401  (registers the worlds)

ROOT = Path(__file__).parents[1]


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.learning.worlds")


def median_reference(worlds: Any, *, remembers_failures: bool) -> float:
    bank = gym.make("WMIL/PatternEcho-v0").unwrapped.bank
    found = [worlds.reference_steps(bank, 1, seed, remembers_failures=remembers_failures) for seed in range(200)]
    return float(np.median(found))


def test_the_references_of_pattern_echo_are_the_known_ones(worlds: Any) -> None:
    assert median_reference(worlds, remembers_failures=False) == pytest.approx(163, abs=20)  # 160 to 166 were measured
    assert median_reference(worlds, remembers_failures=True) == pytest.approx(72, abs=8)


def test_a_question_with_two_answers_takes_at_most_one_failure(worlds: Any) -> None:
    bank = gym.make("WMIL/PatternEcho-v0", n_symbols=2).unwrapped.bank
    level = len(bank.levels) - 1
    for seed in range(20):
        assert worlds.reference_steps(bank, level, seed, remembers_failures=True) < worlds.GIVE_UP_STEPS


def test_a_row_tells_both_references_and_both_learners(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "GIVE_UP_STEPS", 64)
    cells = worlds.row("echo", "wmil_envs:WMIL/PatternEcho-v0", {"n_symbols": 4}, 2, 1).strip("| ").split(" | ")
    assert cells[:2] == ["echo", "4 x 4"]
    assert len(cells) == 6
    assert cells[-1].endswith("of 2")
