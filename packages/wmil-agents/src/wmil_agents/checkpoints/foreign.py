"""A gate before Stable-Baselines3's own files, which run code when they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm

from wmil_agents.checkpoints.checkpoint_error import CheckpointError

Model = TypeVar("Model", bound=BaseAlgorithm)


def load_foreign(algorithm: type[Model], path: Path | str, *, trust: bool = False, **arguments: Any) -> Model:
    """What `algorithm.load(path, **arguments)` loads, if you trust whoever made the file.

    Args:
        algorithm: the class that the model was saved by.
        path: what its `save` wrote.
        trust: whether the file may run code on this machine.
        **arguments: those of `load`, for example `env`.

    Raises:
        CheckpointError: without `trust=True`.
    """
    if not trust:
        raise CheckpointError(
            f"{path} was not opened: files of Stable-Baselines3 hold pickled objects, and loading one runs whatever "
            "code its maker put there. If you made it or trust who did, pass trust=True; checkpoints of wmil-agents "
            "(restore_checkpoint) run nothing"
        )
    return algorithm.load(path, **arguments)
