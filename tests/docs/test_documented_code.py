"""The Python blocks of the pages do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "packages").glob("*/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """(place, program) of each block."""
    return [
        (f"{page.relative_to(ROOT)}-{number}", program)
        for page in PAGES
        if page.is_file()
        for number, program in enumerate(PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("program", [pytest.param(program, id=place) for place, program in blocks()])
def test_a_block_runs_by_itself(program: str, tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_there_are_blocks() -> None:
    places = {place.rpartition("-")[0] for place, _ in blocks()}
    assert {"docs/getting_started.md", "packages/wmil-envs/README.md", "packages/wmil-agents/README.md"} <= places
