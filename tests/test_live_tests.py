"""The tests of a real model are there when one is named, and hold for the stand-in; otherwise there are none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from wmil_envs.fake_llm.server import FakeLLM

ROOT = Path(__file__).parents[1]
NO_TESTS = 5


def live_tests(**variables: str) -> subprocess.CompletedProcess[str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("WMIL_LIVE", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/live"]
    return subprocess.run(
        command, cwd=ROOT, env={**others, **variables}, capture_output=True, text=True, check=False, timeout=100
    )


def test_without_a_model_there_are_none_and_none_is_skipped() -> None:
    result = live_tests()
    assert result.returncode == NO_TESTS, result.stdout
    assert "skipped" not in result.stdout


def test_with_a_model_they_ask_it_and_show_the_judge_card() -> None:
    with FakeLLM(wrong_rate=0.2) as server:
        result = live_tests(
            WMIL_LIVE_PROVIDER="anthropic",
            WMIL_LIVE_MODEL="some-model",
            WMIL_LIVE_BASE_URL=server.base_url("anthropic"),
        )
    assert result.returncode == 0, result.stdout
    assert '"answered_by": {\n  "fake-llm": 4\n }' in result.stdout
    assert "the model gives" in result.stdout
    assert set(server.asked.values()) == {1}
