"""A language model as the parent of an environment, asked through the vendors' SDKs at a server on this machine."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from wmil_envs.fake_llm.server import FakeLLM
from wmil_envs.llm.errors import BudgetExceeded, CallFailed, NotRecorded, ParentError
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.parents.llm import LLMParent
from wmil_envs.parents.noisy import NoisyParent
from wmil_envs.parents.specification import make_parent
from wmil_envs.symbolic_env import SymbolicEnv
from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho

SEED = 11


@pytest.fixture
def asks(tmp_path: Path) -> Any:
    """Makes the plain data of a parent that asks a server."""

    def make(server: FakeLLM | str, provider: str = "openai", **more: Any) -> dict[str, Any]:
        return {
            "kind": "llm",
            "provider": provider,
            "model": "some-model",
            "base_url": server if isinstance(server, str) else server.base_url(provider),
            "store": str(tmp_path / "store.sqlite"),
            "budget": {"calls": 1_000},
            "canary_every": 0,
            "duties": ["judge"],
            **more,
        }

    return make


def rollout(env: SymbolicVectorEnv, n_steps: int = 60) -> list[tuple]:
    rng = np.random.default_rng(0)
    steps: list[tuple] = [env.reset(seed=SEED)]
    for _ in range(n_steps):
        *step, infos = env.step(rng.integers(env.world.n_actions, size=env.num_envs))
        steps.append((*step, {key: value for key, value in infos.items() if not key.endswith("parent_source")}))
    return steps


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_each_question_is_asked_once_and_the_episodes_are_the_rules_bit_for_bit(asks: Any, provider: str) -> None:
    task, plain = PatternEcho(), rollout(SymbolicVectorEnv(PatternEcho(), 16))
    with FakeLLM() as server:
        env = SymbolicVectorEnv(task, 16, parent=asks(server, provider))
        np.testing.assert_equal(rollout(env), plain)
        assert server.counts["judge"] <= 8
        assert env.parent.source_counts["live"] == 64
        np.testing.assert_equal(rollout(SymbolicVectorEnv(task, 16, parent=asks(server, provider))), plain)
        assert set(server.asked.values()) == {1}, "another env reads the store"
        by_action = SymbolicVectorEnv(task, 16, parent=asks(server, provider, ask_by="action"))
        before = server.counts["judge"]
        np.testing.assert_equal(rollout(by_action), plain)
        assert server.counts["judge"] - before <= 64
    replay = SymbolicVectorEnv(task, 16, parent=asks(server, provider, mode="replay", budget={}))
    np.testing.assert_equal(rollout(replay), plain)
    assert replay.parent.source_counts["replay"] == 64


def test_with_all_duties_the_episodes_are_the_rules_too(asks: Any) -> None:
    task = PatternEcho(horizon=3, dynamics="respond")
    duties = ["instances", "transition", "judge"]
    with FakeLLM() as server:
        env = SymbolicVectorEnv(task, 8, parent=asks(server, duties=duties))
        np.testing.assert_equal(rollout(env), rollout(SymbolicVectorEnv(task, 8)))
        assert server.counts == {"instances": 2, "judge": 8, "transition": 8}
        assert not env.world.has_gaps


def test_a_one_step_task_asks_nobody_what_follows(asks: Any) -> None:
    with FakeLLM() as server:
        for horizon, dynamics in ((1, "permute"), (2, "fresh")):
            task = PatternEcho(horizon=horizon, dynamics=dynamics)
            env = SymbolicVectorEnv(task, 4, parent=asks(server, duties=["transition", "judge"]))
            np.testing.assert_equal(rollout(env), rollout(SymbolicVectorEnv(task, 4)))
        assert not server.counts["transition"]


def test_the_model_sets_the_states_of_a_level(asks: Any) -> None:
    task = Conditional(horizon=2, dynamics="permute")
    with FakeLLM() as server:
        parent = asks(server, duties=["instances"], instances_per_level=3)
        env = SymbolicVectorEnv(task, 4, parent=parent)
        assert [len(members) for members in env.bank.levels] == [min(3, len(task.instances(n))) for n in range(3)]
        env.reset(seed=0)
        for _ in range(6):
            *_, infos = env.step(np.zeros(4, dtype=np.int64))
        assert set(infos["parent_source"].tolist()) == {"rule"}
        assert server.counts == {"instances": 3}
        again = SymbolicVectorEnv(task, 4, parent=parent)
        np.testing.assert_array_equal(again.bank.instances, env.bank.instances)
        assert again.parent.source_counts["cache"] == 3


def test_where_a_verdict_comes_from_is_told(asks: Any) -> None:
    with FakeLLM() as server:
        for mode, word in (("record", "live"), ("record", "cache"), ("replay", "replay"), ("live", "live")):
            env = gym.make("WMIL/PatternEcho-v0", parent=asks(server, mode=mode))
            env.reset(seed=0, options={"instance": 2})
            *_, info = env.step(1)
            assert info == {"success": False, "parent_source": word}


def test_what_the_store_holds_is_recalled_without_asking(asks: Any) -> None:
    task = PatternEcho(horizon=2, dynamics="permute")
    with FakeLLM() as server:
        env = SymbolicVectorEnv(task, 1, parent=asks(server, duties=["transition", "judge"]))
        env.reset(seed=0, options={"instance": 2})
        env.step(np.array([0]))
        n_asked = len(server.requests)
        for more, n_known in (({}, 8), ({"mode": "replay"}, 8), ({"mode": "live"}, 0), ({"samples": 2}, 0)):
            other = SymbolicVectorEnv(task, 1, parent=asks(server, duties=["transition", "judge"], **more))
            other.world.recall_verdicts()
            assert np.count_nonzero(other.world.verdicts.known) == n_known
            if n_known:
                cells = slice(16, 24)
                np.testing.assert_array_equal(other.world.following[cells], env.world.following[cells])
                assert other.bank.scores[2].tolist() == env.bank.scores[2].tolist()
        assert len(server.requests) == n_asked


def test_a_gap_in_a_recording_shows_the_question(asks: Any) -> None:
    env = gym.make("WMIL/PatternEcho-v0", parent=asks("http://127.0.0.1:9/v1", mode="replay"))
    env.reset(seed=0)
    with pytest.raises(NotRecorded, match="symbol"):
        env.step(0)


def test_no_call_is_made_unless_it_is_allowed(asks: Any) -> None:
    with FakeLLM() as server:
        env = gym.make("WMIL/PatternEcho-v0", parent=asks(server, budget={}))
        env.reset(seed=0)
        with pytest.raises(BudgetExceeded, match="calls"):
            env.step(0)
        assert not server.requests


def failing(asks: Any, server: FakeLLM, on_error: str, **more: Any) -> dict[str, Any]:
    return asks(server, on_error=on_error, attempts=1, breaker=1_000, **more)


def test_an_error_is_raised_by_default(asks: Any) -> None:
    with FakeLLM(error_rate=1.0) as server:
        env = SymbolicVectorEnv(PatternEcho(), 2, parent=failing(asks, server, "raise"))
        env.reset(seed=0)
        with pytest.raises(CallFailed, match="500"):
            env.step(np.array([0, 1]))
        server.error_rate = 0.0
        env.step(np.array([0, 1]))


def test_a_fallback_is_the_rules_verdict_flagged_and_the_model_is_asked_again(asks: Any) -> None:
    task = PatternEcho(horizon=2, dynamics="permute")
    with FakeLLM(error_rate=1.0) as server:
        parent = failing(asks, server, "fallback", duties=["instances", "transition", "judge"])
        env = SymbolicVectorEnv(task, 4, parent=parent, info="full")
        plain = SymbolicVectorEnv(task, 4, info="full")
        np.testing.assert_equal(env.reset(seed=0), plain.reset(seed=0))
        for source in ("fallback", "live"):
            *step, infos = env.step(np.array([0, 1, 2, 3]))
            *expected, _ = plain.step(np.array([0, 1, 2, 3]))
            np.testing.assert_equal(step, expected)
            assert set(infos["parent_source"].tolist()) == {source}
            server.error_rate = 0.0
        assert env.parent.source_counts["fallback"] >= 4
        assert env.world.verdicts.n_answers.sum() == 8


def test_without_a_verdict_the_episode_is_cut_off(asks: Any) -> None:
    with FakeLLM(error_rate=1.0) as server:
        env = gym.make("WMIL/PatternEcho-v0", horizon=3, parent=failing(asks, server, "mask"))
        with pytest.raises(RuntimeError, match="accept_unjudged"):
            env.reset(seed=0)
        assert not server.requests
        env.unwrapped.accept_unjudged()
        env.reset(seed=0)
        obs, reward, terminated, truncated, info = env.step(0)
        assert (reward, terminated, truncated, info["parent_source"]) == (0.0, False, True, "unjudged")
        assert obs[2] == 0
        server.error_rate = 0.0
        env.reset()
        assert env.step(0)[-1]["parent_source"] == "live"


def test_the_mean_of_several_samples_counts(asks: Any) -> None:
    class Wavering:
        def answers(self, questions: Any) -> list[Any]:
            from wmil_envs.llm.asker import Answered

            return [
                Answered(
                    {"verdicts": [{"action": a, "goal": 0.25 * q.sample, "cons": 0.5 * q.sample} for a in range(8)]},
                    "cache" if q.sample else "live",
                )
                for q in questions
            ]

    parent = make_parent(asks("http://127.0.0.1:9/v1", samples=3, judges_consistency=True), PatternEcho())
    parent._asker = Wavering()
    verdicts = parent.verdicts(np.array([[3], [1]], dtype=np.int32), np.array([2, 2]))
    np.testing.assert_allclose(verdicts.scores, 0.25)
    np.testing.assert_allclose(verdicts.consistency, 0.5)
    assert verdicts.sources.tolist() == [1, 1], "one of the three was asked now"
    env = SymbolicVectorEnv(PatternEcho(), 2, parent=parent, info="full", reward_weights=(1.0, 0.0, 1.0))
    env.reset(seed=0)
    _, rewards, *_, infos = env.step(np.array([0, 0]))
    np.testing.assert_allclose(infos["vector_reward"], [[0.25, 0.0, 0.5]] * 2)
    np.testing.assert_allclose(rewards, 0.75)


def test_the_judges_consistency_is_asked_of_the_model(asks: Any) -> None:
    with FakeLLM() as server:
        env = SymbolicVectorEnv(PatternEcho(), 2, parent=asks(server, judges_consistency=True), info="full")
        env.reset(seed=0)
        *_, infos = env.step(np.array([0, 1]))
        expected = env.world.verdicts.consistency[infos["instance"] * 8 + [0, 1]]
        np.testing.assert_array_equal(infos["vector_reward"][:, 2], expected)
        assert np.isfinite(expected).all()


def test_a_parent_is_its_specification_in_every_spec(asks: Any) -> None:
    plain = asks("http://127.0.0.1:9/v1", on_error="fallback", samples=2, deadline=1.5)
    parent = make_parent(json.loads(json.dumps(plain)), PatternEcho())
    assert make_parent(parent.specification(), PatternEcho()).specification() == parent.specification()
    assert LLMSettings.from_dict({k: v for k, v in parent.specification().items() if k != "kind"}) == parent.settings
    env = gym.make("WMIL/PatternEcho-v0", parent=plain)
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.parent.settings == parent.settings
    noisy = make_parent({"kind": "noisy", "flip": 0.25, "of": plain}, PatternEcho())
    assert noisy.specification() == {"kind": "noisy", "flip": 0.25, "of": parent.specification()}
    for given, sentence in (
        ({"modell": "x"}, "did you mean 'model'"),
        ({"of": "rule"}, "takes no 'of'"),
        ({"on_error": "ignore"}, "on_error must be one of raise, fallback, mask"),
    ):
        with pytest.raises(ValueError, match=sentence):
            gym.make("WMIL/PatternEcho-v0", parent={**plain, **given})


def test_copies_leave_connections_behind_and_work(asks: Any) -> None:
    with FakeLLM() as server:
        parent = make_parent(asks(server, duties=["instances", "judge"]), PatternEcho())
        env = SymbolicEnv(PatternEcho(), parent=parent)
        env.reset(seed=0)
        env.step(0)
        assert parent._asker is not None
        for other in (
            pickle.loads(pickle.dumps(parent)),
            copy.deepcopy(parent),
            pickle.loads(pickle.dumps(env)).parent,
        ):
            assert other._asker is None
            n_before = len(server.requests)
            verdicts = other.verdicts(parent.instances(1)[:1], np.array([3]))
            assert len(server.requests) <= n_before + 1
            assert np.isfinite(verdicts.scores).all()


def test_workers_in_other_processes_ask_each_question_once(asks: Any) -> None:
    with FakeLLM() as server:
        env = gym.make_vec(
            "wmil_envs:WMIL/PatternEcho-v0",
            num_envs=3,
            vectorization_mode="async",
            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP, "context": "spawn"},
            parent=asks(server),
        )
        plain = gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=3)
        try:
            obs, expected = env.reset(seed=SEED)[0], plain.reset(seed=SEED)[0]
            np.testing.assert_array_equal(obs, expected)
            for _ in range(6):
                stepped, like = env.step(np.array([0, 1, 2])), plain.step(np.array([0, 1, 2]))
                for part, other in zip(stepped[:4], like[:4], strict=True):
                    np.testing.assert_array_equal(part, other)
        finally:
            env.close()
        assert set(server.asked.values()) == {1}


def test_noise_over_a_model_is_noise_over_the_rule(asks: Any) -> None:
    with FakeLLM() as server:
        env = SymbolicVectorEnv(PatternEcho(), 8, parent={"kind": "noisy", "flip": 0.3, "of": asks(server)})
        plain = SymbolicVectorEnv(PatternEcho(), 8, parent={"kind": "noisy", "flip": 0.3})
        np.testing.assert_equal(rollout(env), rollout(plain))
        assert isinstance(env.parent, NoisyParent)
        assert env.parent.source_counts["live"] == 64
        assert env.parent.max_fallback_share == 0.05


def test_all_scores_at_once_are_the_models(asks: Any) -> None:
    states, actions = np.repeat(PatternEcho().instances(1), 8, axis=0), np.tile(np.arange(8), 8)
    task = PatternEcho(horizon=2, dynamics="permute")
    with FakeLLM() as server:
        parent = make_parent(asks(server, duties=["transition", "judge"]), task)
        assert isinstance(parent, LLMParent)
        np.testing.assert_array_equal(parent.judge(states, actions), states[:, 0] == actions)
        rule = make_parent("rule", task)
        np.testing.assert_array_equal(parent.transition(states, actions), rule.transition(states, actions))
    with FakeLLM(error_rate=1.0) as server:
        parent = make_parent(failing(asks, server, "mask", samples=2), PatternEcho())
        with pytest.raises(ParentError, match="were not judged"):
            parent.judge(states[:2], actions[:2])


def test_importing_the_environments_loads_nothing_for_language_models() -> None:
    program = (
        "import sys, wmil_envs, gymnasium as gym\n"
        "env = gym.make('WMIL/PatternEcho-v0'); env.reset(seed=0); env.step(0)\n"
        "gym.make_vec('WMIL/PatternEcho-v0', 2, parent={'kind': 'noisy', 'flip': .1}).reset(seed=0)\n"
        "heavy = {'openai', 'anthropic', 'pydantic', 'sqlite3', 'httpx', 'torch', 'wmil_envs.llm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
