"""What an episode log costs: the share of the steps a second that it takes, inside `learn()`, at the mvp preset.

The log's own calls are timed, the writing of its blocks included, as a share of all that `learn()` does in that run.
Two runs, one with and one without, differ by more than the log costs on a machine that others use too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.figure import Figure
from benchmarks.program import run_program
from wmil_agents.runs.episode_layout import DEFAULT, LogOptions
from wmil_agents.runs.episode_log import EpisodeLog
from wmil_agents.runs.experiment import build_experiment
from wmil_agents.runs.settings_sources import load_settings

BOUND = 0.05
"""The most that it may cost, without attention."""
BLOCK = 16_384
"""Steps of a block, which is written at its end."""
N_ENVS = (8, 256)
SAMPLED = LogOptions(attention=True, features=True)


class TimedLog(EpisodeLog):
    """An episode log that knows how much CPU time it has taken."""

    seconds = 0.0

    def on_rollout_start(self) -> None:
        """As ever, timed."""
        start = time.process_time()
        super().on_rollout_start()
        self.seconds += time.process_time() - start

    def update_locals(self, locals_: Mapping[str, Any]) -> None:  # type: ignore[override]  # any mapping will do
        """As ever, timed."""
        start = time.process_time()
        super().update_locals(dict(locals_))
        self.seconds += time.process_time() - start

    def on_step(self) -> bool:
        """As ever, timed."""
        start = time.process_time()
        goes_on = super().on_step()
        self.seconds += time.process_time() - start
        return goes_on

    def on_training_end(self) -> None:
        """As ever, timed."""
        start = time.process_time()
        super().on_training_end()
        self.seconds += time.process_time() - start


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    figures = []
    for n_envs in N_ENVS:
        for words, options, bound in (
            ("the episode log", DEFAULT, BOUND),
            ("with attention and features sampled", SAMPLED, None),
        ):
            n_blocks = 1 if short else 4
            share = log_share(n_envs, n_blocks, options)
            label = f"{words}, mvp preset, {n_envs} envs: share of the steps a second it costs"
            figures.append(Figure(label, share, "", bound, repeats=n_blocks * BLOCK // n_envs))
    return figures


def log_share(n_envs: int, n_blocks: int, options: LogOptions) -> float:
    """The log's share of the CPU time of so many blocks of learning."""
    model = build_experiment(load_settings("mvp", [f"n_envs={n_envs}"])).model
    model.learn(20 * n_envs)
    with tempfile.TemporaryDirectory() as folder:
        log = TimedLog(Path(folder), options)
        start = time.process_time()
        model.learn(n_blocks * BLOCK, log)
        return log.seconds / (time.process_time() - start)


if __name__ == "__main__":
    run_program("benchmarks.speed.episode_log", measure, __doc__.partition("\n")[0] if __doc__ else "")
