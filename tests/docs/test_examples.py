"""The programs in docs/examples run, and each is shown in a page."""

from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
LONG = {"analysis.py", "auxiliary_loss.py", "llm_parent.py"}
"""They train for many seconds, and what they show has quick tests of its own."""
RUN = [pytest.param(path, marks=pytest.mark.slow) if path.name in LONG else path for path in EXAMPLES]


@pytest.mark.parametrize("example", RUN, ids=lambda path: path.name)
def test_an_example_runs(example: Path, fork_server: Any, tmp_path: Path) -> None:
    result = fork_server.run(example, folder=tmp_path, warnings_are_errors=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_shown(example: Path) -> None:
    assert f"examples/{example.name}" in (DOCS / "examples.md").read_text(encoding="utf-8")
