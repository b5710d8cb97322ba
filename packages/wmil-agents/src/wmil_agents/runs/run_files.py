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
LEVELS = "levels.json"
"""What the trained policy does at every level."""
PARENT = "parent.json"
"""Who judged, from where and at what cost; only where the parent is not the rule alone."""
