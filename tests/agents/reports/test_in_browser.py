from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import PROGRAM, Browser
from wmil_agents.reports.report import write_report

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed, so no page is opened in one")

EVIL = "<script>window.planted = 1</script><img src=//example.invalid/x onerror='window.planted = 2'>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def page(make_run: Any, tmp_path: Path) -> Path:
    for seed in range(3):
        make_run(f"full-{seed}", seed=seed)
        evil = make_run(f"narrow-{seed}", "policy.width=8", "env.arguments={n_symbols: x}", seed=seed)
        settings = evil / "settings.yaml"
        settings.write_text(settings.read_text().replace("n_symbols: x", f'n_symbols: "{EVIL}"'))
    write_report([tmp_path / "runs"], tmp_path / "report.html")
    return tmp_path / "report.html"


@pytest.mark.parametrize("dark", [False, True])
def test_a_report_opens_without_a_request_a_complaint_or_a_script(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, dark=dark)
    assert browser.ask("document.title") == "mvp - WMIL report"
    assert browser.ask("document.querySelectorAll('figure svg').length") == 11
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.ask("window.planted === undefined && document.scripts.length === 0 && document.images.length === 0")
    assert EVIL in browser.ask("document.body.textContent"), "what was planted is shown as text"
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(17, 20, 24)" if dark else "rgb(246, 246, 243)"), "the style sheet is let through"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_has_to_be_scrolled_sideways(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    browser.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('figure svg')].some(one => one.getBoundingClientRect().right > innerWidth)"
    assert not browser.ask(wide)


@pytest.mark.parametrize("width", [768, 1280])
def test_tables_with_long_names_stay_inside_their_sections(
    browser: Browser, make_run: Any, tmp_path: Path, width: int
) -> None:
    make_run("plain")
    for steps in (20, 25):
        longer = [f"total_steps={steps}", "policy.width=32", "evaluation.interval=5", "learner.arguments.gamma=0.5"]
        make_run(f"other-{steps}", *longer, n_points=20)
    write_report([tmp_path / "runs"], tmp_path / "report.html")
    browser.open(tmp_path / "report.html", width=width)
    assert browser.ask("[...document.querySelectorAll('#settings bdi, #settings th')].length") > 3
    sticks_out = "one.getBoundingClientRect().right > one.closest('section').getBoundingClientRect().right - 5"
    assert browser.ask(f"[...document.querySelectorAll('section > table')].filter(one => {sticks_out}).length") == 0


def test_on_paper_the_settings_are_shown_and_long_tables_are_not(browser: Browser, page: Path) -> None:
    browser.open(page)
    if not browser.ask("CSS.supports('selector(::details-content)')"):
        pytest.skip("this browser prints no closed details")
    browser.call("Emulation.setEmulatedMedia", media="print")
    heights = "[...document.querySelectorAll('{} table')].map(one => one.getBoundingClientRect().height)"
    assert min(browser.ask(heights.format("#settings details"))) > 20
    assert set(browser.ask(heights.format("figure details"))) == {0}


def test_what_was_planted_would_run_without_escaping(browser: Browser, tmp_path: Path) -> None:
    bare = tmp_path / "bare.html"
    bare.write_text(f"<!DOCTYPE html><title>bare</title>{EVIL}")
    browser.open(bare)
    assert browser.ask("window.planted") is not None
    assert len(browser.requests()) > 1
