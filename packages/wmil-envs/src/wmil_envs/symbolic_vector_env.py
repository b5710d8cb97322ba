"""Many copies of a symbolic world, stepped together by a handful of gathers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from wmil_envs import rendering, seeding
from wmil_envs.attribute import Attribute
from wmil_envs.bank import Bank
from wmil_envs.batch_arguments import checked_actions, checked_instances, checked_levels, checked_mask
from wmil_envs.observation import Rows
from wmil_envs.oracle import Oracle
from wmil_envs.parent import Parent
from wmil_envs.reward import GOAL_ONLY, scalarise
from wmil_envs.start_draws import StartDraws
from wmil_envs.task import Task
from wmil_envs.world import World

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Infos = dict[str, Any]

_NEVER = -1


class SymbolicVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` copies of a symbolic world as one Gymnasium vector environment.

    Env i behaves, bit for bit, like a `SymbolicEnv` with the seed `seed + i`, whatever `num_envs` is. Steps return
    fresh arrays. The documentation page "Environments" says which infos each autoreset mode brings.

    Args:
        task: the task, or the import string of its class.
        num_envs: number of copies.
        autoreset_mode: `"same_step"` (default: no call is spent on a reset), `"next_step"` or `"disabled"`, or
            Gymnasium's `AutoresetMode`.
        group_size: consecutive envs that draw the same instances (for group-relative methods).
        render_mode: None, `"ansi"` or `"rgb_array"`.
        **arguments: those of `World` and of the task.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    def __init__(
        self,
        task: Task | str,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = "same_step",
        group_size: int = 1,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        if group_size < 1 or num_envs % group_size:
            raise ValueError(f"group_size must divide the {num_envs} envs into equal groups, {group_size} does not")
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode must be one of {self.metadata['render_modes']}, not {render_mode!r}")
        self.world = World(task, **arguments)
        self.num_envs = num_envs
        self.group_size = group_size
        self.render_mode = render_mode
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self.world.observation.space()
        self.single_action_space = spaces.Discrete(self.world.n_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._encode = self.world.observation.encoder()
        self._everyone, self._no_one = np.ones(num_envs, dtype=np.bool_), np.zeros(num_envs, dtype=np.bool_)
        self._counts_rewards = self.world.info == "full" or self.world.reward_weights != GOAL_ONLY
        self._counts_right = self.world.info == "full" or self.world.curriculum is not None
        self._seed: int | None = None
        self._episode: int | Integers = -1
        """Number of the current episode, from 0; one for all envs until `reset_mask` sets some apart."""
        self._step: int | Integers = 0
        """Answers given in the current episode; one number or one for each env, like `_episode`."""
        self._levels: int | Integers = self.world.level
        self._fixed_levels: int | Integers | None = None
        """Levels that the last reset asked for."""
        self._base: Integers
        """(n,) first cell of each env's instance: instance * n_actions."""
        self._rows: Rows
        """(n, n_columns) the latest observations."""
        self._reset_is_due = False

    # What the world is made of.

    @property
    def task(self) -> Task:
        """What is asked and what is right."""
        return self.world.task

    @property
    def parent(self) -> Parent:
        """Who judges."""
        return self.world.parent

    @property
    def bank(self) -> Bank:
        """Parent and task as tables."""
        return self.world.bank

    @property
    def oracle(self) -> Oracle:
        """Floors and ceilings at the env's level."""
        return self.world.oracle()

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The columns of an observation."""
        return self.world.observation.attributes

    @property
    def horizon(self) -> int:
        """Steps in an episode."""
        return self.world.horizon

    @property
    def is_seeded(self) -> bool:
        """Whether a first reset has been made."""
        return self._seed is not None

    # Episodes.

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Infos]:
        """Begin the next episode of every env, or of those in `options["reset_mask"]`.

        Args:
            seed: env i gets the seed `seed + i`, and its first episode begins.
            options: `"instance"` (int or (n,)) starts this episode there; `"level"` (int or (n,)) holds until the next
                reset; `"reset_mask"` (n,), with `autoreset_mode="disabled"`, resets only some envs.

        Returns:
            Observations and infos.

        Raises:
            ValueError: an unknown option, instance or level, or a mask in another autoreset mode.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        resets = self._checked_mask(options.pop("reset_mask", None))
        instance, level = options.pop("instance", None), options.pop("level", None)
        if options:
            raise ValueError(f"reset takes the options instance, level and reset_mask, not {sorted(options)}")
        if resets is not None and (level is not None or seed is not None or self._seed is None):
            raise ValueError("reset_mask comes after a first reset of all envs, and without a seed or a level")
        instances = None if instance is None else checked_instances(instance, self.num_envs, self.bank)
        levels = None if level is None else checked_levels(level, self.num_envs, self.task)
        if seed is not None or self._seed is None:
            self._take_seed(int(self.np_random.integers(2**32)) if seed is None else seed)
        if resets is None:
            self._fixed_levels = levels
            rows = self._begin(instances)
        else:
            rows = self._begin_some(resets, instances)
        self._reset_is_due = bool(np.any(self._step == self.world.horizon))
        return self._encoded(rows), self._reset_infos(self._everyone if resets is None else resets)

    def _checked_mask(self, mask: Any) -> Bools | None:
        if mask is None:
            return None
        if self.autoreset_mode is not AutoresetMode.DISABLED:
            raise ValueError('reset_mask needs an env made with autoreset_mode="disabled"')
        return checked_mask(mask, self.num_envs)

    def _take_seed(self, seed: int) -> None:
        def keys(stream: int, group_size: int = 1) -> npt.NDArray[np.uint64]:
            return seeding.env_keys(seed, self.num_envs, stream, group_size)

        self._seed = seed
        self._draws = StartDraws(self.world, keys(seeding.INSTANCES, self.group_size))
        self._successor_keys = keys(seeding.SUCCESSORS, self.group_size)
        self._level_keys, self._noise_keys = keys(seeding.LEVELS, self.group_size), keys(seeding.NOISE)
        self._episode = -1
        self._n_right = np.zeros(self.num_envs, dtype=np.int64)
        n_looks = int(self.bank.visible_ids.max()) + 1 if self._counts_rewards else 0
        self._last_answers = np.full((self.num_envs, n_looks), -1, dtype=np.int64)

    def _begin(self, instances: Integers | None = None) -> Rows:
        """Begin the next episode everywhere; the first observations (n, n_columns)."""
        self._episode, self._step = self._episode + 1, 0
        if self._counts_right:
            self._n_right = np.zeros(self.num_envs, dtype=np.int64)
        self._levels = self._next_levels(self._everyone)
        if instances is None and type(self._episode) is int and type(self._levels) is int:
            self._base, self._rows = self._draws.together(self._episode, self._levels)
        else:
            self._base = self._start_cells(instances)
            self._rows = self._draws.rows(self._base)
        return self._rows

    def _begin_some(self, resets: Bools, instances: Integers | None) -> Rows:
        """Begin the next episode where `resets` says so; the observations (n, n_columns) of all envs."""
        self._episode = np.where(resets, self._episode + 1, self._episode)
        self._step = np.where(resets, 0, self._step)
        self._n_right = np.where(resets, 0, self._n_right)
        self._levels = np.where(resets, self._next_levels(resets), self._levels)
        self._base = np.where(resets, self._start_cells(instances), self._base)
        self._rows = np.where(resets[:, None], self._draws.rows(self._base), self._rows)
        return self._rows.copy()

    def _start_cells(self, instances: Integers | None) -> Integers:
        if instances is not None:
            return instances * self.world.n_actions
        return self._draws.apart(np.asarray(self._episode), np.asarray(self._levels))

    def _next_levels(self, resets: Bools) -> int | Integers:
        if self._fixed_levels is not None:
            return self._fixed_levels
        if self.world.curriculum is None:
            return self.world.level
        levels = np.zeros(self.num_envs, dtype=np.int64)
        episodes = np.asarray(self._episode)
        levels[resets] = self.world.curriculum.sample(seeding.uniforms(self._level_keys, episodes)[resets])
        return levels

    # Steps.

    def step(self, actions: Any) -> tuple[Any, Floats, Bools, Bools, Infos]:
        """Judge one action of every env.

        Args:
            actions: (n,) integers in [0, n_actions).

        Returns:
            Observations, rewards (n,) float64, terminations (n,), truncations (n,) and infos, all freshly made.

        Raises:
            ValueError: actions of another shape, type or range.
            gymnasium.error.ResetNeeded: before the first reset or, without autoreset, after an episode's end.
        """
        actions = checked_actions(actions, self.num_envs, self.world.n_actions)
        if self._seed is None:
            raise ResetNeeded("call reset before the first step")
        if self._reset_is_due:
            return self._step_after_the_end()
        world = self.world
        cells = self._base + actions
        right = world.right.take(cells)
        rewards = right.astype(np.float64) if world.scores_are_truth else world.scores.take(cells)
        flipped = None
        if world.flip > 0.0:
            flipped = seeding.uniforms(self._noise_keys, self._counters()) < world.flip
            rewards = np.where(flipped, 1.0 - rewards, rewards)
        infos: Infos = {"success": right, "_success": self._everyone.copy()}
        if self._counts_rewards:
            rewards = self._count_rewards(cells, actions, rewards, infos)
        rows = self._advance(cells, actions, flipped)
        if self._counts_right:
            self._n_right += right
        if world.info == "full":
            self._describe(cells, infos)
        return self._end(rows, rewards, infos)

    def _advance(self, cells: Integers, actions: Integers, flipped: Bools | None) -> Rows:
        """Move to the next instances; the observations (n, n_columns) that show the outcome."""
        world, observation = self.world, self.world.observation
        if world.outcomes is not None:
            rows = world.outcomes.take(cells, axis=0)[:, : observation.n_columns]
            if world.horizon > 1:
                self._base = self._following(cells)
        else:
            self._base = self._following(cells)
            says_right = world.says_right.take(cells)
            rows = self._draws.rows(self._base)
            rows[:, observation.n_visible] = actions + 1
            rows[:, observation.n_visible + 1] = 1 + (says_right if flipped is None else says_right ^ flipped)
        self._step = self._step + 1
        if observation.steps_left:
            rows[:, observation.n_visible + 2] = world.horizon - self._step
        self._rows = rows
        return rows

    def _end(self, rows: Rows, rewards: Floats, infos: Infos) -> tuple[Any, Floats, Bools, Bools, Infos]:
        """What a step returns, after the ends of episodes are dealt with as the autoreset mode says."""
        ended = self._step == self.world.horizon
        if ended is False or (ended is not True and not ended.any()):
            return self._encoded(rows), rewards, self._no_one.copy(), self._no_one.copy(), infos
        terminations = self._everyone.copy() if ended is True else ended
        if self.world.curriculum is not None:
            levels = np.broadcast_to(self._levels, (self.num_envs,))
            self.world.curriculum.update(levels[terminations], self._n_right[terminations] / self.world.horizon)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos["final_obs"], infos["_final_obs"] = self._encoded(rows), self._everyone.copy()
            rows = self._begin()
        else:
            self._reset_is_due = True
            if self.autoreset_mode is AutoresetMode.DISABLED:
                self._rows = rows.copy()
        return self._encoded(rows), rewards, terminations, self._no_one.copy(), infos

    def _step_after_the_end(self) -> tuple[Any, Floats, Bools, Bools, Infos]:
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ResetNeeded("an episode has ended: reset it with options={'reset_mask': terminations | truncations}")
        self._reset_is_due = False
        rows = self._begin()
        rewards = np.zeros(self.num_envs)
        return self._encoded(rows), rewards, self._no_one.copy(), self._no_one.copy(), self._reset_infos(self._everyone)

    def _following(self, cells: Integers) -> Integers:
        """(n,) first cells of the next instances."""
        world, successors = self.world, self.bank.successors
        if world.following is not None:
            return world.following.take(cells)
        if successors is None:
            levels = np.asarray(self._levels)
            places = seeding.below(self._successor_keys, self._counters(), world.level_sizes[levels])
            return world.start_cells(levels, places)
        instances, actions = np.divmod(cells, world.n_actions)
        assert self.bank.successor_probabilities is not None
        cumulative = self.bank.successor_probabilities[instances, actions].cumsum(-1)
        drawn = seeding.uniforms(self._successor_keys, self._counters())
        chosen = (drawn[:, None] >= cumulative[:, :-1]).sum(-1)
        following: Integers = successors[instances, actions, chosen] * world.n_actions
        return following

    def _counters(self) -> Integers:
        """A number for each step of an env's life, never used twice: () or (n,)."""
        return np.asarray(self._episode * self.world.horizon + self._step)

    # Infos.

    def _count_rewards(self, cells: Integers, actions: Integers, goal: Floats, infos: Infos) -> Floats:
        """The scalar rewards (n,), with the vector's components in the infos."""
        looks = self.bank.visible_ids[cells // self.world.n_actions]
        envs = np.arange(self.num_envs)
        vectors = np.zeros((self.num_envs, 3))
        vectors[:, 0] = goal
        vectors[:, 2] = self._last_answers[envs, looks] == actions
        self._last_answers[envs, looks] = actions
        weights = self.world.reward_weights
        if self.world.info == "full":
            self._add(infos, vector_reward=vectors, reward_weights=np.tile(np.asarray(weights), (self.num_envs, 1)))
        return scalarise(vectors, weights)

    def _describe(self, cells: Integers, infos: Infos) -> None:
        bank, instances = self.bank, cells // self.world.n_actions
        self._add(
            infos,
            task=self._everyone * np.asarray(self._levels),
            task_completion=self._n_right / self.world.horizon,
            instance=instances,
            target=bank.correct[instances],
            regret=bank.mean_rewards[instances].max(1) - bank.mean_rewards.ravel()[cells],
        )

    def _reset_infos(self, resets: Bools) -> Infos:
        infos: Infos = {}
        if self.world.info == "full":
            instances = self._base // self.world.n_actions
            levels = self._everyone * np.asarray(self._levels)
            self._add(infos, task=levels, instance=instances, target=self.bank.correct[instances])
            for key in list(infos):
                if key.startswith("_"):
                    infos[key] = resets.copy()
        return infos

    def _add(self, infos: Infos, **values: npt.NDArray[Any]) -> None:
        for key, value in values.items():
            infos[key], infos[f"_{key}"] = value, self._everyone.copy()

    def _encoded(self, rows: Rows) -> Any:
        return rows if self._encode is None else self._encode(rows)

    # What else can be asked.

    def action_scores(self) -> Floats:
        """The parent's scores (n, n_actions) of every action in the current states, for all-action learners.

        Raises:
            RuntimeError: the env was not made with `reveals_all_actions=True`.
        """
        if not self.world.reveals_all_actions:
            raise RuntimeError(
                "this env reveals the score of the chosen action only; make it with reveals_all_actions=True, and say "
                "so beside every result"
            )
        scores: Floats = self.bank.scores[self._base // self.world.n_actions]
        return scores

    def cells_ahead(self, episode: int) -> list[int]:
        """The first cells of env 0 in this episode and some that follow, the last one first."""
        return self._draws.ahead(episode, self.world.level)

    def prompts(self) -> tuple[str, ...]:
        """The latest observation of each env as text, for a language model that plays."""
        return tuple(self.world.observation.prompt(row) for row in self._rows)

    def render(self) -> Any:
        """One frame for each env: a string or an (H, W, 3) uint8 image; None without a render mode."""
        observation = self.world.observation
        if self.render_mode is None:
            return None
        frames = [observation.label(row) for row in self._rows]
        if self.render_mode == "ansi":
            return tuple(rendering.ansi(frame) for frame in frames)
        return tuple(rendering.rgb_array(frame, n_columns=observation.widest_row) for frame in frames)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future of the envs depends on, as arrays and plain data.

        Raises:
            gymnasium.error.ResetNeeded: there is no state before the first reset.
        """
        if self._seed is None:
            raise ResetNeeded("there is no state to save before the first reset")
        curriculum = self.world.curriculum
        arrays = {name: np.array(getattr(self, f"_{name}")) for name in _ARRAYS}
        plain = {name: _plain(getattr(self, f"_{name}")) for name in _INTS_OR_ARRAYS}
        return {
            "task": repr(self.task),
            "num_envs": self.num_envs,
            "seed": self._seed,
            "reset_is_due": self._reset_is_due,
            "curriculum": None if curriculum is None else curriculum.state_dict(),
            **arrays,
            **plain,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict` of an env made with the same arguments.

        Raises:
            ValueError: the state is of another task or another number of envs.
        """
        for name, own in (("task", repr(self.task)), ("num_envs", self.num_envs)):
            if state[name] != own:
                raise ValueError(f"the state is of an env with {name} {state[name]}, this one has {own}")
        self._take_seed(state["seed"])
        self._reset_is_due = state["reset_is_due"]
        if self.world.curriculum is not None:
            self.world.curriculum.load_state_dict(state["curriculum"])
        for name in _ARRAYS:
            setattr(self, f"_{name}", np.array(state[name]))
        for name in _INTS_OR_ARRAYS:
            setattr(self, f"_{name}", _plain(state[name]))


_ARRAYS = ("base", "rows", "n_right", "last_answers")
_INTS_OR_ARRAYS = ("episode", "step", "levels", "fixed_levels")


def _plain(value: Any) -> Any:
    """An array as a copy, a number as an int, None as None."""
    return value if value is None else int(value) if np.ndim(value) == 0 else np.array(value)


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    try:
        return AutoresetMode[mode.upper()]
    except (KeyError, AttributeError):
        names = ", ".join(member.name.lower() for member in AutoresetMode)
        raise ValueError(f"autoreset_mode must be one of {names}, not {mode!r}") from None
