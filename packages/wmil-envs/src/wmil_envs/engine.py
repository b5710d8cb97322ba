"""The engine: where every env of a batch is, and where its answers lead."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wmil_envs import seeding
from wmil_envs.observation import Rows
from wmil_envs.parent import SOURCES, UNJUDGED, SourceCodes
from wmil_envs.reward import GOAL_ONLY, scalarise
from wmil_envs.start_draws import StartDraws
from wmil_envs.world import World

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Answered(NamedTuple):
    """What one answer of every env brought. All arrays are fresh, one row for each env."""

    cells: Integers
    """The (instance, action) answered: instance * n_actions + action."""
    right: Bools
    """Whether the action was the correct one."""
    rewards: Floats
    """The scalar reward."""
    vectors: Floats | None
    """The reward vector (n, 3), where anybody wants it."""
    rows: Rows
    """The observation (n, n_columns) that shows the outcome."""
    sources: SourceCodes | None
    """Where the verdicts come from, where anybody wants to know."""


class Engine:
    """`num_envs` copies of a world, in step with each other unless some are begun apart.

    Args:
        world: what does not change.
        num_envs: number of copies.
        group_size: consecutive envs that draw the same instances.
    """

    def __init__(self, world: World, num_envs: int, group_size: int = 1) -> None:
        self.world, self.num_envs, self.group_size = world, num_envs, group_size
        self.seed: int | None = None
        """The seed of env 0; None until the first one is taken."""
        self.episode: int | Integers = -1
        """Number of the current episode, from 0; one for all envs until `begin_some` sets some apart."""
        self.step: int | Integers = 0
        """Answers given in the current episode; one number or one for each env, like `episode`."""
        self.levels: int | Integers = world.level
        self.fixed_levels: int | Integers | None = None
        """Levels that a caller asked for, instead of the world's own or its curriculum's."""
        self.base: Integers
        """(n,) first cell of each env's instance: instance * n_actions."""
        self.rows: Rows
        """(n, n_columns) the latest observations."""
        self.n_right: Integers
        """(n,) right answers in the current episode, where anybody wants to know."""
        self.cut: Bools | None = None
        """(n,) whose episode was cut off, because nobody judged its last answer; None for nobody's."""
        self._everyone = np.ones(num_envs, dtype=np.bool_)
        self._counts_right = world.info == "full" or world.curriculum is not None
        self._counts_rewards = world.info == "full" or world.reward_weights != GOAL_ONLY

    def take_seed(self, seed: int) -> None:
        """Env i has the seed `seed + i` from now on, and its first episode lies ahead."""

        def keys(stream: int, group_size: int = 1) -> npt.NDArray[np.uint64]:
            return seeding.env_keys(seed, self.num_envs, stream, group_size)

        self.seed = seed
        self._draws = StartDraws(self.world, keys(seeding.INSTANCES, self.group_size))
        self._successor_keys = keys(seeding.SUCCESSORS, self.group_size)
        self._level_keys, self._noise_keys = keys(seeding.LEVELS, self.group_size), keys(seeding.NOISE)
        self.episode = -1
        self.n_right = np.zeros(self.num_envs, dtype=np.int64)
        n_looks = int(self.world.bank.visible_ids.max()) + 1 if self._counts_rewards else 0
        self.last_answers = np.full((self.num_envs, n_looks), -1, dtype=np.int64)
        """(n, looks) what each env's learner answered the last time it saw the same; -1 before the first time."""

    # Episodes.

    def begin(self, instances: Integers | None = None) -> Rows:
        """Begin the next episode everywhere, at drawn or at given instances; the first observations."""
        self.episode, self.step, self.cut = self.episode + 1, 0, None
        if self._counts_right:
            self.n_right = np.zeros(self.num_envs, dtype=np.int64)
        self.levels = self._next_levels(self._everyone)
        if instances is None and type(self.episode) is int and type(self.levels) is int:
            self.base, self.rows = self._draws.together(self.episode, self.levels)
        else:
            self.base = self._start_cells(instances)
            self.rows = self._draws.rows(self.base)
        return self.rows

    def begin_some(self, resets: Bools, instances: Integers | None) -> Rows:
        """Begin the next episode where `resets` says so; the observations of all envs."""
        self.episode = np.where(resets, self.episode + 1, self.episode)
        self.step = np.where(resets, 0, self.step)
        self.n_right = np.where(resets, 0, self.n_right)
        self.levels = np.where(resets, self._next_levels(resets), self.levels)
        self.base = np.where(resets, self._start_cells(instances), self.base)
        self.rows = np.where(resets[:, None], self._draws.rows(self.base), self.rows)
        if self.cut is not None:
            self.cut = still if (still := self.cut & ~resets).any() else None
        return self.rows

    def ended(self) -> bool | Bools:
        """Whether the current episode has ended: one answer while all envs are in step, else (n,)."""
        ended = self.step == self.world.horizon
        return ended if self.cut is None else ended | self.cut

    def cells_ahead(self) -> list[int]:
        """The first cells of env 0 in the next episode and some that follow, the last one first."""
        assert type(self.episode) is int
        return self._draws.ahead(self.episode + 1, self.world.level)

    def _start_cells(self, instances: Integers | None) -> Integers:
        if instances is not None:
            return instances * self.world.n_actions
        return self._draws.apart(np.asarray(self.episode), np.asarray(self.levels))

    def _next_levels(self, resets: Bools) -> int | Integers:
        if self.fixed_levels is not None:
            return self.fixed_levels
        if self.world.curriculum is None:
            return self.world.level
        levels = np.zeros(self.num_envs, dtype=np.int64)
        levels[resets] = self.world.curriculum.sample(
            seeding.uniforms(self._level_keys, np.asarray(self.episode))[resets]
        )
        return levels

    # Answers.

    def scores(self) -> Floats:
        """(n, n_actions) the verdict that each action would meet now, noise included."""
        n_actions = self.world.n_actions
        if self.world.has_gaps:
            self.world.ask((self.base[:, None] + np.arange(n_actions)).ravel())
        scores: Floats = self.world.scores.reshape(-1, n_actions)[self.base // n_actions]
        flipped = self._flipped()
        return scores if flipped is None else np.where(flipped[:, None], 1.0 - scores, scores)

    def answer(self, actions: Integers, playing: Bools | None = None) -> Answered:
        """Judge one action (n,) of every env, and move to what follows.

        Args:
            actions: (n,) each below n_actions.
            playing: (n,) the envs that this is about, all for None; the others are to begin a new episode next.
        """
        world = self.world
        cells = self.base + actions
        sources = self._asked(cells, playing) if world.has_gaps else None
        right = world.right.take(cells)
        rewards = right.astype(np.float64) if world.scores_are_truth else world.scores.take(cells)
        flipped, vectors = self._flipped(), None
        if flipped is not None:
            rewards = np.where(flipped, 1.0 - rewards, rewards)
        if self._counts_rewards:
            vectors = self._reward_vectors(cells, actions, rewards, playing)
            rewards = scalarise(vectors, world.reward_weights)
        if self._counts_right:
            self.n_right += right
        self.rows = self._advance(cells, actions, flipped)
        if self.cut is not None:
            self._leave_unjudged(self.cut, rewards, vectors)
        if sources is None and world.info == "full":
            sources = world.sources(cells)
        return Answered(cells, right, rewards, vectors, self.rows, sources)

    def _asked(self, cells: Integers, playing: Bools | None) -> SourceCodes:
        """Has the parent judge these cells (n,); where the verdicts come from."""
        world = self.world
        asked = cells if playing is None else cells[playing]
        world.ask(asked)
        assert world.verdicts is not None
        sources = world.sources(cells)
        met = sources if playing is None else sources[playing]
        unjudged = sources == UNJUDGED if playing is None else (sources == UNJUDGED) & playing
        is_cut = bool(unjudged.any())
        if is_cut and not world.may_leave_unjudged:
            raise ValueError("the parent left an answer unjudged, which its may_leave_unjudged does not announce")
        self.cut = unjudged if is_cut else None
        world.verdicts.n_answers += np.bincount(met, minlength=len(SOURCES))
        return sources

    def _leave_unjudged(self, cut: Bools, rewards: Floats, vectors: Floats | None) -> None:
        """Shows no verdict where nobody judged."""
        rewards[cut] = 0.0
        if vectors is not None:
            vectors[cut] = 0.0
        self.rows[cut, self.world.observation.n_visible + 1] = 0

    def _flipped(self) -> Bools | None:
        """(n,) whether the parent's verdict on the coming answer is turned into its opposite; None without noise."""
        if self.world.flip == 0.0:
            return None
        return seeding.uniforms(self._noise_keys, self._counters()) < self.world.flip

    def _reward_vectors(self, cells: Integers, actions: Integers, goal: Floats, playing: Bools | None) -> Floats:
        looks = self.world.bank.visible_ids[cells // self.world.n_actions]
        envs = np.arange(self.num_envs)
        consistent: npt.NDArray[Any] = self.last_answers[envs, looks] == actions
        seen = envs if playing is None else envs[playing]
        self.last_answers[seen, looks[seen]] = actions[seen]
        if self.world.consistency is not None:
            judged = self.world.consistency.take(cells)
            consistent = np.where(np.isnan(judged), consistent, judged)
        return np.stack([goal, np.zeros_like(goal), consistent], axis=1)

    def _advance(self, cells: Integers, actions: Integers, flipped: Bools | None) -> Rows:
        world, observation = self.world, self.world.observation
        if world.outcomes is not None:
            rows = world.outcomes.take(cells, axis=0)[:, : observation.n_columns]
            if world.horizon > 1:
                self.base = self._following(cells)
        else:
            self.base = self._following(cells)
            says_right = world.says_right.take(cells)
            rows = self._draws.rows(self.base)
            rows[:, observation.n_visible] = actions + 1
            rows[:, observation.n_visible + 1] = 1 + (says_right if flipped is None else says_right ^ flipped)
        self.step = self.step + 1
        if observation.steps_left:
            rows[:, observation.n_visible + 2] = world.horizon - self.step
        return rows

    def _following(self, cells: Integers) -> Integers:
        """(n,) first cells of the next instances."""
        world, bank = self.world, self.world.bank
        if world.following is not None:
            return world.following.take(cells)
        if bank.successors is None:
            levels = np.asarray(self.levels)
            places = seeding.below(self._successor_keys, self._counters(), world.level_sizes[levels])
            return world.start_cells(levels, places)
        assert bank.successor_probabilities is not None
        instances, actions = np.divmod(cells, world.n_actions)
        cumulative = bank.successor_probabilities[instances, actions].cumsum(-1)
        drawn = seeding.uniforms(self._successor_keys, self._counters())
        chosen = (drawn[:, None] >= cumulative[:, :-1]).sum(-1)
        following: Integers = bank.successors[instances, actions, chosen] * world.n_actions
        return following

    def _counters(self) -> Integers:
        """A number for each step of an env's life, never used twice: () or (n,)."""
        return np.asarray(self.episode * self.world.horizon + self.step)

    # State.

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, as arrays and plain data."""
        curriculum = self.world.curriculum
        return {
            "seed": self.seed,
            "curriculum": None if curriculum is None else curriculum.state_dict(),
            **{name: _plain(getattr(self, name)) for name in _STATE},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        if self.world.curriculum is not None:
            self.world.curriculum.load_state_dict(state["curriculum"])
        self.take_seed(state["seed"])
        for name in _STATE:
            setattr(self, name, _plain(state[name], _KINDS.get(name, np.int64)))


_STATE = ("episode", "step", "levels", "fixed_levels", "base", "rows", "n_right", "last_answers", "cut")
_KINDS = {"rows": np.int32, "cut": np.bool_}


def _plain(value: Any, dtype: Any = None) -> Any:
    """An array as a copy, a number as an int, None as None."""
    return value if value is None else int(value) if np.ndim(value) == 0 else np.array(value, dtype=dtype)
