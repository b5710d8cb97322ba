"""The Python blocks of the pages do what they say."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "packages").glob("*/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
LONG = {"README.md-0", "docs/comparisons.md-0", "docs/surgeons.md-0", "docs/surgery_callback.md-0"}
"""They train for many seconds, and what they show has quick tests of its own."""
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """(place, program) of each block."""
    return [
        (f"{page.relative_to(ROOT)}-{number}", program)
        for page in PAGES
        if page.is_file()
        for number, program in enumerate(PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize(
    "program",
    [pytest.param(program, id=place, marks=[pytest.mark.slow] if place in LONG else []) for place, program in blocks()],
)
def test_a_block_runs_by_itself(program: str, fork_server: Any, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(program, encoding="utf-8")
    result = fork_server.run(tmp_path / "block.py", folder=tmp_path)
    assert result.returncode == 0, result.stderr


def test_there_are_blocks() -> None:
    assert {place for place, _ in blocks()} >= LONG
    places = {place.rpartition("-")[0] for place, _ in blocks()}
    assert {"docs/getting_started.md", "packages/wmil-envs/README.md", "packages/wmil-agents/README.md"} <= places
