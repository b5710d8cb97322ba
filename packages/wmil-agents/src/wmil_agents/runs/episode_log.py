"""A callback that logs episodes, of any algorithm of Stable-Baselines3, from what its loop shows to callbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from wmil_agents.runs.atomic_file import replace_json
from wmil_agents.runs.episode_block import describe, encode, remove_block, sidecar_path, write_block
from wmil_agents.runs.episode_content import block_arrays, joined_samples, names_in, update_arrays
from wmil_agents.runs.episode_layout import DEFAULT, MEGABYTE, LogOptions, check_options, steps_in_a_block
from wmil_agents.runs.episode_rows import (
    ENDED,
    ENV,
    STEP,
    Arrays,
    Layout,
    StepGrid,
    joined,
    whole_episodes,
    without_first_ends,
)
from wmil_agents.runs.episode_samples import next_of_step, take_sample
from wmil_agents.runs.episode_schema import SCHEMA, VERSION
from wmil_agents.runs.episode_step import env_of, record_step, shown_layout
from wmil_agents.runs.episodes import STOPPED
from wmil_agents.runs.input_error import InputError


class EpisodeLog(BaseCallback):
    """Writes blocks of whole episodes into a folder: observations, actions, rewards and what else `FIELDS` names.

    It draws no random number and changes nothing, so what is learnt is the same with it. Episodes whose beginning it
    missed are left out, and so are those that have not ended when learning is over; the last block says how many steps
    these have.

    Args:
        folder: where to; it may hold no other log.
        options: what to keep.
        about: plain data for every sidecar, such as seed, settings and commit.

    Raises:
        InputError: when learning begins, if the folder holds another log, or if features or attention are asked for and
            the policy has none.
    """

    def __init__(
        self, folder: Path | str, options: LogOptions = DEFAULT, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.options = options
        self.about = dict(about or {})
        self.stopped: str | None = None
        """Why nothing more is logged, in a sentence; None while it goes on."""
        self._n_blocks = self._n_bytes = self._n_episodes = 0
        self._kept_steps = 0
        self._last_step = self._noted_step = -1
        self._has_checked_folder = False
        self._grid: StepGrid | None = None
        self._rest: Arrays | None = None
        self._skipped: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._samples: list[Arrays] = []
        self._updates: list[tuple[int, dict[str, float]]] = []

    def close(self) -> None:
        """Write what is left; called when learning ends, and to be called where it is interrupted."""
        self._note_losses()
        if self._grid is not None and self.stopped is None:
            self._write(is_last=True)

    def state_dict(self) -> dict[str, Any]:
        """Everything that is not in a file yet."""
        grid = self._grid
        return {
            "counts": [self._n_blocks, self._n_bytes, self._n_episodes, self._kept_steps],
            "stopped": self.stopped,
            "filled": 0 if grid is None else grid.n_filled,
            "grid": None if grid is None else {name: rows[: grid.n_filled] for name, rows in grid.columns.items()},
            "rest": self._rest,
            "skipped": self._skipped,
            "samples": self._samples,
            "updates": [list(update) for update in self._updates],
            "last_step": self._last_step,
            "noted_step": self._noted_step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned; blocks that were written after it are removed."""
        self._n_blocks, self._n_bytes, self._n_episodes, self._kept_steps = state["counts"]
        self.stopped = state["stopped"]
        if self.stopped is None:
            (self.folder / STOPPED).unlink(missing_ok=True)
        number = self._n_blocks
        while sidecar_path(self.folder, number).exists():
            remove_block(self.folder, number)
            number += 1
        self._grid = None
        if state["grid"] is not None:
            columns = state["grid"]
            ours = {name: (rows.shape[2:], rows.dtype) for name, rows in columns.items() if name not in (ENDED, STEP)}
            self._grid = self._new_grid(ours)
            self._grid.n_filled = int(state["filled"])
            for name, rows in columns.items():
                self._grid.columns[name][: len(rows)] = rows
        self._rest, self._skipped = state["rest"], np.array(state["skipped"])
        self._samples = list(state["samples"])
        self._updates = [(step, losses) for step, losses in state["updates"]]
        self._last_step, self._noted_step = state["last_step"], state["noted_step"]

    def _on_training_start(self) -> None:
        """Forget the rows of episodes that will not be continued, and look past those whose beginning was missed."""
        model = self.model
        check_options(model, self.options)
        continues = self._last_step == model.num_timesteps
        if isinstance(model, OnPolicyAlgorithm):
            begins = np.array(model._last_episode_starts, dtype=np.bool_)
        else:
            begins = np.full(model.n_envs, model.num_timesteps == 0)
        if self._grid is not None and self._grid.n_filled:
            self._take_rows()
        if self._rest is not None:
            lost = begins if continues else np.ones_like(begins)
            kept = ~lost[self._rest[ENV]]
            self._rest = {name: rows[kept] for name, rows in self._rest.items()}
        skipped = self._skipped if len(self._skipped) == len(begins) else np.zeros_like(begins)
        self._skipped = skipped & ~begins if continues else ~begins

    def _on_rollout_start(self) -> None:
        self._note_losses()

    def _on_step(self) -> bool:
        if self.stopped is not None:
            return True
        if self._grid is None or not self._has_checked_folder:
            self._check_folder()
            self._grid = self._grid or self._new_grid(shown_layout(self.model, self.locals))
        record_step(self._grid, self.model, self.locals)
        if (self.n_calls - 1) % self.options.sample_every == 0:
            following = next_of_step(env_of(self.model), self.locals)
            sample = take_sample(self.model, self.locals["actions"], following, self.options)
            self._samples += [] if sample is None else [sample]
        if self._grid.is_full:
            self._write()
        return True

    def _on_training_end(self) -> None:
        self.close()
        self._last_step = self.model.num_timesteps

    def _note_losses(self) -> None:
        """Keep what the last update logged."""
        if self.stopped is not None or self._noted_step == self.num_timesteps:
            return
        self._noted_step = self.num_timesteps
        logged = getattr(self.model.logger, "name_to_value", {}).items()
        losses = {
            name.removeprefix("train/"): float(value)
            for name, value in logged
            if name.startswith("train/") and name.endswith(("loss", "_error"))
        }
        if losses and self.num_timesteps:
            self._updates.append((self.num_timesteps, losses))

    def _take_rows(self) -> None:
        """Move what is in the grid behind the rows of unfinished episodes."""
        assert self._grid is not None
        rows, self._skipped = without_first_ends(self._grid.taken(), self._skipped)
        self._rest = joined(self._rest, rows)

    def _write(self, *, is_last: bool = False) -> None:
        """Write the episodes that have ended as the next block, or stop where that would be too much."""
        self._take_rows()
        assert self._rest is not None
        episodes, self._rest, n_ended = whole_episodes(self._rest, self.options.every, self._n_episodes)
        first, self._n_episodes = self._n_episodes, self._n_episodes + n_ended
        numbers = np.arange(first, self._n_episodes)
        arrays = block_arrays(episodes.rows, episodes.starts, numbers[numbers % self.options.every == 0])
        arrays |= update_arrays(self._updates) | joined_samples(self._samples)
        unfinished = len(self._rest[ENV])
        held = sum(rows.nbytes for rows in self._rest.values())
        if len(numbers) or (is_last and len(arrays["episodes"]) + len(self._samples) + len(self._updates)):
            self._put(arrays, first, unfinished)
        elif held > self.options.max_bytes:
            self._stop(f"an episode of more than {unfinished:,} steps does not fit into its limit")

    def _put(self, arrays: Arrays, first: int, unfinished: int) -> None:
        content = encode(arrays)
        n_episodes, n_steps = len(arrays["episodes"]), len(arrays["rewards"])
        sidecar = {
            "schema": SCHEMA,
            "version": VERSION,
            "block": self._n_blocks,
            "first_episode": first,
            "n_episodes": n_episodes,
            "n_steps": n_steps,
            "unfinished_steps": unfinished,
            "bytes": len(content),
            "arrays": describe(arrays),
            **names_in(self.model),
            **self.about,
        }
        lines = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in sidecar.items())
        text = ("{\n" + ",\n".join(lines) + "\n}\n").encode()  # `indent` takes ten times as long
        size = len(content) + len(text)
        if self._n_bytes + size > self.options.max_bytes:
            self._stop(f"its limit of {self.options.max_bytes / MEGABYTE:,.1f} MB is reached", first)
            return
        write_block(self.folder, self._n_blocks, content, text)
        self._n_blocks, self._n_bytes, self._kept_steps = (
            self._n_blocks + 1,
            self._n_bytes + size,
            self._kept_steps + n_steps,
        )
        self._samples, self._updates = [], []

    def _stop(self, reason: str, first: int | None = None) -> None:
        """Log nothing more, and say so: in a file, and in the algorithm's own log."""
        until = self._n_episodes if first is None else first
        self.stopped = (
            f"The episode log ended before episode {until:,}, at step {self.num_timesteps:,}: {reason}; raise the "
            "limit, or keep fewer episodes"
        )
        self._grid, self._rest, self._samples, self._updates = None, None, [], []
        self.folder.mkdir(parents=True, exist_ok=True)
        report = {"reason": self.stopped, "step": self.num_timesteps, "episode": until, "bytes": self._n_bytes}
        replace_json(self.folder / STOPPED, report)
        self.logger.warn(self.stopped)

    def _check_folder(self) -> None:
        if sidecar_path(self.folder, self._n_blocks).exists() or (self.folder / STOPPED).exists():
            raise InputError(f"the folder {self.folder} holds another episode log: name another one, or remove it")
        self._has_checked_folder = True

    def _new_grid(self, layout: Layout) -> StepGrid:
        n_envs = self.model.n_envs
        return StepGrid(layout, steps_in_a_block(layout, n_envs, self.options), n_envs)
