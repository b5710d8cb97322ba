import base64
import hashlib
import json
import math
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from wmil_agents.plots.style import ARMS, ARMS_ON_DARK
from wmil_agents.reports.report import write_report
from wmil_agents.runs.input_error import InputError

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
SECTIONS = ("Outcome", "Learning curves", "World model, attribute by attribute", "Reward components")


def page_of(folders: list[Path], tmp_path: Path) -> str:
    out = tmp_path / "report.html"
    write_report(folders, out)
    return out.read_text(encoding="utf-8")


def drawings(page: str) -> list[ElementTree.Element]:
    """The charts, parsed: each is well formed."""
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg .*?</svg>", page, re.DOTALL) if "role=" in text]


@pytest.fixture
def two_arms(make_run: Any) -> list[Path]:
    return [
        make_run(f"{name}-{seed}", *overrides, seed=seed)
        for name, overrides in (("full", ()), ("taught", ("agent=kl_distill",)))
        for seed in range(7)
    ]


def test_a_single_run_shows_its_verdict_its_curves_and_its_settings(make_run: Any, tmp_path: Path) -> None:
    page = page_of([make_run("one")], tmp_path)
    assert "<title>mvp - WMIL report</title>" in page
    for words in (
        *SECTIONS,
        "Verdict",
        "Success by level",
        "Every setting",
        "success above chance (0.125)",
        "✓ passed",
    ):
        assert words in page
    assert "policy.width" in page
    assert "wmil train mvp" in page
    assert "Not recorded in these runs" in page
    assert "episodes.attention=true" in page


def test_arms_are_compared_side_by_side_with_marks_and_intervals(two_arms: list[Path], tmp_path: Path) -> None:
    page = page_of(two_arms, tmp_path)
    assert "2 arms" in page
    assert "14 runs" in page
    assert "<bdi>mvp:agent=kl_distill</bdi>" in page
    assert '<span class="chip mark">uses a teacher</span>' in page
    assert "so it is no result of learning from rewards alone" in page
    assert "against mvp" in page
    assert re.search(r"(better|worse) by 0\.\d+ \[|no difference shown", page)
    assert 'class="band c1"' in page


@pytest.mark.parametrize(
    ("overrides", "columns", "reason"),
    [
        (["env.arguments.horizon=2"], {}, "their episodes have 2 and 1 steps"),
        (["policy.width=16"], {"success_ceiling": 0.5}, "what is best possible differs between them"),
        (["policy.width=16"], {"n_points": 20}, "their runs are of different lengths"),
        (["env.id=WMIL/Conditional-v0"], {}, "they are of different environments"),
    ],
)
def test_what_cannot_be_compared_is_not(
    make_run: Any, tmp_path: Path, overrides: list[str], columns: dict[str, Any], reason: str
) -> None:
    runs = [make_run("a", seed=0), make_run("b", seed=1)]
    runs += [make_run(f"other-{seed}", *overrides, seed=seed, **columns) for seed in range(2)]
    assert f"not compared: {reason}" in page_of(runs, tmp_path)


def test_the_same_runs_give_the_same_bytes(two_arms: list[Path], tmp_path: Path) -> None:
    assert page_of(two_arms, tmp_path) == page_of(two_arms, tmp_path)


def test_the_policy_allows_the_style_sheet_and_nothing_else(make_run: Any, tmp_path: Path) -> None:
    page = page_of([make_run("one")], tmp_path)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'content="{policy.replace(chr(39), "&#x27;")}"' in page
    for forbidden in ("<script", "<link", "<img", "<iframe", " style=", " href=", " src=", "url(", "@import", "http:"):
        assert forbidden not in page


def test_every_drawing_says_what_it_shows_and_has_its_numbers_beside_it(two_arms: list[Path], tmp_path: Path) -> None:
    page = page_of(two_arms, tmp_path)
    charts = drawings(page)
    assert len(charts) == 11
    for chart in charts:
        title, description = chart[0], chart[1]
        assert (title.tag, description.tag) == ("title", "desc")
        assert title.text
        assert chart.attrib["aria-label"] == f"{title.text}. {description.text}"
    assert page.count("<figure>") == page.count("<summary>Numbers") == len(charts)


def test_lines_are_drawn_where_their_numbers_are(make_run: Any, tmp_path: Path) -> None:
    page = page_of([make_run("one", success=np.linspace(0.0, 1.0, 30), n_points=30)], tmp_path)
    (success,) = [chart for chart in drawings(page) if chart[0].text == "Success"]
    (line,) = [part for part in success.iter("path") if part.attrib["class"].startswith("line")]
    points = [tuple(map(float, point.split(","))) for point in line.attrib["d"].lstrip("M").split("L")]
    assert points[0] == (50.0, 220.0)  # the corner of the axes: step 0, success 0
    assert points[-1][0] == 428.0
    assert points[-1][1] == pytest.approx(220.0 - 204.0 / 1.08, abs=0.06)


def test_planted_markup_is_inert(make_run: Any, tmp_path: Path) -> None:
    run = make_run("evil", **{f"world_model_skill/{EVIL}": np.linspace(0, 1, 30)})
    settings = (run / "settings.yaml").read_text()
    (run / "settings.yaml").write_text(settings.replace("n_symbols: 8", f"n_symbols: {json.dumps(EVIL)}"))
    verdict = json.loads((run / "verdict.json").read_text())
    verdict["criteria"][0] |= {"statement": EVIL, "note": EVIL, "passed": [EVIL], "value": EVIL}
    (run / "verdict.json").write_text(json.dumps({**verdict, "reached": EVIL}))
    (run / "versions.json").write_text(json.dumps({"command": EVIL, "torch": [EVIL], "git": {"commit": EVIL}}))
    levels = {"trained": EVIL, "levels": [{"name": EVIL, "success": {"value": 0.5}, "oracle": EVIL}, EVIL]}
    (run / "levels.json").write_text(json.dumps(levels))
    (run / "parent.json").write_text(json.dumps({"kind": EVIL, EVIL: EVIL, "cells": {EVIL: 1}}))
    evil = run.rename(run.with_name("<b onclick=x>&amp;"))
    page = page_of([evil], tmp_path)
    assert page.count("&lt;script&gt;") > 10
    for planted in ("<script", "<img", "<b onclick"):
        assert planted not in page
    assert drawings(page)


def test_documents_that_hold_something_else_are_shown_as_far_as_they_go(make_run: Any, tmp_path: Path) -> None:
    run = make_run("odd")
    for name in ("verdict.json", "levels.json", "versions.json", "parent.json"):
        (run / name).write_text('{"criteria": 3, "levels": {"a": 1}, "git": 7, "trained": null}')
    assert "Learning curves" in page_of([run], tmp_path)
    (run / "verdict.json").write_text("[1]")
    with pytest.raises(InputError, match="holds no object"):
        page_of([run], tmp_path)


def test_a_run_that_has_just_begun_says_what_is_not_there_yet(make_run: Any, tmp_path: Path) -> None:
    run = make_run("young")
    for name in ("metrics.csv", "verdict.json", "levels.json", "train/progress.csv", "versions.json"):
        (run / name).unlink()
    page = page_of([run], tmp_path)
    for words in ("this run has not ended", "no evaluation was recorded", "Every setting"):
        assert words in page
    assert "<figure>" not in page


def test_estimates_keep_their_interval(make_run: Any, tmp_path: Path) -> None:
    estimated = {"return": 20.0, "return_low": 10.0, "return_high": 30.0}
    page = page_of([make_run("one", success=math.nan, **estimated)], tmp_path)
    assert "95 % interval 10.00 to 30.00" in page
    assert 'class="band c0"' in page


def test_the_parent_that_is_a_model_is_shown_with_sources_and_costs(make_run: Any, tmp_path: Path) -> None:
    run = make_run("asked")
    parent = {"kind": "llm", "provider": "openai", "model": "m-1", "cells": {"live": 60, "cache": 4}}
    parent |= {"fallback_share": 0.0, "spent": {"calls": 8, "dollars": 0.125}}
    (run / "parent.json").write_text(json.dumps(parent))
    page = page_of([run], tmp_path)
    for words in (">Parent<", "m-1", "verdicts on pairs, by source: live", "calls of the store so far", "0.1250"):
        assert words in page


def test_a_folder_of_runs_stands_for_the_runs_in_it(two_arms: list[Path], tmp_path: Path) -> None:
    assert page_of([two_arms[0].parent], tmp_path) == page_of(sorted(two_arms), tmp_path)
    with pytest.raises(InputError, match="is not the folder of a run, nor one of runs"):
        page_of([tmp_path / "nothing"], tmp_path)


def test_a_report_that_cannot_be_written_is_told(make_run: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        write_report([make_run("one")], tmp_path)


def test_twenty_runs_of_a_thousand_evaluations_are_small_and_read_without_torch(make_run: Any, tmp_path: Path) -> None:
    for arm in range(4):
        for seed in range(5):
            make_run(f"{arm}-{seed}", f"policy.width={8 * (arm + 1)}", seed=seed, n_points=1_000)
    program = (
        "import sys; from pathlib import Path; from wmil_agents.reports.report import write_report; "
        "write_report([Path('runs')], Path('report.html')); sys.exit('torch' in sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (tmp_path / "report.html").stat().st_size <= 1_000_000
    assert after.ru_utime - before.ru_utime < 6.0, "at most 3 s, says `python -m benchmarks.speed.reports`"


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_lines_and_words_can_be_seen_on_both_pages() -> None:
    sheet = (Path(sys.modules["wmil_agents.reports.report"].__file__ or "").parent / "report.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", sheet, re.S)
    )
    for colours, arms in ((light, ARMS), (dark, ARMS_ON_DARK)):
        assert all(contrast(arm, colours["paper"]) >= 3.0 for arm in arms)
        for ink in ("ink", "soft"):
            assert contrast(colours[ink], colours["paper"]) >= 4.5
            assert contrast(colours[ink], colours["page"]) >= 4.5
        for kind in ("good", "bad", "open", "mark"):
            assert contrast(colours[kind], colours[f"{kind}-back"]) >= 4.5
