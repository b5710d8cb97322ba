import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from wmil_agents.runs.export import export_run
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import load_run
from wmil_agents.runs.settings_sources import load_settings

SHORT = ["total_steps=160", "evaluation.interval=80", "policy.width=16", "policy.n_layers=1"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(load_settings("mvp", SHORT), folder, command=["wmil", "train", "mvp", "--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def exported(finished: Path) -> Path:
    out = finished.parent / "exported"
    assert export_run(finished, out) == []
    return out


def header(card: str) -> dict[str, object]:
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert found is not None
    loaded: dict[str, object] = yaml.safe_load(found[1])
    return loaded


def test_what_was_exported_does_what_the_run_does(finished: Path, exported: Path) -> None:
    one, other = load_run(finished), load_run(exported)
    assert one.evaluate().to_dict() == other.evaluate().to_dict()
    weights, others = load_file(finished / "policy.safetensors"), load_file(exported / "policy.safetensors")
    assert all(np.array_equal(weights[name], others[name]) for name in weights)
    one.close()
    other.close()


def test_the_program_on_the_card_runs(exported: Path, fork_server: Any, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(), re.DOTALL)
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    answer = fork_server.run(tmp_path / "program.py", folder=exported)
    assert answer.returncode == 0, answer.stderr
    assert "chance 0.1250, best possible 1.000" in answer.stdout


def test_the_card_has_the_header_and_the_verdict(exported: Path) -> None:
    card = (exported / "README.md").read_text()
    about = header(card)
    assert about["library_name"] == "wmil-agents"
    assert about["pipeline_tag"] == "reinforcement-learning"
    (model,) = about["model-index"]  # type: ignore[misc] # plain YAML
    metrics = model["results"][0]["metrics"]
    assert [metric["type"] for metric in metrics] == ["mean_reward", "success_rate"]
    for words in ("| success above chance (0.125) |", "| all symbols |", "trained by REINFORCE on WMIL/PatternEcho-v0"):
        assert words in card


def test_nothing_of_this_machine_is_exported(finished: Path, exported: Path) -> None:
    assert str(finished.parent) in (finished / "versions.json").read_text()
    for file in exported.iterdir():
        assert str(finished.parent).encode() not in file.read_bytes(), file.name
    assert not (exported / "checkpoints").exists()


def test_settings_that_name_places_are_told(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("settings.yaml", "policy.safetensors"):
        (copy / name).write_bytes((finished / name).read_bytes())
    text = (copy / "settings.yaml").read_text()
    (copy / "settings.yaml").write_text(text.replace("parent: rule", "parent: {kind: llm, store: answers/b.sqlite}"))
    assert export_run(copy, tmp_path / "out") == ["env.arguments.parent.store=answers/b.sqlite"]
    assert "None: the run had not ended" in (tmp_path / "out" / "README.md").read_text()


def test_what_cannot_be_exported_is_told_in_words(finished: Path, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not empty"):
        export_run(finished, exported)
    copy = tmp_path / "run"
    copy.mkdir()
    (copy / "settings.yaml").write_bytes((finished / "settings.yaml").read_bytes())
    with pytest.raises(InputError, match="only a run that ended or was interrupted"):
        export_run(copy, tmp_path / "out")
    (copy / "policy.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be read"):
        export_run(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_markup_in_a_verdict_is_text_on_the_card(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("settings.yaml", "policy.safetensors"):
        (copy / name).write_bytes((finished / name).read_bytes())
    (copy / "verdict.json").write_text('{"criteria": [{"statement": "a | `b`\\n# <script>", "passed": [1]}]}')
    export_run(copy, tmp_path / "out")
    assert "| a \\| \\`b\\` # &lt;script&gt; | - |" in (tmp_path / "out" / "README.md").read_text()
