"""The names of the files in the folder of a run, apart from what writes them: whoever reads them imports no torch."""

from __future__ import annotations

SETTINGS, VERSIONS, METRICS, POLICY, VERDICT = (
    "settings.yaml",
    "versions.json",
    "metrics.csv",
    "policy.safetensors",
    "verdict.json",
)
TRAIN = "train"
"""The folder of the logger's files, progress.csv among them."""
EPISODES = "episodes"
"""The folder of the episode log, where one is asked for."""
PROGRESS = "progress.csv"
"""In it: Stable-Baselines3's own log."""
EVALUATIONS = "evaluations.jsonl"
"""Every evaluation with all its figures; metrics.csv shows them as a table."""
CHECKPOINTS = "checkpoints"
"""The folder of the checkpoints that the run can be continued from."""
CONTINUED = "continued.json"
"""When the run was continued, from where and with what; only where it was."""
DONE = "DONE.json"
"""Written last of all: a run without it has not ended."""
NOT_FINITE = "not-finite"
"""What led to a number that is NaN or infinite; only where one stopped the run."""
FAILURE = "failure.txt"
"""What Python says of a run that failed in a comparison."""
LOCK = ".lock"
"""Held by the process that writes to the folder."""
LEVELS = "levels.json"
"""What the trained policy does at every level."""
PARENT = "parent.json"
"""Who judged, from where and at what cost; only where the parent is not the rule alone."""
