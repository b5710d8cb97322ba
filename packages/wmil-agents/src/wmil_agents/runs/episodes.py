"""Reading an episode log: `read_episodes(folder)`, block by block."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmil_agents.runs.episode_block import (
    MAX_SIDECAR_BYTES,
    Block,
    arrays_path,
    read_arrays,
    read_sidecar,
    sidecar_path,
)
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_files import EPISODES

STOPPED = "stopped.json"
"""There where the log has reached its limit."""


class Episodes:
    """The episodes of a log, or those with numbers from `first` up to `stop`; a block is read when it is needed.

    Iterating gives `Block`s. Their updates and samples are those of the whole block.

    Args:
        folder: of the log.
        abouts: the sidecars, in order.
        first: the lowest number.
        stop: the number after the highest; None for all.
    """

    def __init__(self, folder: Path, abouts: tuple[Mapping[str, Any], ...], first: int, stop: int | None) -> None:
        self.folder = folder
        self._first, self._stop = first, stop
        self.abouts = tuple(one for one in abouts if self._concerns(one, abouts))
        """The sidecars of the blocks that are read."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the first sidecar says: schema, names of columns, seed, settings, commit."""
        return self.abouts[0] if self.abouts else {}

    @property
    def stopped(self) -> str | None:
        """Why the log ended before the run did; None where it did not.

        Raises:
            InputError: the file that says so cannot be read.
        """
        path = self.folder / STOPPED
        if not path.exists():
            return None
        try:
            text = path.read_bytes()[:MAX_SIDECAR_BYTES]
            return str(json.loads(text)["reason"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error

    def __iter__(self) -> Iterator[Block]:
        for about in self.abouts:
            arrays = read_arrays(arrays_path(self.folder, about["block"]), about)
            block = Block(arrays, about).between(self._first, self._stop)
            if len(block) or (self._first, self._stop) == (0, None):
                yield block

    def column(self, name: str) -> NDArray[Any]:
        """One array of all blocks, one after another; those that do not have it are passed over.

        Raises:
            KeyError: none has it.
            ValueError: it is `episode_starts`, which counts anew in every block.
        """
        if name == "episode_starts":
            raise ValueError("episode_starts counts anew in every block: use episode_lengths()")
        parts = [block.arrays[name] for block in self if name in block.arrays]
        if not parts:
            known = sorted({key for about in self.abouts for key in about["arrays"]})
            raise KeyError(f"this log has no {name!r}; it has {', '.join(known) or 'nothing'}")
        return np.concatenate(parts)

    def columns(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Several arrays of the blocks that have all of them, so that their rows belong together.

        Raises:
            KeyError: no block has all of them.
        """
        rows = [[block.arrays[name] for name in names] for block in self if block.arrays.keys() >= set(names)]
        if not rows:
            raise KeyError(f"no block of this log has all of {', '.join(names)}")
        return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))

    def episode_lengths(self) -> NDArray[np.int64]:
        """How many steps each episode has."""
        lengths = [np.diff(block["episode_starts"]) for block in self]
        return np.concatenate(lengths) if lengths else np.zeros(0, np.int64)

    def _concerns(self, about: Mapping[str, Any], abouts: tuple[Mapping[str, Any], ...]) -> bool:
        """Whether a block can have an episode of the range."""
        following = about["block"] + 1
        end = abouts[following]["first_episode"] if following < len(abouts) else None
        starts_in_time = self._stop is None or about["first_episode"] < self._stop
        return starts_in_time and (end is None or end > self._first or (self._first, self._stop) == (0, None))


def read_episodes(folder: Path | str, first: int = 0, stop: int | None = None) -> Episodes:
    """The episodes of a log; nothing in its files is executed, and their sizes are bounded.

    Args:
        folder: of the log, or of the run that has it in `episodes/`.
        first: the lowest number of an episode.
        stop: the number after the highest; None for all.

    Raises:
        InputError: there is no log, or a sidecar is damaged, foreign or newer than this version; while iterating, where
            a block is damaged.
    """
    if first < 0 or (stop is not None and stop < first):
        raise InputError(f"episodes from {first} up to {stop} are no range")
    folder = Path(folder)
    if not any(folder.glob("block-*.json")) and (folder / EPISODES).is_dir():
        folder = folder / EPISODES
    paths = sorted(folder.glob("block-*.json"))
    if not paths and not (folder / STOPPED).exists():
        raise InputError(f"{folder} holds no episode log: switch it on with episodes.every=1 when training")
    for number, path in enumerate(paths):
        if path != sidecar_path(folder, number):
            raise InputError(f"{folder} lacks {sidecar_path(folder, number).name}, but has {path.name}")
    abouts = tuple(read_sidecar(path) for path in paths)
    for number, about in enumerate(abouts):
        if about["block"] != number:
            raise InputError(f"{paths[number]} says that it is of block {about['block']}: it was renamed or changed")
    return Episodes(folder, abouts, first, stop)
