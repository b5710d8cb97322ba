import json
from pathlib import Path
from typing import Any

from wmil_agents.runs.parent_record import parent_document
from wmil_agents.runs.recorded_run import read_run
from wmil_agents.runs.run import run
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.fake_llm.server import FakeLLM

SHORT = ["total_steps=64", "evaluation.interval=64", "policy.width=16", "policy.n_layers=1"]


def settings_with(parent: dict[str, Any]) -> Any:
    return load_settings("mvp", [*SHORT, f"env.arguments.parent={json.dumps(parent)}"])


def test_a_run_says_who_judged_it_from_where_and_at_what_cost(tmp_path: Path) -> None:
    with FakeLLM() as server:
        parent = {
            "kind": "llm",
            "provider": "openai",
            "model": "some-model",
            "base_url": server.base_url("openai"),
            "store": str(tmp_path / "store.sqlite"),
            "budget": {"calls": 100},
            "duties": ["judge"],
        }
        run(settings_with(parent), tmp_path / "run")
        n_asked = len(server.requests)
    document = read_run(tmp_path / "run").parent
    assert document is not None
    assert (document["kind"], document["model"], document["fallback_share"]) == ("llm", "some-model", 0.0)
    assert document["cells"] == {"live": 64}
    assert document["spent"]["calls"] == n_asked
    assert document["card"]["against_the_rule"]["kappa"] == 1.0
    assert str(tmp_path) not in json.dumps(document), "no place of this machine"


def test_a_rule_needs_no_record(tmp_path: Path) -> None:
    result = run(load_settings("mvp", SHORT), tmp_path / "run")
    assert not (result.folder / "parent.json").exists()
    assert (result.folder / "levels.json").is_file()


def test_a_recording_brings_its_judge_card(tmp_path: Path) -> None:
    from wmil_agents.runs.experiment import build_experiment
    from wmil_envs.parents.recorded import record
    from wmil_envs.parents.rule import RuleParent
    from wmil_envs.tasks.pattern_echo import PatternEcho

    task = PatternEcho()
    record(RuleParent(task), task, tmp_path / "verdicts.json")
    content = json.loads((tmp_path / "verdicts.json").read_text())
    (tmp_path / "verdicts.json").write_text(json.dumps({**content, "card": {"cost": {"calls": 8}}}))
    experiment = build_experiment(settings_with({"kind": "recorded", "path": str(tmp_path / "verdicts.json")}))
    assert parent_document(experiment) == {"kind": "recorded", "file": "verdicts.json", "card": {"cost": {"calls": 8}}}
    experiment.close()
