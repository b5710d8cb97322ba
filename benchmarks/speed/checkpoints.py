"""What checkpoints cost a run of the locked experiment: milliseconds of one, and their share of 100,000 steps."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from benchmarks.figure import Figure
from benchmarks.program import run_program
from wmil_agents.checkpoints.exact_checkpoint_callback import DEFAULT_INTERVAL, ExactCheckpointCallback
from wmil_agents.runs.run import run
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings

N_STEPS = 100_000
N_SHORT = 4_000
"""Steps of the short form, with as many checkpoints as the whole run has; the run's own time is scaled up from it."""
BOUND_SHARE, BOUND_MILLISECONDS = 2.0, 15.0


class _Timed(ExactCheckpointCallback):
    """Notes the seconds of each checkpoint, on the clock and of this process; it waits for the disk."""

    seconds: list[float]
    cpu_seconds: list[float]

    def _save(self) -> None:
        began, cpu_began = time.perf_counter(), time.process_time()
        super()._save()
        _Timed.seconds.append(time.perf_counter() - began)
        _Timed.cpu_seconds.append(time.process_time() - cpu_began)


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    total = N_SHORT if short else N_STEPS
    interval = [] if not short else [f"checkpoints.interval={N_SHORT * DEFAULT_INTERVAL // N_STEPS}"]
    settings = load_settings("mvp", [f"total_steps={total}", "evaluation.interval=1000", *interval])
    _Timed.seconds, _Timed.cpu_seconds = [], []
    whole = seconds_of(settings)
    seconds, learning = _Timed.seconds, whole - sum(_Timed.seconds)
    share = sum(seconds) / (learning * N_STEPS / total + sum(seconds))
    milliseconds = [one * 1e3 for one in _Timed.cpu_seconds]
    n = len(seconds)
    waited = f"least and most; {statistics.median(seconds) * 1e3:.0f} ms of wall time, with waiting for the disk"
    return [
        Figure(
            "one checkpoint of the locked experiment",
            statistics.median(milliseconds),
            "CPU ms",
            BOUND_MILLISECONDS,
            "less",
            min(milliseconds),
            max(milliseconds),
            n,
            waited,
        ),
        Figure(
            f"checkpoints of the locked experiment at the default interval, {n} in {N_STEPS:,} steps",
            share * 100.0,
            "%",
            BOUND_SHARE,
            "less",
            note=f"wall time; {total:,} steps were taken",
        ),
    ]


def seconds_of(settings: Settings) -> float:
    """Wall time of a run with timed checkpoints."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("wmil_agents.runs.run.ExactCheckpointCallback", _Timed),
    ):
        began = time.perf_counter()
        run(settings, Path(folder) / "run")
        return time.perf_counter() - began


if __name__ == "__main__":
    run_program("benchmarks.speed.checkpoints", measure, __doc__)
