"""Whole runs whose parent is a language model: the curves of the rule, what they cost, and what is told of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from wmil_agents.runs.experiment import build_experiment
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import load_run
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.fake_llm.server import FakeLLM
from wmil_envs.oracle import Exact, Unavailable

SHORT = ["total_steps=320", "evaluation.interval=80", "policy.width=16", "logging.interval=5"]
DEPENDS_ON_VERDICTS = ("return", "random_return", "memoryless_return", "optimal_return", "world_model")


@pytest.fixture
def settings_with(tmp_path: Path) -> Any:
    """Makes the settings of a short run whose parent asks a server."""

    def make(server: FakeLLM | str, provider: str = "openai", arguments: Any = None, **parent: Any) -> Settings:
        settings = load_settings("mvp", SHORT)
        asked = {
            "kind": "llm",
            "provider": provider,
            "model": "some-model",
            "base_url": server if isinstance(server, str) else server.base_url(provider),
            "store": str(tmp_path / f"{provider}.sqlite"),
            "budget": {"calls": 1_000},
            "duties": ["judge"],
            **parent,
        }
        env = settings.env.model_copy(
            update={"arguments": {**settings.env.arguments, **(arguments or {}), "parent": asked}}
        )
        return settings.model_copy(update={"env": env})

    return make


@pytest.fixture(scope="module")
def by_rule(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("rule") / "run"
    return run(load_settings("mvp", SHORT), folder)


def assert_the_same(result: Any, expected: Any) -> None:
    """Every figure that does not wait for verdicts is equal, bit for bit, and the others once they are there."""
    columns, like = read_metrics(result.folder / "metrics.csv"), read_metrics(expected.folder / "metrics.csv")
    assert columns.keys() == like.keys()
    for name, values in columns.items():
        waits = name.startswith(DEPENDS_ON_VERDICTS)
        for value, other in zip(values, like[name], strict=True):
            assert value == other or (math.isnan(value) and (waits or math.isnan(other))), name
        assert values[-1] == like[name][-1] or math.isnan(values[-1]), name
    weights, others = (load_file(one.folder / "policy.safetensors") for one in (result, expected))
    assert weights.keys() == others.keys()
    assert all(np.array_equal(weights[name], others[name]) for name in weights)
    for criterion, other in zip(result.verdict.criteria, expected.verdict.criteria, strict=True):
        assert replace(criterion, note="") == replace(other, note="")
    assert result.verdict.criteria[:3] == expected.verdict.criteria[:3]
    assert result.evaluation.episode_return == expected.evaluation.episode_return


@pytest.mark.parametrize("provider", ["openai", pytest.param("anthropic", marks=pytest.mark.slow)])
def test_the_locked_experiment_asks_eight_questions_and_learns_what_the_rule_teaches(
    settings_with: Any, by_rule: Any, provider: str, tmp_path: Path
) -> None:
    with FakeLLM() as server:
        result = run(settings_with(server, provider), tmp_path / "live")
        assert_the_same(result, by_rule)
        assert server.counts["judge"] == 8
        assert set(server.asked.values()) == {1}
    start = result.history[0].evaluation
    assert start.episode_return == Unavailable("the parent has judged 0 of 64 pairs of instance and action")
    assert isinstance(start.success, Exact)
    assert "nan" not in str(start).lower()
    replayed = run(settings_with(server, provider, mode="replay", budget={}), tmp_path / "replay")
    assert_the_same(replayed, by_rule)


def test_one_question_for_each_action_is_at_most_64(settings_with: Any, by_rule: Any, tmp_path: Path) -> None:
    with FakeLLM() as server:
        result = run(settings_with(server, ask_by="action"), tmp_path / "run")
        assert server.counts["judge"] <= 64
        columns = read_metrics(result.folder / "metrics.csv")
        assert columns["success"] == read_metrics(by_rule.folder / "metrics.csv")["success"]


def test_a_run_of_several_steps_evaluates_when_everything_is_known(settings_with: Any, tmp_path: Path) -> None:
    arguments = {"horizon": 2, "dynamics": "permute"}
    duties = ["instances", "transition", "judge"]
    with FakeLLM() as server:
        result = run(settings_with(server, arguments=arguments, duties=duties), tmp_path / "run")
        assert server.counts["transition"] == 8
    start, end = result.history[0].evaluation, result.evaluation
    assert start.success == start.entropy == Unavailable("the parent has judged 0 of 64 pairs of instance and action")
    assert isinstance(end.success, Exact)
    assert result.verdict.criteria[0].passed is not None
    assert result.verdict.criteria[2].passed is None, "the entropy at the start is not known"


def test_a_policy_is_estimated_from_episodes_only_when_that_asks_nobody(settings_with: Any, tmp_path: Path) -> None:
    with FakeLLM() as server:
        experiment = build_experiment(settings_with(server))
        try:
            evaluation = experiment.evaluate(8, exact=False)
            assert isinstance(evaluation.success, Unavailable)
            assert not server.requests
            experiment.model.learn(320)
            n_asked = len(server.requests)
            assert not isinstance(experiment.evaluate(8, exact=False).success, Unavailable)
            assert len(server.requests) == n_asked
        finally:
            experiment.close()


def test_a_run_judged_by_the_fallback_gets_no_verdict(settings_with: Any, tmp_path: Path) -> None:
    with FakeLLM(error_rate=1.0) as server:
        settings = settings_with(server, on_error="fallback", attempts=1, breaker=1, canary_every=0)
        result = run(settings, tmp_path / "run")
    notes = {criterion.note for criterion in result.verdict.criteria}
    assert notes == {"the fallback judged 100.0% of the answers, and max_fallback_share allows 5.0%"}
    assert not result.verdict.reached
    assert result.verdict.summary.startswith("no criterion can be judged")


def test_a_run_whose_answers_may_be_unjudged_leaves_them_out(settings_with: Any, tmp_path: Path) -> None:
    with FakeLLM(error_rate=0.3, seed=4) as server:
        settings = settings_with(server, on_error="mask", attempts=1, breaker=1_000, canary_every=0)
        result = run(settings, tmp_path / "run")
        assert len(server.requests) > 8
    assert result.evaluation.success > 0.2


def test_instances_that_nobody_sets_refuse_the_run(settings_with: Any, tmp_path: Path) -> None:
    settings = settings_with("http://127.0.0.1:9/v1", duties=["instances", "judge"], mode="replay")
    with pytest.raises(InputError, match="the environment WMIL/PatternEcho-v0 cannot be made"):
        run(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_loaded_without_asking(settings_with: Any, tmp_path: Path) -> None:
    with FakeLLM() as server:
        result = run(settings_with(server), tmp_path / "run")
        n_asked = len(server.requests)
        experiment = load_run(tmp_path / "run")
        try:
            evaluation = experiment.evaluate()
            assert evaluation.episode_return == result.evaluation.episode_return, "by what the store holds"
            assert evaluation.oracle.optimal_return == Exact(1.0)
        finally:
            experiment.close()
        assert len(server.requests) == n_asked
