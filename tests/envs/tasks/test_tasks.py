"""What every task promises, over the registry."""

from __future__ import annotations

import inspect

import gymnasium as gym
import numpy as np
import pytest

from wmil_envs.dynamics import DYNAMICS
from wmil_envs.task import Task


def bank_and_task(env_id: str, **arguments: object) -> tuple:
    env = gym.make(env_id, **arguments).unwrapped
    return env.bank, env.task


@pytest.mark.parametrize("alphabet", [None, 0, 5])
def test_exactly_one_action_is_correct_in_every_state(env_id: str, alphabet: int | None) -> None:
    bank, task = bank_and_task(env_id, alphabet=alphabet)
    for state in bank.instances:
        scores = [task.correct_actions(state[None])[0] == action for action in range(task.n_actions)]
        assert sum(scores) == 1
    assert (bank.scores.sum(1) == 1.0).all()
    assert (bank.scores.argmax(1) == bank.correct).all()


def test_what_is_seen_decides_the_answer_unless_something_is_hidden(env_id: str) -> None:
    bank, _ = bank_and_task(env_id)
    for level in bank.levels:
        answers: dict[tuple, set[int]] = {}
        for index in level:
            answers.setdefault(tuple(bank.visible[index]), set()).add(int(bank.correct[index]))
        sizes = {len(found) for found in answers.values()}
        assert sizes == {1} or (bank.has_hidden_attributes and sizes == {2})


def test_states_stay_within_their_attributes(env_id: str) -> None:
    bank, task = bank_and_task(env_id)
    n_values = [attribute.n_values for attribute in task.attributes]
    assert (bank.instances >= 0).all()
    assert (bank.instances < n_values).all()
    assert len(np.unique(bank.instances, axis=0)) == bank.n_instances


def test_every_level_has_its_distinct_instances(env_id: str) -> None:
    bank, task = bank_and_task(env_id)
    assert len(bank.levels) == len(task.levels)
    for level in bank.levels:
        assert len(level) > 0
        assert len(np.unique(level)) == len(level)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_no_dynamics_leaves_a_level(env_id: str, dynamics: str) -> None:
    bank, _ = bank_and_task(env_id, dynamics=dynamics, horizon=3)
    if dynamics == "fresh":
        assert bank.successors is None
        return
    for level in bank.levels:
        assert np.isin(bank.successors[level], level).all()


def test_dynamics_do_what_their_names_say(env_id: str) -> None:
    same, permute, respond = (
        bank_and_task(env_id, dynamics=dynamics, horizon=2)[0].successors[:, :, 0]
        for dynamics in ("same", "permute", "respond")
    )
    everyone = np.arange(len(same))
    assert (same == everyone[:, None]).all()
    assert (permute == permute[:, :1]).all()
    assert sorted(permute[:, 0]) == everyone.tolist()
    assert (permute[:, 0] != everyone).any()
    assert (respond != respond[:, :1]).any(), "the action decides what comes next"


def test_an_alphabet_permutes_what_the_actions_mean(env_id: str) -> None:
    plain, coded = bank_and_task(env_id), bank_and_task(env_id, alphabet=11)
    assert (plain[0].correct != coded[0].correct).any()
    np.testing.assert_array_equal(coded[1].answer_of_action[coded[0].correct], plain[0].correct)
    assert sorted(coded[1].action_of_answer) == list(range(coded[1].n_actions))


def test_people_can_read_states_and_actions(env_id: str) -> None:
    bank, task = bank_and_task(env_id, alphabet=2)
    descriptions = {task.describe(state) for state in bank.instances}
    assert len(descriptions) == bank.n_instances
    answers = {task.describe_action(action) for action in range(task.n_actions)}
    assert len(answers) == task.n_actions


def test_the_docstring_is_a_documentation_page(env_id: str) -> None:
    _, task = bank_and_task(env_id)
    page = inspect.getdoc(type(task)) or ""
    for heading in (
        "Description",
        "Observation space",
        "Action space",
        "Reward",
        "Episode end",
        "Oracles",
        "Arguments",
    ):
        assert f"## {heading}\n" in page, heading
    assert "## Version history\n" in page


def test_a_task_of_ones_own_needs_its_rules_only() -> None:
    from dataclasses import dataclass

    from wmil_envs.attribute import Attribute
    from wmil_envs.symbolic_env import SymbolicEnv

    @dataclass(frozen=True, kw_only=True)
    class Parity(Task):
        """Is the number odd?"""

        name = "Parity"
        levels = ("all",)

        @property
        def n_actions(self) -> int:
            return 2

        @property
        def attributes(self) -> tuple[Attribute, ...]:
            return (Attribute("number", 10),)

        def instances(self, level: int) -> np.ndarray:
            return np.arange(10, dtype=np.int32)[:, None]

        def answers(self, states: np.ndarray) -> np.ndarray:
            return states[:, 0].astype(np.int64) % 2

        def describe(self, state: np.ndarray) -> str:
            return f"The number {state[0]}."

    env = SymbolicEnv(Parity(horizon=2))
    assert float(env.oracle.random_return) == 1.0
    env.reset(seed=0, options={"instance": 7})
    assert env.step(1)[1] == 1.0
    with pytest.raises(TypeError, match="takes no arguments"):
        SymbolicEnv(Parity(), horizon=2)
