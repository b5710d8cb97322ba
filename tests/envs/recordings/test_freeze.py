from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wmil_envs.bank import compile_bank
from wmil_envs.llm.errors import NotRecorded
from wmil_envs.llm.prompt_template import template_hash
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.parents.llm import LLMParent
from wmil_envs.parents.recorded import RecordedParent
from wmil_envs.parents.recording_file import read_card
from wmil_envs.parents.rule import RuleParent
from wmil_envs.parents.specification import make_parent
from wmil_envs.recordings.fill import Filled
from wmil_envs.recordings.freeze import freeze
from wmil_envs.recordings.plan import Plan
from wmil_envs.symbolic_env import SymbolicEnv
from wmil_envs.task import Task
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        (PatternEcho(), {}),
        (Conditional(alphabet=2), {"duties": ("judge",), "samples": 2}),
        (Conditional(), {"instances_per_level": 5, "ask_by": "action"}),
        (PatternEcho(horizon=3, dynamics="respond"), {}),
        (PatternEcho(horizon=3, dynamics="permute"), {"duties": ("instances", "judge"), "instances_per_level": 5}),
        (PatternEcho(horizon=3, dynamics="permute"), {"duties": ("transition",)}),
        (PatternEcho(horizon=3, dynamics="fresh"), {"instances_per_level": 3}),
    ],
    ids=str,
)
def test_a_frozen_parent_is_the_live_one(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path, task: Task, changes: dict
) -> None:
    settings, path = replace(settings, **changes), tmp_path / "frozen.json"
    fill_by_rule(task, settings, wrong_rate=0.15)
    freeze(task, settings, path)
    frozen = compile_bank(task, make_parent({"kind": "recorded", "path": str(path)}, task))
    live = compile_bank(task, LLMParent(task, replace(settings, mode="replay")))
    np.testing.assert_array_equal(frozen.instances, live.instances)
    np.testing.assert_array_equal(frozen.scores, live.scores)
    np.testing.assert_array_equal(frozen.successors, live.successors)
    for one, other in zip(frozen.levels, live.levels, strict=True):
        np.testing.assert_array_equal(one, other)
    if "judge" in settings.duties:
        assert (frozen.scores != compile_bank(task, RuleParent(task)).scores[: len(frozen.scores)]).any()


def test_consistency_is_frozen_too(settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path) -> None:
    settings, path, task = replace(settings, judges_consistency=True), tmp_path / "frozen.json", PatternEcho()
    fill_by_rule(task, settings, wrong_rate=0.3)
    freeze(task, settings, path)
    frozen, live = RecordedParent(RuleParent(task), task, path), LLMParent(task, replace(settings, mode="replay"))
    states, actions = np.repeat(task.instances(1), 8, axis=0), np.tile(np.arange(8), 8)
    for one, other in zip(frozen.verdicts(states, actions), live.verdicts(states, actions), strict=True):
        np.testing.assert_array_equal(one, other)
    assert frozen.judges_consistency
    env = SymbolicEnv(task, parent={"kind": "recorded", "path": str(path)}, info="full")
    env.reset(seed=0, options={"instance": 3})
    info = env.step(5)[-1]
    assert info["vector_reward"][2] == live.verdicts(np.array([[3]], dtype=np.int32), np.array([5])).consistency[0]


def test_a_recording_without_consistency_is_no_lazy_parent(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path
) -> None:
    fill_by_rule(PatternEcho(), settings)
    freeze(PatternEcho(), settings, tmp_path / "frozen.json")
    assert not hasattr(RecordedParent(RuleParent(PatternEcho()), PatternEcho(), tmp_path / "frozen.json"), "verdicts")


def test_the_judge_card_tells_who_judged_when_at_what_cost_and_how_well(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path
) -> None:
    settings, path = replace(settings, base_url="http://127.0.0.1:9/v1", samples=2), tmp_path / "frozen.json"
    fill_by_rule(PatternEcho(), settings, wrong_rate=0.1)
    card = freeze(PatternEcho(), settings, path)
    assert read_card(path) == card == json.loads(path.read_text())["card"]
    assert card["asked_of"] == {
        "provider": "openai",
        "model": "model-asked",
        "server": "another one",
        "temperature": None,
    }
    assert card["answered_by"] == {"model-that-answered": 18}
    assert card["first_asked"] <= card["last_asked"]
    assert card["template"] == {"version": 1, "sha256": template_hash()}
    assert card["sources"] == {"instances": "model", "transition": "rule", "judge": "model"}
    assert card["cost"] == {
        "calls": 18,
        "input_tokens": 1_800,
        "output_tokens": 360,
        "dollars": pytest.approx((1_800 + 5 * 360) / 1e6),
    }
    assert card["coverage"] == {"questions": 18, "answered": 18, "states": 8, "complete_states": 8}
    assert card["samples"] == {"each": 2, "agreement": 1.0}
    against = card["against_the_rule"]
    assert against["cells"] == 64
    assert 0.7 < against["agreement"] < 1.0
    assert 0.0 < against["kappa"] < 1.0
    assert set(against["per_level"]) == set(PatternEcho().levels)


def test_the_file_holds_no_path_no_address_and_one_question_a_line(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sentinel-key")
    settings = replace(settings, base_url="http://127.0.0.1:9/v1", api_key_env="OPENAI_API_KEY")
    fill_by_rule(PatternEcho(), settings)
    freeze(PatternEcho(), settings, tmp_path / "frozen.json")
    text = (tmp_path / "frozen.json").read_text()
    assert not any(secret in text for secret in (str(tmp_path), "127.0.0.1", "sentinel-key", "OPENAI_API_KEY"))
    assert sum(line.startswith('{"state": ') for line in text.splitlines()) == 8
    freeze(PatternEcho(), settings, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == text


def test_a_constant_rater_leaves_kappa_undefined_and_the_card_says_so(settings: LLMSettings, tmp_path: Path) -> None:
    settings, task = replace(settings, duties=("judge",)), PatternEcho(n_symbols=2)
    plan = Plan(task, settings)
    for one in plan.table([task.instances(1)]):
        nothing = {"verdicts": [{"action": action, "goal": 0.0} for action in range(2)]}
        plan.store.put(one.question, nothing, model="m", input_tokens=None, output_tokens=1, seconds=0.1, attempts=3)
    card = freeze(task, settings, tmp_path / "frozen.json")
    assert card["against_the_rule"]["agreement"] == 0.5
    assert card["against_the_rule"]["kappa"] is None
    assert card["against_the_rule"]["kappa_is_undefined"] == "the model says the same of every cell"
    assert card["cost"] == {"calls": 6, "input_tokens": None, "output_tokens": 2, "dollars": None}


def test_an_incomplete_table_is_frozen_only_when_told_to(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path
) -> None:
    task, path = Conditional(), tmp_path / "frozen.json"
    settings = replace(settings, duties=("judge",), breaker=1_000)
    with pytest.raises(NotRecorded, match="lacks 26 of 26 answers"):
        freeze(task, settings, path, partial=True)
    filled = fill_by_rule(task, settings, refused_rate=0.3)
    with pytest.raises(NotRecorded, match=rf"lacks {len(filled.failed)} of 26 answers: fill it first, .* partial=True"):
        freeze(task, settings, path)
    assert not path.exists()
    card = freeze(task, settings, path, partial=True)
    assert card["coverage"] == {
        "questions": 26,
        "answered": 26 - len(filled.failed),
        "states": 26,
        "complete_states": 26 - len(filled.failed),
    }
    with pytest.raises(LookupError, match="holds no verdict on every question"):
        compile_bank(task, RecordedParent(RuleParent(task), task, path))


def test_transitions_are_of_their_dynamics(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path
) -> None:
    task, path = PatternEcho(horizon=3, dynamics="respond"), tmp_path / "frozen.json"
    fill_by_rule(task, settings)
    freeze(task, settings, path)
    with pytest.raises(ValueError, match="its transitions were recorded for dynamics='respond', not for 'permute'"):
        make_parent({"kind": "recorded", "path": str(path)}, replace(task, dynamics="permute"))
    longer = replace(task, horizon=5)
    assert compile_bank(longer, make_parent({"kind": "recorded", "path": str(path)}, longer)).horizon == 5


def test_a_recording_of_chosen_states_stays_among_them(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path
) -> None:
    path, settings = tmp_path / "frozen.json", replace(settings, instances_per_level=5)
    fill_by_rule(PatternEcho(), settings)
    freeze(PatternEcho(), settings, path)
    task = PatternEcho(horizon=4, dynamics="permute")
    bank = compile_bank(task, make_parent({"kind": "recorded", "path": str(path)}, task))
    assert bank.instances.tolist() == [[0], [1], [2], [3], [4]]
    assert bank.levels[0].tolist() == [0, 1, 2, 3]


def test_a_recording_of_the_first_format_is_still_read(tmp_path: Path) -> None:
    path, task = tmp_path / "old.json", PatternEcho(n_symbols=2)
    rows = ['{"state": [0], "scores": [1.0, 0.25]}', '{"state": [1], "scores": [0.0, 1.0]}']
    path.write_text(
        json.dumps({"format": 1, "task": repr(task)})[:-1] + ', "questions": [\n' + ",\n".join(rows) + "\n]}\n"
    )
    bank = compile_bank(task, make_parent({"kind": "recorded", "path": str(path)}, task))
    assert bank.scores.tolist() == [[1.0, 0.25], [0.0, 1.0]]
    assert read_card(path) is None
