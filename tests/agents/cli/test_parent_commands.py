"""The commands about parents, from an empty folder to a trained policy, against the stand-in for a model."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from wmil_agents.cli.fill_display import FillDisplay
from wmil_agents.cli.main import app
from wmil_agents.cli.parent_settings import parent_settings
from wmil_envs.fake_llm.server import FakeLLM
from wmil_envs.llm.settings import BudgetSettings, LLMSettings

RUNNER = CliRunner()
SENTINEL = "sk-sentinel-93ab5c0d"
SHORT = ["--set", "total_steps=160", "--set", "evaluation.interval=40", "--set", "policy.width=16"]
NOBODY = "http://127.0.0.1:9/v1"


def wmil(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, each on one line."""
    result = RUNNER.invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.stdout.split()), " ".join(result.stderr.split())


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WMIL_TEST_KEY", SENTINEL)
    return tmp_path


@pytest.fixture
def server() -> Iterator[FakeLLM]:
    with FakeLLM() as started:
        yield started


def asking(server: FakeLLM | str, **more: Any) -> str:
    """The text of a parent."""
    base_url = server if isinstance(server, str) else server.base_url("openai")
    plain = {"kind": "llm", "provider": "openai", "model": "m", "base_url": base_url, "api_key_env": "WMIL_TEST_KEY"}
    return json.dumps({**plain, "duties": ["judge"], "budget": {"calls": 100}, **more})


def test_from_nothing_to_a_frozen_file_everything_is_asked_once(in_tmp: Path) -> None:
    with FakeLLM(wrong_rate=0.05) as server:
        Path("parent.json").write_text(asking(server))
        parent = ["PatternEcho", "--set", "n_symbols=16", "--parent", "parent.json"]

        code, said, _ = wmil("parent", "fill", *parent, "--dry-run", "--max-calls", "9")
        assert code == 0
        assert "16, 0 of them answered, 16 to be asked calls 21, 5 of them canaries" in said
        assert "calls 9 (0 spent)" in said
        assert "--max-calls 21 is enough" in said
        assert [path.name for path in in_tmp.iterdir()] == ["parent.json"]
        assert not server.requests

        code, said, _ = wmil("parent", "fill", *parent)
        assert code == 0
        assert "16 questions: 16 asked now, 0 answered before, 0 without an answer" in said
        assert wmil("parent", "fill", *parent)[1].count("0 asked now, 16 answered before") == 1
        assert (server.counts["judge"], server.counts["canary"]) == (16, 5)

        code, audited, _ = wmil("parent", "audit", *parent, "--most", "2")
        assert code == 0
        assert "16 of 16 states are judged in full" in audited
        assert "The right answer is the symbol shown. For the answer" in audited
        assert "more disagreements: --most" in audited

        code, said, _ = wmil("parent", "freeze", *parent, "--out", "scores.json")
        assert code == 0
        for words in ("Judge card", "fake-llm (16)", "judge: model", "16 of 16 questions", "5 asked, 0 given marks"):
            assert words in said
    assert "kappa 0." in said
    assert wmil("parent", "audit", *parent[:3], "--frozen", "scores.json", "--most", "2")[1] == audited

    assert wmil("parent", "export", "wmil-parent.sqlite", "a.jsonl")[1] == "16 answers are in a.jsonl"
    assert wmil("parent", "import", "b.sqlite", "a.jsonl")[1] == "16 answers are new in b.sqlite, 0 were known"
    assert wmil("parent", "import", "b.sqlite", "a.jsonl")[1] == "0 answers are new in b.sqlite, 16 were known"
    wmil("parent", "export", "b.sqlite", "b.jsonl")
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()
    code, said, _ = wmil("parent", "spent", "wmil-parent.sqlite")
    assert said.startswith("spent so far, over all runs with this store: 21 calls")
    assert said.endswith("16 answers; 5 canaries asked, 0 given marks")
    assert SENTINEL.encode() not in b"".join(path.read_bytes() for path in in_tmp.iterdir())


def test_what_an_import_contradicts_stands(in_tmp: Path) -> None:
    for number, wrong_rate in enumerate((0.0, 1.0)):
        with FakeLLM(wrong_rate=wrong_rate) as server:
            parent = asking(server, canary_every=0)
            wmil("parent", "fill", "PatternEcho", "--parent", parent, "--store", f"{number}.sqlite")
        wmil("parent", "export", f"{number}.sqlite", f"{number}.jsonl")
    text = Path("1.jsonl").read_text().replace(_port("1.jsonl"), _port("0.jsonl"))
    Path("1.jsonl").write_text(text)
    code, said, _ = wmil("parent", "import", "0.sqlite", "1.jsonl")
    assert code == 0
    assert "8 others answer questions that the store has answered differently: its own answers stand" in said


def _port(transcript: str) -> str:
    asked_of = json.loads(Path(transcript).read_text().splitlines()[0])["question"]["asked_of"]
    return str(asked_of["base_url"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fill", "PatternEcho", "--parent", "absent.yaml"], "absent.yaml cannot be read: No such file"),
        (["fill", "PatternEcho", "--parent", "parent"], "holds str"),
        (["fill", "PatternEcho", "--parent", "{kind:"], "not valid YAML"),
        (["fill", "PatternEcho", "--parent", "{kind: noisy, flip: 0.1}"], "has kind: llm, not 'noisy'"),
        (["fill", "PatternEcho", "--parent", "{kind: llm, provider: openai}"], "needs model"),
        (["fill", "PatternEcho", "--parent", "{kind: llm, provider: openai, modell: m}"], "did you mean 'model'"),
        (["fill", "PatternEcho", "--parent", "@", "--max-dollars", "1"], "needs input_price and output_price"),
        (["fill", "PatternEcho", "--parent", "@replay"], "the mode 'replay' does not"),
        (["fill", "PaternEcho", "--parent", "@"], "did you mean 'WMIL/PatternEcho-v0'"),
        (["fill", "gymnasium:CartPole-v1", "--parent", "@"], "has no parent"),
        (["fill", "PatternEcho", "--set", "n_symbols=1", "--parent", "@"], "at least 2, not 1"),
        (["fill", "PatternEcho", "--set", "parent=rule", "--parent", "@"], "given by --parent"),
        (["freeze", "PatternEcho", "--parent", "@"], "Missing option '--out'"),
        (["audit", "PatternEcho"], "give --parent or --frozen"),
        (["audit", "PatternEcho", "--frozen", "absent.json"], "cannot read the recorded parent absent.json"),
        (["audit", "PatternEcho", "--parent", "@instances"], "the rule judges, not the model"),
        (["export", "absent.sqlite", "x.jsonl"], "there is no store absent.sqlite"),
        (["import", "x.sqlite", "absent.jsonl"], "imported from absent.jsonl: No such file"),
    ],
)
def test_bad_input_ends_with_2_and_nothing_written(in_tmp: Path, words: list[str], sentence: str) -> None:
    given = {"@": {}, "@replay": {"mode": "replay"}, "@instances": {"duties": ["instances"]}}
    code, _, err = wmil("parent", *(asking(NOBODY, **given[word]) if word in given else word for word in words))
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err
    assert not list(in_tmp.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fill", "PatternEcho", "--parent", "@free"], "no calls are allowed (the default)"),
        (["fill", "PatternEcho", "--parent", "@keyless"], "NOT_SET_ANYWHERE holds no API key"),
        (["fill", "PatternEcho", "--parent", "@", "--store", "no/store.sqlite"], "its folder must exist"),
        (["freeze", "PatternEcho", "--parent", "@", "--out", "x.json"], "`wmil parent fill` asks for them; --partial"),
        (["freeze", "PatternEcho", "--parent", "@", "--out", "x.json", "--partial"], "not one state is complete"),
        (["audit", "PatternEcho", "--parent", "@"], "not one of 8 states has been judged yet"),
    ],
)
def test_a_parent_that_cannot_be_asked_ends_with_3_and_one_sentence(words: list[str], sentence: str) -> None:
    given = {"@": {}, "@free": {"budget": {}}, "@keyless": {"api_key_env": "NOT_SET_ANYWHERE"}}
    code, _, err = wmil("parent", *(asking(NOBODY, **given[word]) if word in given else word for word in words))
    assert code == 3
    assert sentence in err
    assert err.count("wmil:") == 1


def test_what_was_answered_is_kept_and_filling_again_asks_the_rest() -> None:
    faults = [*["ok"] * 5, "refusal", "ok", "refusal"]
    with FakeLLM(faults=faults) as server:
        parent = ["PatternEcho", "--parent", asking(server, budget={"calls": 100, "concurrency": 1})]
        code, said, err = wmil("parent", "fill", *parent)
        assert code == 3
        assert "8 questions: 6 asked now, 0 answered before, 2 without an answer" in said
        assert "wmil: 2 x fake-llm declined to answer" in err
        assert wmil("parent", "freeze", *parent, "--out", "x.json")[0] == 3
        assert wmil("parent", "freeze", *parent, "--out", "x.json", "--partial")[0] == 0
        code, said, _ = wmil("parent", "fill", *parent)
        assert (code, "2 asked now, 6 answered before" in said) == (0, True)


def test_a_budget_that_ends_on_the_way_says_what_is_kept(server: FakeLLM) -> None:
    parent = asking(server, budget={"calls": 8, "concurrency": 1})
    code, said, err = wmil("parent", "fill", "PatternEcho", "--parent", parent)
    assert code == 3
    assert "3 of 8 questions are answered, and kept in wmil-parent.sqlite: filling again asks the others" in said
    assert "8 calls are allowed over all runs" in err
    assert wmil("parent", "fill", "PatternEcho", "--parent", parent, "--max-calls", "50")[0] == 0


def test_a_gullible_judge_is_found_out() -> None:
    with FakeLLM(gullible=True) as server:
        code, said, err = wmil("parent", "fill", "PatternEcho", "--parent", asking(server))
    assert code == 3
    assert "8 without an answer" in said
    assert "because the text of the question asked for them" in err
    assert server.counts["judge"] == 0


def test_an_interruption_ends_with_130_and_says_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wmil_agents.cli.parent_table.fill", interrupted)
    code, _, err = wmil("parent", "fill", "PatternEcho", "--parent", asking(NOBODY))
    assert (code, err) == (130, "wmil: interrupted; 0 of 8 questions are answered")


def test_a_run_keeps_who_judged_and_what_it_cost_but_no_key(server: FakeLLM, in_tmp: Path) -> None:
    code, out, _ = wmil("train", "mvp", "--set", f"env.arguments.parent={asking(server)}", *SHORT, "--out", "run")
    assert code in (0, 1)
    assert "criterion" in out
    told = json.loads(Path("run/parent.json").read_text())
    assert told["cells"] == {"live": 64}
    assert told["spent"]["calls"] == 13
    assert told["card"]["against_the_rule"]["kappa"] == 1.0
    everything = b"".join(path.read_bytes() for path in in_tmp.rglob("*") if path.is_file())
    assert b"WMIL_TEST_KEY" in everything, "the search looks where the parent is written"
    assert SENTINEL.encode() not in everything
    assert wmil("eval", "run")[0] == 0


def test_a_run_that_the_fallback_judged_is_not_judged() -> None:
    parent = asking(NOBODY, on_error="fallback", attempts=1, canary_every=0)
    code, out, _ = wmil("train", "mvp", "--set", f"env.arguments.parent={parent}", *SHORT, "--out", "run")
    assert code == 1
    assert "the fallback judged 100.0% of the answers, and max_fallback_share allows 5.0%" in out


@pytest.mark.parametrize("duties", [["judge"], ["instances", "judge"]])
def test_a_run_whose_parent_fails_ends_with_3(duties: list[str]) -> None:
    parent = asking(NOBODY, budget={}, duties=duties)
    code, _, err = wmil("train", "mvp", "--set", f"env.arguments.parent={parent}", *SHORT, "--out", "run")
    assert code == 3
    assert "no calls are allowed (the default)" in err
    assert err.count("wmil:") == 1
    assert "`wmil resume run`" not in err or Path("run/settings.yaml").is_file()


def test_a_run_whose_budget_is_spent_says_where_it_is_and_goes_on_with_another(server: FakeLLM) -> None:
    def train(calls: int, out: str, **more: Any) -> tuple[int, str, str]:
        parent = asking(server, budget={"calls": calls, "concurrency": 1}, **more)
        words = ["--set", f"env.arguments.parent={parent}", "--set", "checkpoints.interval=8", *SHORT, "--out", out]
        return wmil("train", "mvp", *words)

    code, _, err = train(7, "run")
    assert code == 3
    assert "7 calls are allowed" in err
    assert "The run is in run: `wmil resume run` continues it" in err
    assert wmil("resume", "run")[0] == 3
    code, said, _ = train(100, "run")
    assert code in (0, 1), "what may be spent makes no other run"
    assert "run was interrupted before" in said or "continued from step" in said
    assert "calls: 100" in Path("run/settings.yaml").read_text()
    train(100, "whole", store="other.sqlite")
    assert Path("run/metrics.csv").read_bytes() == Path("whole/metrics.csv").read_bytes()
    code, _, err = train(100, "run", judges_consistency=True)
    assert code == 2
    assert "env.arguments.parent.judges_consistency: not given -> true" in err


def test_the_stand_in_says_how_to_ask_it_and_ends_by_ctrl_c() -> None:
    words = ["fake-llm", "--port", "0", "--fault", "ok"]
    program = f"import sys; from wmil_agents.cli.main import app; sys.argv = ['wmil', *{words}]; app()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(6)]
        parents = [json.loads(line) for line in said if line.strip().startswith("{")]
        assert [parent["provider"] for parent in parents] == ["openai", "anthropic"]
        for parent in parents:
            code, out, _ = wmil("parent", "fill", "PatternEcho", "--parent", json.dumps(parent))
            assert (code, "8 asked now" in out) == (0, True)
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()  # leaving the block waits for it
    assert process.returncode == 130
    assert err == "wmil: ended; it was asked: 10 canary, 16 judge\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--fault", "nothing"], "there is no fault 'nothing'"), (["--wrong-rate", "2"], "less than or equal to 1")],
)
def test_a_stand_in_that_cannot_be_ends_with_2(words: list[str], sentence: str) -> None:
    code, out, err = wmil("fake-llm", "--port", "0", *words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_port_in_use_is_said(server: FakeLLM) -> None:
    code, _, err = wmil("fake-llm", "--port", server.address.rpartition(":")[2])
    assert code == 2
    assert "Address already in use; take another --port" in err


def test_progress_is_told_in_few_lines_outside_a_terminal_and_by_a_bar_inside() -> None:
    plain, terminal = io.StringIO(), io.StringIO()
    for file, is_terminal in ((plain, False), (terminal, True)):
        screen = Console(file=file, force_terminal=is_terminal, width=80, force_interactive=is_terminal)
        with FillDisplay(screen, "what is filled") as display:
            for done in range(0, 1001, 10):
                display(done, 1000)
    assert 10 <= len(plain.getvalue().splitlines()) <= 12
    assert "1,000 of 1,000 questions" in plain.getvalue()
    assert "1000/1000" in terminal.getvalue()


def test_every_setting_of_a_parent_is_in_the_help_with_its_sentence() -> None:
    names = {one.name for one in fields(LLMSettings)} - {"budget"}
    names |= {f"budget.{one.name}" for one in fields(BudgetSettings)}
    assert {one.name for one in parent_settings()} == names
    sentences = {one.name: one.sentence for one in parent_settings()}
    assert sentences["budget.calls"] == "Live calls, canaries and retries included. The default allows none."
    assert len(set(sentences.values())) >= len(sentences) - 2, "each has its own"
    said = wmil("parent", "fill", "--help")[1]
    assert all(f" {one.name} {one.kind} [" in said and one.sentence in said for one in parent_settings())


def test_the_list_of_commands_is_not_cut() -> None:
    assert "..." not in wmil("parent", "--help")[1].partition("Commands:")[2]
