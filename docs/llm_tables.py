"""The tables of the page on language models as parents: settings, faults and costs, from where each is decided."""

import ast
import re
import tempfile
from pathlib import Path

from wmil_agents.cli.parent_settings import parent_settings
from wmil_envs.llm.settings import BudgetSettings, LLMSettings
from wmil_envs.recordings.estimate import estimate
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho
from wmil_envs.tasks.sequence_next import SequenceNext

ROOT = Path(__file__).parents[1]
MATRIX = ROOT / "tests/envs/llm/test_fault_matrix.py"
PRICES = {"input_price": 1.0, "output_price": 5.0}
TASKS = {
    "PatternEcho, 8 symbols": PatternEcho(n_symbols=8),
    "PatternEcho, 16 symbols": PatternEcho(n_symbols=16),
    "PatternEcho, 64 symbols": PatternEcho(n_symbols=64),
    "Conditional": Conditional(),
    "SequenceNext": SequenceNext(),
}
TIMES = {"1": "once", "3": "three times", "ALWAYS": "every time"}


def write_llm_tables(folder: Path) -> None:
    """Write the tables, and leave alone those that have not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("llm_settings.md", settings_table()),
        ("llm_faults.md", fault_table()),
        ("llm_costs.md", cost_table()),
    ):
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def settings_table() -> str:
    """Every setting of a parent, in the words that stand under its declaration."""
    rows = [
        (
            f"`{one.name}`",
            one.kind.replace("|", ", "),
            one.default if one.default == "needed" else f"`{one.default}`",
            one.sentence,
        )
        for one in parent_settings()
    ]
    return table(("setting", "is", "default", ""), rows)


def fault_table() -> str:
    """What the tests hold every fault to, from the tests' own table."""
    lines = (
        MATRIX.read_text(encoding="utf-8").partition("# table begins\n")[2].partition("# table ends")[0].splitlines()
    )
    rows = []
    for line in lines:
        if line.strip().startswith("#"):
            rows.append((f"*{line.strip().lstrip('# ')}*", "", "", "", ""))
        elif found := re.fullmatch(r"\s+(Row\(.*\)),", line):
            call = ast.parse(found[1], mode="eval").body
            assert isinstance(call, ast.Call)
            fault, times, outcome, calls, *says = map(ast.unparse, call.args)
            words = ast.literal_eval(says[0]) if says else ""
            rows.append((f"`{ast.literal_eval(fault)}`", TIMES[times], f"`{outcome}`", calls, words))
    assert len(rows) > 30, f"the table in {MATRIX} has another form"
    return table(("fault", "met", "the question ends as", "calls", "and the error says"), rows)


def cost_table() -> str:
    """What asking for whole tables takes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, task in TASKS.items():
            for ask_by in ("instance", "action"):
                settings = LLMSettings(
                    provider="openai",
                    model="model",
                    duties=("judge",),
                    ask_by=ask_by,
                    store=f"{folder}/none.sqlite",
                    budget=BudgetSettings(**PRICES),
                )
                takes = estimate(task, settings)
                assert takes.dollars is not None
                tokens = f"{takes.input_tokens:,}", f"{takes.output_tokens:,}"
                rows.append((name, ask_by, f"{takes.calls:,}", f"{takes.canaries}", *tokens, f"${takes.dollars:.3f}"))
    return table(("world", "`ask_by`", "calls", "of them canaries", "input tokens", "output tokens", "dollars"), rows)


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (headings, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(headings), *lines[1:]]) + "\n"
