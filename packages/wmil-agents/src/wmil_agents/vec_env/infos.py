"""The infos of one batch step: whole arrays for fast readers, one dict per environment for those who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from wmil_agents.vec_env.info_rows import new_rows, rows_at, where, write_rows


class StepInfos(Sequence[dict[str, Any]]):
    """One dict per environment, as Stable-Baselines3 wants them, made when the first of them is asked for.

    Every dict has `TimeLimit.truncated` and whatever the vector environment tells of its environment; where an episode
    ended also `terminal_observation`, `episode` (`r`, `l`, `t`, as SB3's `Monitor` names and rounds them) and, if the
    environment tells, `is_success`. The dicts are made once, so what a wrapper writes into one stays there.

    Who needs no dicts reads the arrays, each with one row per environment.

    Args:
        observations: the batch of observations the step returned.
        terminated: where an episode ended by its own rules.
        truncated: where it was cut off.
        done: where either is so.
        info: what the vector environment told besides, in Gymnasium's form (`key` beside its mask `_key`).
        final_observations: the batch of last observations, None where no episode ended.
        returns: undiscounted return of each episode so far.
        lengths: steps of each episode so far.
        seconds: how long ago the environment was made.
    """

    def __init__(
        self,
        observations: Any,
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        done: NDArray[np.bool_],
        info: Mapping[str, Any],
        final_observations: Any,
        returns: NDArray[np.float64],
        lengths: NDArray[np.int64],
        seconds: float,
    ) -> None:
        self.terminated = terminated
        self.truncated = truncated
        self.done = done
        """Where an episode ended with this step."""
        self.episode_returns = returns
        """Return of each episode so far, whole where `done`."""
        self.episode_lengths = lengths
        """Steps of each episode so far, all of them where `done`."""
        self._observations = observations
        self._info = info
        self._final_observations = final_observations
        self._final_batch: Any = None
        self.seconds = seconds
        """How long ago the environment was made."""
        self._dicts: list[dict[str, Any]] | None = None

    @property
    def final_observations(self) -> Any:
        """The observations that ended the episodes, one batch; only its rows where `done` mean anything."""
        final = self._final_observations
        if final is None:
            return self._observations
        if isinstance(final, np.ndarray) and final.dtype == object:
            if self._final_batch is None:
                self._final_batch = _stacked(final, self.done, self._observations)
            return self._final_batch
        return final

    @property
    def success(self) -> NDArray[np.bool_] | None:
        """Whether each environment succeeded at this step, None where the environment does not tell.

        Rows of environments that tell nothing at this step are False.
        """
        told = self._success()
        if told is None:
            return None
        success = np.asarray(told[0], dtype=np.bool_)
        return success if told[1] is None else success & told[1]

    @property
    def success_is_told(self) -> NDArray[np.bool_]:
        """Where the environment tells of success at this step."""
        told = self._success()
        if told is None:
            return np.zeros(len(self), dtype=np.bool_)
        return np.ones(len(self), dtype=np.bool_) if told[1] is None else told[1]

    @property
    def unjudged(self) -> NDArray[np.bool_] | None:
        """Where the parent gave no verdict, which cut the episode off; None for nowhere."""
        words = self._info.get("parent_source")
        if words is None or not np.count_nonzero(self.truncated):
            return None
        unjudged: NDArray[np.bool_] = (words == "unjudged") & self.truncated
        return unjudged if unjudged.any() else None

    def column(self, name: str) -> NDArray[Any] | None:
        """What the vector environment tells under this name, a row for each environment; None for nothing."""
        values = self._info.get(name)
        return values if isinstance(values, np.ndarray) and len(values) == len(self) else None

    def __len__(self) -> int:
        return len(self.done)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._all()[index]

    def __setitem__(self, index: int, info: dict[str, Any]) -> None:
        self._all()[index] = info

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> list[dict[str, Any]]:
        if self._dicts is None:
            self._dicts = self._made()
        return self._dicts

    def _made(self) -> list[dict[str, Any]]:
        columns: dict[str, Any] = {"TimeLimit.truncated": self.truncated & ~self.terminated}
        told = self._success()
        if told is not None:
            known = self.done if told[1] is None else told[1] & self.done
            columns["is_success"], columns["_is_success"] = np.asarray(told[0], dtype=np.bool_), known
        if "final_info" in self._info:
            dicts = new_rows(columns, len(self))
            write_rows(dicts, self._info["final_info"], self.done)
            write_rows(dicts, self._info, ~self.done)
        else:
            dicts = new_rows({**self._info, **columns}, len(self))
        if self._final_observations is not None:
            self._write_episodes(dicts)
        return dicts

    def _write_episodes(self, dicts: Sequence[dict[str, Any]]) -> None:
        ended = where(self.done)
        returns = self.episode_returns[ended].round(6).tolist()
        lengths = self.episode_lengths[ended].tolist()
        seconds = self.seconds
        final = self._final_observations
        chosen = {key: values[ended] for key, values in final.items()} if isinstance(final, dict) else final[ended]
        observations = _each_observation(chosen)
        for info, observation, r, length in zip(rows_at(dicts, ended), observations, returns, lengths, strict=True):
            info["terminal_observation"] = observation
            info["episode"] = {"r": r, "l": length, "t": seconds}

    def _success(self) -> tuple[NDArray[Any], NDArray[np.bool_] | None] | None:
        """The success of each environment, and where it is known; what was told at an episode's end comes first."""
        final_info = self._info.get("final_info")
        if final_info is not None and (told := _told_success(final_info)) is not None:
            return told
        told = _told_success(self._info)
        if told is None or final_info is None:
            return told
        return told[0], ~self.done if told[1] is None else told[1] & ~self.done


def _told_success(info: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None] | None:
    """What a vector environment's info tells of success, and its mask."""
    for key in ("is_success", "success"):
        if key in info:
            return info[key], info.get(f"_{key}")
    return None


def _each_observation(batch: Any) -> list[Any]:
    """The observations of a batch, one by one."""
    if isinstance(batch, dict):
        columns = [list(values) for values in batch.values()]
        return [dict(zip(batch, row, strict=True)) for row in zip(*columns, strict=True)]
    return list(batch)


def _stacked(rows: NDArray[Any], mask: NDArray[np.bool_], like: Any) -> Any:
    """A batch with the shape of `like` from an object array that holds one observation wherever the mask is True."""
    if isinstance(like, dict):
        return {key: _stacked(_column(rows, mask, key), mask, values) for key, values in like.items()}
    batch = np.array(like)
    for i in np.flatnonzero(mask).tolist():
        batch[i] = rows[i]
    return batch


def _column(rows: NDArray[Any], mask: NDArray[np.bool_], key: str) -> NDArray[Any]:
    """The entry `key` of each dict in an object array, where the mask is True."""
    column = np.empty(len(rows), dtype=object)
    for i in np.flatnonzero(mask).tolist():
        column[i] = rows[i][key]
    return column
