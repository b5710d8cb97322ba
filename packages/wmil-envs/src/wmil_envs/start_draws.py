"""Which instance each episode starts from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wmil_envs import seeding
from wmil_envs.observation import Rows
from wmil_envs.world import World

Integers = npt.NDArray[np.int64]

BLOCK = 8192
"""Draws made ahead at once, over all envs, where one word's worth for every env is not more already."""


class StartDraws:
    """The first cells (instance times n_actions) and first observations of episodes, drawn by counter.

    Args:
        world: where the episodes take place.
        keys: (n,) the key of each env's instance stream.
    """

    def __init__(self, world: World, keys: npt.NDArray[np.uint64]) -> None:
        self._world, self._keys = world, keys
        self._level, self._first = -1, 0
        self._places: Integers = np.empty((0, len(keys)), dtype=np.int64)
        self._cells: Integers = self._places
        self._rows: Rows = self._places.astype(np.int32)
        self._is_gathered = False

    def together(self, episode: int, level: int) -> tuple[Integers, Rows]:
        """Cells (n,) and rows (n, n_columns) of one episode of all envs at one level, made a block at a time."""
        block_place = episode - self._first
        if level != self._level or not 0 <= block_place < len(self._places):
            self._draw_block(episode, level)
            block_place = episode - self._first
        if self._is_gathered:
            return self._cells[block_place], self._rows[block_place]
        return self._gather(self._places[block_place])

    def ahead(self, episode: int, level: int) -> list[int]:
        """The cells of env 0 in this episode and the rest of its block, the last one first."""
        self.together(episode, level)
        cells, _ = self._gather(self._places[episode - self._first :, 0])
        ahead: list[int] = cells.tolist()
        return ahead[::-1]

    def apart(self, episodes: Integers, levels: Integers) -> Integers:
        """Cells (n,) where episode (n,) or level (n,) differ from env to env; the same draws."""
        return self._world.start_cells(levels, seeding.below(self._keys, episodes, self._world.level_sizes[levels]))

    def rows(self, cells: Integers) -> Rows:
        """The first observation (n, n_columns) of episodes that start from these cells (n,)."""
        return self._world.starts.take(cells // self._world.n_actions, axis=0)[:, : self._world.observation.n_columns]

    def _draw_block(self, episode: int, level: int) -> None:
        n_places = len(self._world.level_cells[level])
        per_word = int(seeding.draws_per_word(n_places))
        self._first, self._level = episode - episode % per_word, level
        n_episodes = max(1, BLOCK // len(self._keys) // per_word) * per_word
        reused = self._places if len(self._places) == n_episodes else None
        self._places = seeding.block_below(self._keys, self._first, n_episodes, n_places, out=reused)
        self._is_gathered = self._places.size <= BLOCK
        if self._is_gathered:
            self._cells, self._rows = self._gather(self._places)

    def _gather(self, places: Integers) -> tuple[Integers, Rows]:
        world, level = self._world, self._level
        rows = world.level_rows[level].take(places, axis=0)[..., : world.observation.n_columns]
        if world.level_is_prefix[level]:  # a multiplication costs half of a gather
            return places * world.n_actions, rows
        return world.level_cells[level].take(places), rows
