"""The model card of an exported run: README.md with the header that model hubs read."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.runs.recorded_run import RecordedRun
from wmil_agents.runs.run_files import LEVELS, METRICS, POLICY, SETTINGS, VERDICT

_ANSWERS = {True: "passed", False: "failed", None: "not judged"}
_METRICS = {"return": "mean_reward", "success": "success_rate"}


def model_card(run: RecordedRun, n_parameters: int, picture: str | None) -> str:
    """The card as Markdown.

    Args:
        run: that has ended, or was stopped.
        n_parameters: numbers in its weights.
        picture: the file of its learning curve, if there is one.
    """
    settings = run.settings
    parts = [
        f"---\n{yaml.safe_dump(_header(run), sort_keys=False, allow_unicode=True)}---",
        f"# {settings.name}",
        _what_it_is(run, n_parameters),
        "## Verdict",
        _verdict(run),
        *([f"![The learning curve, beside floor and ceiling]({picture})"] if picture else []),
        *_levels(run),
        "## What it is for",
        "Research into what helps a tiny transformer learn, and by how much. It answers the questions of the one "
        "environment above and of no other; it is no assistant and knows no language. Outside of the levels it was "
        "trained at, what it does is measured at most, not trained.",
        "## How to load it",
        _how_to_load(settings.env.id),
        "## Files",
        "\n".join(f"- `{name}`: {what}" for name, what in _FILES.items()),
    ]
    return "\n\n".join(parts) + "\n"


_FILES = {
    POLICY: "the weights, heads included; safetensors, which cannot run code",
    SETTINGS: "every setting: `wmil train settings.yaml` repeats the run",
    METRICS: "every evaluation, with its floors and ceilings",
    VERDICT: "the criteria above",
    LEVELS: "what the policy does at every level, where that could be computed",
}


def _header(run: RecordedRun) -> dict[str, Any]:
    """What hubs index: tags, and the last evaluation as a result."""
    settings = run.settings
    results = [
        {"type": kind, "name": f"{column}, {_how(run)}", "value": value, "verified": False}
        for column, kind in _METRICS.items()
        if math.isfinite(value := _last(run, column))
    ]
    header: dict[str, Any] = {
        "library_name": "wmil-agents",
        "pipeline_tag": "reinforcement-learning",
        "tags": ["reinforcement-learning", "stable-baselines3", "wmil", settings.env.id.rpartition(":")[2]],
    }
    if results:
        environment = {"type": settings.env.id, "name": settings.env.id}
        task = {"type": "reinforcement-learning", "name": "reinforcement learning"}
        result = {"task": task, "dataset": environment, "metrics": results}
        header["model-index"] = [{"name": settings.name, "results": [result]}]
    return header


def _what_it_is(run: RecordedRun, n_parameters: int) -> str:
    settings = run.settings
    text = (
        f"A transformer of {settings.policy.n_layers} layers of width {settings.policy.width} ({n_parameters:,} "
        f"numbers), randomly initialised and trained by {settings.learner.algorithm} on {_plain(settings.env.id)} for "
        f"{run.last_step:,} steps with the seed {settings.seed}."
    )
    if run.mark:
        text += f" **It {run.mark}**: it is no result of learning from the rewards of its own actions alone."
    if settings.agent != "learner" or settings.ablation != "none":
        text += f" Agent: `{settings.agent}`, ablation: `{settings.ablation}`."
    return text


def _verdict(run: RecordedRun) -> str:
    if run.verdict is None:
        return "None: the run had not ended when it was exported."
    rows = [
        (
            str(criterion.get("statement")),
            *(_figure(criterion.get(name)) for name in ("value", "threshold", "floor", "ceiling")),
            _ANSWERS.get(criterion.get("passed") if isinstance(criterion.get("passed"), bool) else None, ""),
        )
        for criterion in run.criteria
    ]
    reached = "All criteria that can be judged are passed." if run.verdict.get("reached") is True else "Not reached."
    return f"{reached}\n\n{_table(('criterion', 'value', 'held against', 'floor', 'ceiling', ''), rows)}"


def _levels(run: RecordedRun) -> Iterator[str]:
    found = (run.levels or {}).get("levels")
    rows = [
        (
            str(level.get("name")),
            _quantity(level, "success"),
            _quantity(level.get("oracle"), "random_success"),
            _quantity(level, "success_ceiling"),
        )
        for level in (found if isinstance(found, list) else [])
        if isinstance(level, dict)
    ]
    if rows:
        yield "## Success by level"
        yield _table(("level", "success", "chance", "best possible"), rows)


def _how_to_load(id: str) -> str:
    known = "" if id.rpartition(":")[2].startswith("WMIL/") else "\nThe environment has to be installed, too.\n"
    return f"""\
`pip install wmil-agents`, then, in this folder:
{known}
```python
from pathlib import Path

from wmil_agents.runs.run_folder import load_run

experiment = load_run(Path("."))
print(experiment.evaluate())

env = experiment.evaluation_env
actions, _ = experiment.model.predict(env.reset(), deterministic=True)
print(actions)
```

From a hub: `load_run(Path(huggingface_hub.snapshot_download("OWNER/NAME")))`. No file is executed."""


def _how(run: RecordedRun) -> str:
    episodes = _last(run, "episodes")
    return "exact" if math.isnan(episodes) else f"{episodes:.0f} episodes"


def _last(run: RecordedRun, column: str) -> float:
    values = run.metrics.get(column)
    return values[-1] if values else math.nan


def _quantity(document: object, name: str) -> str:
    inner = document.get(name) if isinstance(document, dict) else None
    return _figure(inner.get("value") if isinstance(inner, dict) else None)


def _figure(value: object) -> str:
    return figure_text(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else "-"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        headings,
        ["---"] * len(headings),
        *([cell if "`" in cell[:1] else _plain(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that a Markdown table takes as it is."""
    flat = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{letter}" if letter in "|`*_[]\\" else letter for letter in flat)
