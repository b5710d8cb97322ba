"""A callback that logs episodes, of any algorithm of Stable-Baselines3, from what its loop shows to callbacks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.auxiliary_losses.world_model import WorldModelHead
from wmil_agents.checkpoints.continued_algorithm import plain_class
from wmil_agents.evaluation.world_model_errors import world_model_head
from wmil_agents.extractors.token_names import token_names
from wmil_agents.runs.atomic_file import replace_json
from wmil_agents.runs.episode_block import describe, encode, remove_block, sidecar_path, write_block
from wmil_agents.runs.episode_layout import (
    DEFAULT,
    MEGABYTE,
    LogOptions,
    check_options,
    step_layout,
    steps_in_a_block,
)
from wmil_agents.runs.episode_rows import (
    ENDED,
    ENV,
    STEP,
    Arrays,
    Layout,
    StepGrid,
    joined,
    named_parts,
    whole_episodes,
    without_first_ends,
)
from wmil_agents.runs.episode_samples import next_of_step, take_sample
from wmil_agents.runs.episode_schema import SCHEMA, VERSION
from wmil_agents.runs.episodes import STOPPED
from wmil_agents.runs.input_error import InputError
from wmil_agents.vec_env.infos import StepInfos
from wmil_agents.vec_env.next_observation_recorder import (
    tells_batches,
)
from wmil_envs.attribute import AttributeSpace
from wmil_envs.parent import SOURCES

_UNTOLD_SOURCE = 255


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
            self._grid = self._grid or self._new_grid(self._layout())
        self._record(self._grid)
        if (self.n_calls - 1) % self.options.sample_every == 0:
            following = next_of_step(self._env, self.locals)
            sample = take_sample(self.model, self.locals["actions"], following, self.options)
            self._samples += [] if sample is None else [sample]
        if self._grid.is_full:
            self._write()
        return True

    def _on_training_end(self) -> None:
        self.close()
        self._last_step = self.model.num_timesteps

    def _record(self, grid: StepGrid) -> None:
        """Write the step just taken into the grid."""
        shown, dones = self.locals, self.locals["dones"]
        for name, rows in named_parts("observations", self.model._last_obs).items():
            grid.row(name)[...] = rows
        grid.row("actions")[...] = shown["actions"]
        grid.row("rewards")[...] = shown["rewards"]
        if "log_probs" in grid.columns:
            grid.row("log_probs")[...] = shown["log_probs"].numpy(force=True)
            grid.row("values")[...] = shown["values"].numpy(force=True).reshape(-1)
        grid.row(ENDED)[...] = dones
        grid.row(STEP)[...] = self.num_timesteps
        infos = shown["infos"]
        arrays = getattr(infos, "arrays", infos)
        if isinstance(arrays, StepInfos):
            grid.row("terminated")[...] = arrays.terminated
            grid.row("truncated")[...] = arrays.truncated
            success = arrays.success
            grid.row("success")[...] = -1 if success is None else np.where(arrays.success_is_told, success, -1)
        else:
            cut = np.array([bool(info.get("TimeLimit.truncated")) for info in infos]) & dones
            grid.row("terminated")[...] = dones & ~cut
            grid.row("truncated")[...] = cut
            told = [info.get("is_success", info.get("success")) for info in infos]
            grid.row("success")[...] = [-1 if one is None else bool(one) for one in told]
        if "reward_components" in grid.columns:
            components = _column(self._env, infos, "vector_reward")
            grid.row("reward_components")[...] = math.nan if components is None else components
        if "parent_sources" in grid.columns:
            words = _column(self._env, infos, "parent_source")
            grid.row("parent_sources")[...] = _source_codes(words)
        if np.count_nonzero(dones):
            for name, rows in named_parts("final_observations", next_of_step(self._env, shown)).items():
                grid.row(name)[...] = rows
        grid.n_filled += 1

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
        arrays = _block_arrays(episodes.rows, episodes.starts, numbers[numbers % self.options.every == 0])
        arrays |= _update_arrays(self._updates) | _joined_samples(self._samples)
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
            **_names(self.model),
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

    @property
    def _env(self) -> VecEnv:
        assert self.model.env is not None
        return self.model.env

    def _check_folder(self) -> None:
        if sidecar_path(self.folder, self._n_blocks).exists() or (self.folder / STOPPED).exists():
            raise InputError(f"the folder {self.folder} holds another episode log: name another one, or remove it")
        self._has_checked_folder = True

    def _layout(self) -> Layout:
        infos = self.locals["infos"]
        components = _column(self._env, infos, "vector_reward")
        return step_layout(
            self.model,
            n_components=0 if components is None else components.shape[1],
            has_sources=_column(self._env, infos, "parent_source") is not None,
        )

    def _new_grid(self, layout: Layout) -> StepGrid:
        n_envs = self.model.n_envs
        return StepGrid(layout, steps_in_a_block(layout, n_envs, self.options), n_envs)


def _block_arrays(rows: Arrays, starts: NDArray[np.int64], numbers: NDArray[np.int64]) -> Arrays:
    """The arrays of a block, from rows of whole episodes."""
    last = starts[1:] - 1
    arrays = {
        name: column
        for name, column in rows.items()
        if name not in (ENDED, ENV, STEP) and not name.startswith("final_observations")
    }
    arrays |= {
        "episodes": numbers.astype(np.int64),
        "episode_starts": starts.astype(np.int64),
        "episode_envs": rows[ENV][last].astype(np.int32),
        "episode_end_steps": rows[STEP][last],
    }
    return arrays | {name: column[last] for name, column in rows.items() if name.startswith("final_observations")}


def _update_arrays(updates: list[tuple[int, dict[str, float]]]) -> Arrays:
    if not updates:
        return {}
    names = sorted({name for _, losses in updates for name in losses})
    arrays: Arrays = {"update_steps": np.array([step for step, _ in updates], np.int64)}
    return arrays | {
        f"losses/{name}": np.array([losses.get(name, math.nan) for _, losses in updates]) for name in names
    }


def _joined_samples(samples: list[Arrays]) -> Arrays:
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]} if samples else {}


def _names(model: BaseAlgorithm) -> dict[str, Any]:
    """What the columns of the arrays are called."""
    names: dict[str, Any] = {"algorithm": plain_class(model).__name__, "parent_sources": list(SOURCES)}
    space = model.observation_space
    if isinstance(space, AttributeSpace):
        names["attributes"] = [
            {"name": one.name, "n_values": one.n_values, "optional": one.optional, "labels": list(one.labels)}
            for one in space.attributes
        ]
    names["action_space"] = str(model.action_space)
    head = world_model_head(model)
    if isinstance(head, WorldModelHead):
        names["predicted_columns"] = [column.entry or column.name for column in (*head.columns, *head.number_columns)]
    extractor = getattr(model.policy, "pi_features_extractor", None)
    try:
        names["attention_tokens"] = list(token_names(extractor, space)) if extractor is not None else []
    except TypeError:
        names["attention_tokens"] = []
    return names


def _column(env: VecEnv, infos: Any, name: str) -> NDArray[Any] | None:
    """What the infos tell under a name, a row for each environment; None where they do not."""
    arrays = getattr(infos, "arrays", infos)
    if isinstance(arrays, StepInfos):
        column = arrays.column(name)
        if column is None or tells_batches(env):
            return column
    told = [info.get(name) for info in infos]
    return None if any(one is None for one in told) else np.asarray(told)


def _source_codes(words: NDArray[Any] | None) -> Any:
    if words is None:
        return _UNTOLD_SOURCE
    codes = np.full(len(words), _UNTOLD_SOURCE, np.uint8)
    for code, word in enumerate(SOURCES):
        codes[words == word] = code
    return codes
