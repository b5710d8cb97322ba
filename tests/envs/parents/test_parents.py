from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from wmil_envs.bank import compile_bank
from wmil_envs.parents.recorded import record
from wmil_envs.parents.rule import RuleParent
from wmil_envs.parents.specification import make_parent
from wmil_envs.symbolic_env import SymbolicEnv
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho


@pytest.mark.parametrize(
    "specification", [{"kind": "rule"}, {"kind": "noisy", "flip": 0.1, "of": {"kind": "rule"}}], ids=str
)
def test_a_parent_is_its_specification(specification: dict) -> None:
    parent = make_parent(json.loads(json.dumps(specification)), PatternEcho())
    assert parent.specification() == specification


def test_a_noisy_parent_flips_as_often_as_it_says() -> None:
    n = 20_000
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=n, parent={"kind": "noisy", "flip": 0.3})
    obs, _ = env.reset(seed=0)
    _, rewards, _, _, infos = env.step(obs[:, 0].astype(np.int64))
    assert infos["success"].all(), "success keeps to the truth"
    assert abs(1.0 - rewards.mean() - 0.3) < 4 * (0.3 * 0.7 / n) ** 0.5
    np.testing.assert_array_equal(infos["final_obs"][:, 2], 1 + rewards)


def test_two_noises_add_up() -> None:
    parent = make_parent({"kind": "noisy", "flip": 0.1, "of": {"kind": "noisy", "flip": 0.2}}, PatternEcho())
    assert parent.flip == pytest.approx(0.1 * 0.8 + 0.2 * 0.9)


def test_a_recording_judges_as_it_was_recorded(tmp_path: Path) -> None:
    task = Conditional()
    rule, path = RuleParent(task), tmp_path / "scores.json"
    record(rule, task, path)
    edited = path.read_text().replace("1.0, 0.0", "0.25, 0.0", 1)
    path.write_text(edited)
    env = gym.make("WMIL/Conditional-v0", parent={"kind": "recorded", "path": str(path)}).unwrapped
    changed = env.bank.scores != compile_bank(task, rule).scores
    assert changed.sum() == 1
    assert env.bank.scores[changed] == [0.25]
    assert float(env.oracle.optimal_return) <= 1.0
    env.reset(seed=0, options={"instance": int(np.argwhere(changed)[0, 0])})
    _, reward, _, _, info = env.step(int(np.argwhere(changed)[0, 1]))
    assert (reward, info["success"]) == (0.25, True)
    assert path.read_text().count("\n") >= env.bank.n_instances, "one question a line, for diff"


def test_a_recording_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"

    def make(name: str = "Conditional") -> None:
        gym.make(f"WMIL/{name}-v0", parent={"kind": "recorded", "path": str(path)})

    with pytest.raises(FileNotFoundError, match="cannot read the recorded parent"):
        make()
    for content, sentence in (
        ("{", "is not a recording"),
        ('{"format": 3, "questions": []}', "its format is 3, not 1 or 2"),
        (f'{{"format": 1, "task": "{Conditional()}", "questions": [{{"state": [0], "scores": [2.0]}}]}}', "outside"),
        ("[]", "is not a recording"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=sentence):
            make()
    task = PatternEcho()
    record(RuleParent(task), task, path)
    with pytest.raises(ValueError, match="it was recorded for PatternEcho"):
        make()
    with pytest.raises(ValueError, match="it was recorded for PatternEcho"):
        gym.make("WMIL/PatternEcho-v0", alphabet=1, parent={"kind": "recorded", "path": str(path)})
    path.write_text(path.read_text().replace('{"state": [7]', '{"state": [70]'))
    with pytest.raises(LookupError, match="record it again"):
        make("PatternEcho")


def test_a_recording_keeps_the_noise_of_the_parent_it_stands_on(tmp_path: Path) -> None:
    task, path = PatternEcho(), tmp_path / "scores.json"
    record(RuleParent(task), task, path)
    noisy = {"kind": "noisy", "flip": 0.3}
    env = gym.make("WMIL/PatternEcho-v0", horizon=2, parent={"kind": "recorded", "path": str(path), "of": noisy})
    assert env.unwrapped.bank.flip == 0.3


def test_a_parent_of_ones_own_is_taken_as_it_is() -> None:
    class Lenient(RuleParent):
        def judge(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
            return np.maximum(super().judge(states, actions), 0.25)

    task = PatternEcho()
    env = SymbolicEnv(task, parent=Lenient(task))
    assert env.bank.scores.min() == 0.25
    env.reset(seed=0, options={"instance": 3})
    obs, reward, *_ = env.step(0)
    assert reward == 0.25
    assert obs[2] == 1, "the feedback shows the verdict: below one half is wrong"


@pytest.mark.parametrize("flip", [-0.1, 1.5])
def test_a_flip_that_is_no_probability_is_refused(flip: float) -> None:
    with pytest.raises(ValueError, match="flip must be a probability"):
        make_parent({"kind": "noisy", "flip": flip}, PatternEcho())


def test_a_parent_that_leaves_the_world_is_refused() -> None:
    class Wanderer(RuleParent):
        def transition(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
            return states + 100

    task = PatternEcho()
    with pytest.raises(ValueError, match="which is no instance of"):
        compile_bank(task, Wanderer(task))


def test_a_parent_that_scores_outside_the_unit_interval_is_refused() -> None:
    class Generous(RuleParent):
        def judge(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
            return 2.0 * super().judge(states, actions)

    task = PatternEcho()
    with pytest.raises(ValueError, match="every score must be a number from 0 to 1"):
        compile_bank(task, Generous(task))
