"""A model's whole state into a folder, and back into a model made in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.loop_state import inexact_parts_of_loop, load_generators, loop_state
from wmil_agents.checkpoints.manifest import Manifest
from wmil_agents.checkpoints.model_state import inexact_parts_of_model, load_model_state, model_state
from wmil_agents.checkpoints.state_folder import MAX_BYTES, read_state, write_state


@dataclass(frozen=True)
class Restored:
    """What a checkpoint held besides what is in the model now; `continue_learning` goes on from it."""

    folder: Path
    step: int
    """Environment steps that the model has taken."""
    more: Any
    """What `save_checkpoint` was given as `more`."""
    inexact: tuple[str, ...]
    """What is not as it was, in sentences; none where the continued run will have the bits of an uninterrupted one."""
    loop: dict[str, Any] = field(repr=False)
    """What the beginning of `learn` would disturb."""
    arguments: dict[str, Any] | None = None
    """Those of the `learn` that the checkpoint was made in; None outside of one."""

    @property
    def is_exact(self) -> bool:
        """Whether the continued run will have the bits of an uninterrupted one."""
        return not self.inexact


def save_checkpoint(
    folder: Path | str,
    model: BaseAlgorithm,
    *,
    step: int | None = None,
    more: Any = None,
    callback: BaseCallback | None = None,
    score: float | None = None,
) -> Manifest:
    """Writes everything that a model's training depends on.

    The right moments are between two calls of `learn`, and within one at the start of a rollout, in a callback's
    `_on_rollout_start`; `ExactCheckpointCallback` does that. At any other moment some of the state is in local
    variables.

    Args:
        folder: where to; it appears whole or not at all, and a checkpoint that is there is replaced.
        model: an on-policy or off-policy algorithm of Stable-Baselines3 or sb3-contrib, attached or not.
        step: the model's own count if None.
        more: plain data of one's own to keep beside it, as `write_state` takes.
        callback: within `learn`, all of its callbacks; `locals["callback"]` of any of them.
        score: what to remember it by.

    Raises:
        CheckpointError: something cannot be kept or written; what was there before is as it was.
    """
    state = {
        "model": model_state(model),
        "loop": loop_state(model, callback),
        "learn": None if callback is None else _arguments(model, callback),
        "more": more,
    }
    inexact = dict.fromkeys([*inexact_parts_of_model(state["model"]), *inexact_parts_of_loop(state["loop"])])
    return write_state(folder, state, step=model.num_timesteps if step is None else step, score=score, inexact=inexact)


def restore_checkpoint(folder: Path | str, model: BaseAlgorithm, *, max_bytes: int = MAX_BYTES) -> Restored:
    """Puts everything that a checkpoint holds into a model that was made with the same arguments.

    Nothing in the files is executed. Then `continue_learning(model, restored, callback)`.

    Args:
        folder: what `save_checkpoint` wrote.
        model: a fresh one, in fresh environments; with the same auxiliary losses attached.
        max_bytes: refuse a larger file.

    Raises:
        CheckpointError: the folder is damaged or no checkpoint, or it is of another model. What does not fit is found
            before anything is changed where possible; do not use the model afterwards.
    """
    state, manifest = read_state(folder, max_bytes=max_bytes)
    with fitting(folder):
        load_model_state(model, state["model"])
        load_generators(model, state["loop"])
        return Restored(
            Path(folder), model.num_timesteps, state["more"], manifest.inexact, state["loop"], state["learn"]
        )


@contextmanager
def fitting(folder: Path | str) -> Iterator[None]:
    """A block in which whatever does not fit is told as a `CheckpointError`."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"the checkpoint {folder} does not fit this model: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError, AssertionError) as error:
        sentence = " ".join(str(error).split()) if str(error) else type(error).__name__
        raise CheckpointError(f"the checkpoint {folder} does not fit this model: {sentence}") from error


def _arguments(model: BaseAlgorithm, callback: BaseCallback) -> dict[str, Any]:
    """Those of the `learn` that is under way."""
    arguments: dict[str, Any] = {"total_timesteps": model._total_timesteps}
    for name in ("log_interval", "tb_log_name", "use_masking"):
        if name in callback.locals:
            arguments[name] = deepcopy(callback.locals[name])
    if isinstance(model, OnPolicyAlgorithm):
        arguments["log_interval"] = getattr(model, "plain_log_interval", arguments.get("log_interval"))
    return arguments
