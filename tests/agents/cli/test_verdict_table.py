import io

from rich.console import Console

from wmil_agents.cli.verdict_table import verdict_table
from wmil_agents.runs.verdict import Criterion, Verdict

CRITERIA = (
    Criterion("success above chance (0.0625)", 0.98765, 0.3125, 0.0625, 1.0, True, "97.5% of policies [sic] " * 8),
    Criterion("success above 50% by step 10,000,000", 0.5, 0.5, 0.0625, 1.0, False, "never above it"),
    Criterion("return of at least 475,000", 123_456.7, 475_000.0, -12.34, None, None, ""),
)


def shown(*criteria: Criterion, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(verdict_table(Verdict(criteria)))
    return file.getvalue()


def test_no_figure_is_cut_at_80_columns() -> None:
    text = shown(*CRITERIA)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        ["1 success above chance (0.0625)", "0.9877", "0.3125", "0.0625", "1.000", "passed"],
        ["10,000,000", "0.5000", "0.5000", "0.0625", "1.000", "failed"],
        ["3 return of at least 475,000", "123,457", "475,000", "-12.34", "-", "not judged"],
    ):
        assert any(all(word in line for word in words) for line in text.splitlines()), words


def test_notes_are_lines_under_the_table() -> None:
    _, below = shown(*CRITERIA).split("not judged")
    lines = [line.rstrip() for line in below.splitlines() if line.strip()]
    assert lines[0].startswith("1 97.5% of policies [sic] 97.5%")
    assert lines[-1] == "2 never above it"
