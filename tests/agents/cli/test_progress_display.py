import io
import math
from dataclasses import replace

from rich.console import Console

from wmil_agents.cli.progress_display import ProgressDisplay, description
from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.runs.evaluation_callback import Progress
from wmil_envs.oracle import Estimated, Exact, Unavailable

NONE = Unavailable("not here")


def progress(step: int, *, is_new: bool = True, tells_success: bool = True, seconds: float = 2.0) -> Progress:
    success = Exact(0.5) if tells_success else NONE
    evaluation = Evaluation(success, Exact(3.0), Exact(1.25), NONE, None, success, Exact(math.log(8)), None)
    return Progress(step, 1_000, seconds, evaluation, is_new)


def shown(steps: list[int], **console: object) -> str:
    file = io.StringIO()
    with ProgressDisplay(Console(file=file, width=100, **console), 1_000, "a run") as display:
        for step in steps:
            display(progress(step))
    return file.getvalue()


def test_plain_lines_are_few_and_the_last_step_is_among_them() -> None:
    heading, *lines = shown(list(range(0, 1_001, 10))).splitlines()
    assert heading == "a run"
    assert len(lines) == 11
    assert "step         0 of 1,000" in lines[0]
    assert "step     1,000 of 1,000" in lines[-1]
    assert "\x1b" not in "".join(lines)


def test_where_a_tenth_takes_long_a_minute_has_its_line() -> None:
    file = io.StringIO()
    with ProgressDisplay(Console(file=file, width=100), 1_000, "a run") as display:
        for step in range(61):
            display(progress(step, seconds=2.0 * step))
    steps = [line.split()[1] for line in file.getvalue().splitlines()[1:]]
    assert steps == ["0", "30", "60"]


def test_a_terminal_gets_a_bar_with_the_figures_and_the_time_left() -> None:
    text = shown([0, 500, 1_000], force_terminal=True)
    assert "━" in text
    assert "1000/1000" in text
    assert "success 0.5000" in text
    assert "00:00" in text


def test_the_description_has_rates_once_there_are_any() -> None:
    assert description(progress(0)) == "success 0.5000   entropy 1.250"
    assert description(progress(500)) == "success 0.5000   entropy 1.250   250 steps/s"


def test_the_return_stands_in_for_a_success_that_is_not_told() -> None:
    assert description(progress(0, tells_success=False)) == "return 3.000   entropy 1.250"


def test_estimates_come_with_their_intervals_and_n() -> None:
    estimated = progress(500)
    success, entropy = Estimated(0.99, 100, (0.9455, 0.9982)), Estimated(0.0855, 100, (0.0763, 0.0947))
    estimated = replace(estimated, evaluation=replace(estimated.evaluation, success=success, entropy=entropy))
    score, rate = "success 0.9900 [0.9455, 0.9982] (n = 100)", "250 steps/s"
    assert description(estimated) == f"{score}   entropy 0.0855 [0.0763, 0.0947] (n = 100)   {rate}"
    assert description(estimated, 56) == f"{score}   {rate}"


def test_reports_between_evaluations_print_no_line() -> None:
    file = io.StringIO()
    with ProgressDisplay(Console(file=file, width=100), 1_000, "a run") as display:
        display(progress(0, is_new=False))
    assert file.getvalue() == "a run\n"


def test_a_run_that_does_not_begin_prints_nothing() -> None:
    assert shown([]) == shown([], force_terminal=True) == ""
