"""Which instance each episode starts from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wmil_envs import seeding
from wmil_envs.observation import Rows
from wmil_envs.world import World

Integers = npt.NDArray[np.int64]

BLOCK = 8192
"""Draws made ahead at once, over all envs: their rows stay within 128 KiB, a size that memory allocators recycle."""


class StartDraws:
    """The first cells (instance times n_actions) and first observations of episodes, drawn by counter.

    Args:
        world: where the episodes take place.
        keys: (n,) the key of each env's instance stream.
    """

    def __init__(self, world: World, keys: npt.NDArray[np.uint64]) -> None:
        self._world, self._keys = world, keys
        self._level, self._first = -1, 0
        self._cells: Integers = np.empty((0, len(keys)), dtype=np.int64)
        self._rows: Rows | None = None

    def together(self, episode: int, level: int) -> tuple[Integers, Rows]:
        """Cells (n,) and rows (n, n_columns) of one episode of all envs at one level, made a block at a time."""
        place = episode - self._first
        if level != self._level or not 0 <= place < len(self._cells):
            self._draw_block(episode, level)
            place = episode - self._first
        cells = self._cells[place]
        return cells, self.rows(cells) if self._rows is None else self._rows[place]

    def ahead(self, episode: int, level: int) -> list[int]:
        """The cells of env 0 in this episode and the rest of its block, the last one first."""
        self.together(episode, level)
        ahead: list[int] = self._cells[episode - self._first :, 0].tolist()
        return ahead[::-1]

    def apart(self, episodes: Integers | int, levels: Integers | int) -> Integers:
        """Cells (n,) where episode (n,) or level (n,) differ from env to env; the same draws."""
        world = self._world
        places = seeding.below(self._keys, np.asarray(episodes), world.level_sizes[levels])
        return world.level_members[world.level_offsets[levels] + places] * world.n_actions

    def rows(self, cells: Integers) -> Rows:
        """The first observation (n, n_columns) of episodes that start from these cells (n,)."""
        return self._world.starts.take(cells // self._world.n_actions, axis=0)[:, : self._world.observation.n_columns]

    def _draw_block(self, episode: int, level: int) -> None:
        world, members = self._world, self._world.bank.levels[level]
        self._first, self._level = episode & ~1, level
        n_episodes = max(2, BLOCK // len(self._keys) & ~1)
        instances = members[seeding.block_below(self._keys, self._first, n_episodes, len(members))]
        self._rows = None
        if instances.size <= BLOCK:
            self._rows = world.starts.take(instances, axis=0)[..., : world.observation.n_columns]
        self._cells = instances * world.n_actions
