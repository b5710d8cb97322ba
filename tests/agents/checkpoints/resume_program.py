"""Trains models and keeps checkpoints (`begin FOLDER NAME...`), or goes on from each (`continue FOLDER NAME...`).

Prints, as JSON, in how many places what comes out differs: by model, and by step where it was continued.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from fingerprint import differences, fingerprint, record_metrics
from scenarios import SCENARIOS

from wmil_agents import ExactCheckpointCallback, continue_learning, read_state, restore_checkpoint, write_state
from wmil_agents.checkpoints.checkpoint_folder import step_folders
from wmil_agents.checkpoints.plain_data import decode, encode

TOTAL, INTERVAL, LOG_INTERVAL = 128, 40, 3


def begin(folder: Path, name: str) -> Any:
    """What writing checkpoints changes."""
    finals = []
    for callback in (None, ExactCheckpointCallback(folder, INTERVAL, keep_last=100)):
        model = SCENARIOS[name]()
        rows = record_metrics(model)
        model.learn(TOTAL, callback, log_interval=LOG_INTERVAL)
        finals.append(fingerprint(model, rows))
        assert model.env is not None
        model.env.close()
    write_state(folder / "final", finals[1])
    # Spaces that nobody samples from are seeded by the operating system, so two runs differ in those.
    return [path for path in differences(*finals) if "spaces" not in path]


def go_on(folder: Path, name: str) -> Any:
    """What is different from the run that was not interrupted, by the step at which it was."""
    final, _ = read_state(folder / "final")
    found = {}
    for checkpoint in step_folders(folder):
        model = SCENARIOS[name]()
        rows = record_metrics(model)
        restored = restore_checkpoint(checkpoint, model)
        assert restored.is_exact, restored.inexact
        if restored.step < TOTAL:
            continue_learning(model, restored, ExactCheckpointCallback(folder / "again", INTERVAL))
            logged_before = [row for row in final["metrics"] if row["step"] <= restored.step]
            rows.rows = logged_before + rows.rows
            found[restored.step] = differences(final, decode(*encode(fingerprint(model, rows))))
        assert model.env is not None
        model.env.close()
    assert len(found) > 1
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    command, where, *names = sys.argv[1:]
    action = {"begin": begin, "continue": go_on}[command]
    json.dump({name: action(Path(where) / name, name) for name in names}, sys.stdout)
