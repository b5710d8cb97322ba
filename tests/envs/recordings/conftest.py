"""A model that answers by the rule, with some verdicts wrong, and no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wmil_envs.fake_llm.rule_answers import chance, rule_answer
from wmil_envs.llm.asker import Asker
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.errors import Refused
from wmil_envs.llm.provider import Completion, Prompt
from wmil_envs.llm.questions import Questions, content_of
from wmil_envs.llm.settings import BudgetSettings, LLMSettings
from wmil_envs.llm.store import Store
from wmil_envs.recordings.fill import Filled, fill
from wmil_envs.task import Task


class RuleModel:
    """A provider that follows the rule, errs in some cells and refuses some questions."""

    def __init__(self, wrong_rate: float, refused_rate: float) -> None:
        self.wrong_rate, self.refused_rate = wrong_rate, refused_rate

    def prepare(self) -> None:
        """There is no client."""

    def complete(self, prompt: Prompt, seconds: float) -> Completion:
        content = content_of(prompt.user)
        if chance(1, content["task"], content.get("row")) < self.refused_rate:
            raise Refused("the model declined")
        text = json.dumps(rule_answer(content, self.wrong_rate))
        return Completion(text, "complete", "model-that-answered", 100, 20)


@pytest.fixture
def settings(tmp_path: Path) -> LLMSettings:
    budget = BudgetSettings(calls=None, input_price=1.0, output_price=5.0)
    return LLMSettings(
        provider="openai", model="model-asked", store=str(tmp_path / "store.sqlite"), budget=budget, canary_every=0
    )


@pytest.fixture
def fill_by_rule() -> Callable[..., Filled]:
    """Fills the table of a task with the answers of a model that follows the rule, but for these shares of them."""

    def filled(
        task: Task, settings: LLMSettings, wrong_rate: float = 0.0, refused_rate: float = 0.0, progress: Any = None
    ) -> Filled:
        store, model = Store(settings.store), RuleModel(wrong_rate, refused_rate)
        asker = Asker(settings, Questions(task, settings), store, Budget(settings.budget, store), model)
        return fill(task, settings, progress=progress, asker=asker)

    return filled
