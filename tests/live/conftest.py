"""A real model, where the environment names one; otherwise there are no tests here, and none that is skipped.

`docs/llm_parents.md` lists the variables.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from wmil_envs.llm.settings import LLMSettings

_IS_NAMED = bool(os.environ.get("WMIL_LIVE_PROVIDER") and os.environ.get("WMIL_LIVE_MODEL"))
_CALLS = "40"

collect_ignore_glob = [] if _IS_NAMED else ["test_*.py"]


@pytest.fixture(scope="session")
def live_settings(tmp_path_factory: pytest.TempPathFactory) -> LLMSettings:
    """The model's settings, with one store and one budget for all tests."""
    plain: dict[str, Any] = {
        "provider": os.environ["WMIL_LIVE_PROVIDER"],
        "model": os.environ["WMIL_LIVE_MODEL"],
        "base_url": os.environ.get("WMIL_LIVE_BASE_URL") or None,
        "api_key_env": os.environ.get("WMIL_LIVE_KEY_ENV") or None,
        "store": str(tmp_path_factory.mktemp("live") / "verdicts.sqlite"),
        "budget": {"calls": int(os.environ.get("WMIL_LIVE_CALLS") or _CALLS)},
        "deadline": 120.0,
    }
    return LLMSettings.from_dict(plain)


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Any:
    """Prints past pytest's capture: the figures are what these tests are run for."""

    def print_past(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return print_past
