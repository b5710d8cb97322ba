"""A callback that keeps checkpoints of the learning that it is part of."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import safe_mean

from wmil_agents.checkpoints.checkpoint import save_checkpoint
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.checkpoint_folder import step_folder, step_folders
from wmil_agents.checkpoints.continuing import own_callbacks
from wmil_agents.checkpoints.state_folder import check_state, remove_leftovers, remove_state

DEFAULT_INTERVAL = 25_000
"""Environment steps between two checkpoints."""
DEFAULT_SECONDS = 300.0
"""Between two checkpoints, where steps are slow and the interval is the default one."""
MAX_SHARE = 0.02
"""Of the time, that writing may take where the interval is the default one."""

FIRST_SECONDS = 1.0
"""Before the first checkpoint where the interval is the default one: what takes less is quicker begun anew."""

Score = Callable[[BaseAlgorithm], float | None]


class ExactCheckpointCallback(BaseCallback):
    """Writes a checkpoint at the start of the first rollout at or past each interval, and when learning is done.

    Name it first among the callbacks, so that it sees what they keep before they begin the rollout. Nothing else may
    write to its folder.

    Args:
        folder: where to; the checkpoint of step 1,000 is its sub-folder `step-000000001000`.
        interval: environment steps between two checkpoints; None for `DEFAULT_INTERVAL`, or as many as are taken in
            `DEFAULT_SECONDS` where those are fewer; none in the first `FIRST_SECONDS`, and never so many that the
            writing takes more than `MAX_SHARE` of the time.
        keep_last: how many of the newest to keep, at least 1.
        keep_best: whether to keep the best one as well: by the mean return of the latest episodes, or by a function of
            the model, the higher the better; None says that nothing is known yet.
        more: asked for plain data to keep beside each checkpoint; `restore_checkpoint` returns it.
    """

    def __init__(
        self,
        folder: Path | str,
        interval: int | None = None,
        keep_last: int = 3,
        keep_best: bool | Score = False,
        more: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__()
        if interval is not None and interval < 1:
            raise ValueError(f"interval must be at least 1, not {interval}")
        if keep_last < 1:
            raise ValueError(f"keep_last must be at least 1, not {keep_last}: the newest is what a run continues from")
        self.folder = Path(folder)
        self.interval = DEFAULT_INTERVAL if interval is None else interval
        self._max_share = MAX_SHARE if interval is None else 1.0
        self._max_seconds = DEFAULT_SECONDS if interval is None else math.inf
        self._first_seconds = FIRST_SECONDS if interval is None else 0.0
        self.keep_last = keep_last
        self.keep_best = keep_best
        self.more = more
        self._score: Score | None = mean_return if keep_best is True else keep_best or None
        self._last_step = 0
        self._begun = self._saved = self._seconds_writing = 0.0
        self._best: tuple[float, Path] | None = None
        self._is_asked_to_stop = self._has_stopped = False

    @property
    def has_stopped(self) -> bool:
        """Whether learning was stopped by `stop`, its checkpoint written."""
        return self._has_stopped

    def stop(self) -> None:
        """Asks for a checkpoint at the start of the next rollout, and for the end of learning then.

        It only sets a flag, so a signal handler may call it. What a continued run does is what this one would have
        done: the step that is begun before `learn` returns is in no checkpoint.
        """
        self._is_asked_to_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Nothing: where it stands is read from the folder."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def _on_training_start(self) -> None:
        self._last_step = self.model.num_timesteps
        self._begun = self._saved = time.monotonic()
        self._seconds_writing = 0.0
        self._has_stopped = False
        remove_leftovers(self.folder)
        self._best = self._best_so_far() if self._score is not None else None

    def _on_rollout_start(self) -> None:
        now, step = time.monotonic(), self.model.num_timesteps
        is_due = step // self.interval > self._last_step // self.interval
        is_due |= step > self._last_step and now - self._saved > self._max_seconds
        seconds = now - self._begun
        is_affordable = seconds >= self._first_seconds and self._seconds_writing <= self._max_share * seconds
        if self._is_asked_to_stop or (is_due and is_affordable):
            self._save()
            self._has_stopped = self._is_asked_to_stop

    def _on_step(self) -> bool:
        return not self._has_stopped

    def _on_training_end(self) -> None:
        self._is_asked_to_stop = False
        is_done = self.model.num_timesteps >= self.model._total_timesteps
        if is_done and self.model.num_timesteps > self._last_step and not self._has_stopped:
            self._save()

    def _save(self) -> None:
        began = time.monotonic()
        step = self._last_step = self.model.num_timesteps
        path = step_folder(self.folder, step)
        score = None if self._score is None else self._score(self.model)
        more = None if self.more is None else self.more()
        save_checkpoint(path, self.model, more=more, callback=own_callbacks(self.locals["callback"]), score=score)
        if score is not None and (self._best is None or score > self._best[0]):
            self._best = score, path
        best = None if self._best is None else self._best[1]
        for old in step_folders(self.folder)[: -self.keep_last]:
            if old != best:
                remove_state(old)
        self._saved = time.monotonic()
        self._seconds_writing += self._saved - began

    def _best_so_far(self) -> tuple[float, Path] | None:
        """The best of the checkpoints that an interrupted run left."""
        best: tuple[float, Path] | None = None
        for path in step_folders(self.folder):
            try:
                score = check_state(path).score
            except CheckpointError:
                continue  # `newest_valid` names it to whoever continues from this folder
            if score is not None and (best is None or score > best[0]):
                best = score, path
        return best


def mean_return(model: BaseAlgorithm) -> float | None:
    """The mean return of the latest episodes, None before the first one has ended."""
    infos = model.ep_info_buffer
    return float(safe_mean([info["r"] for info in infos])) if infos else None
