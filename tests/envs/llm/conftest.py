"""What the tests of language-model parents share: the whole way from a question to the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wmil_envs.llm.asker import Asker
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.questions import Questions
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.llm.store import Store
from wmil_envs.task import Task
from wmil_envs.tasks.pattern_echo import PatternEcho

MakeAsker = Callable[..., Asker]
KEY_VARIABLE = "WMIL_TEST_KEY"
SENTINEL = "sk-sentinel-4f1c9a7be2d84c55"


@pytest.fixture(params=["openai", "anthropic"])
def provider_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sentinel(monkeypatch: pytest.MonkeyPatch) -> str:
    """An API key that must be found nowhere."""
    monkeypatch.setenv(KEY_VARIABLE, SENTINEL)
    return SENTINEL


@pytest.fixture
def make_asker(tmp_path: Path) -> MakeAsker:
    """Builds askers that share a store."""

    def make(base_url: str, task: Task | None = None, scripted: Any = None, **given: Any) -> Asker:
        further = {name: given.pop(name) for name in ("clock", "sleep") if name in given}
        plain = {"provider": "openai", "model": "some-model", "store": str(tmp_path / "store.sqlite"), **given}
        plain.setdefault("canary_every", 0)
        plain["budget"] = {"calls": 1_000, **plain.get("budget", {})}
        settings = LLMSettings.from_dict({**plain, "base_url": base_url})
        store = Store(settings.store)
        questions = Questions(task or PatternEcho(), settings)
        return Asker(settings, questions, store, Budget(settings.budget, store), scripted, **further)

    return make
