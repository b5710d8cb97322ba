"""The tables of the page on language models hold all that the code and the tests say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("llm_tables", ROOT / "docs" / "llm_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_fault_that_is_tested_is_listed(tables: ModuleType) -> None:
    n_tested = (ROOT / "tests/envs/llm/test_fault_matrix.py").read_text(encoding="utf-8").count("\n    Row(")
    listed = [line for line in tables.fault_table().splitlines() if line.startswith("| `")]
    assert len(listed) == n_tested > 30
    assert "| `429 500` | every time | `ProviderFault` | 1 | asks to wait 500 s" in tables.fault_table()


def test_costs_are_the_estimates(tables: ModuleType) -> None:
    assert "| PatternEcho, 8 symbols | instance | 13 | 5 |" in tables.cost_table()
    assert "| PatternEcho, 8 symbols | action | 69 | 5 |" in tables.cost_table()


def test_settings_are_listed_with_their_defaults(tables: ModuleType) -> None:
    assert "| `budget.calls` | whole number, null | `0` |" in tables.settings_table()
    assert "| `provider` | openai, anthropic | needed |" in tables.settings_table()
