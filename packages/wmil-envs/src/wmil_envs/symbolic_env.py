"""One symbolic world as a Gymnasium environment."""

from __future__ import annotations

from multiprocessing import parent_process
from operator import index
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from wmil_envs.observation import Rows
from wmil_envs.reward import GOAL_ONLY
from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
from wmil_envs.task import Task
from wmil_envs.world import InWorld

_ENDED = "the episode has ended: call reset before the next step"


class SymbolicEnv(InWorld, gym.Env[Any, Any]):
    """One copy of a symbolic world: env 0 of a `SymbolicVectorEnv` with the same seed, bit for bit.

    Args:
        task: the task, or the import string of its class; a registered id brings its own.
        parent: who judges: None or `"rule"`, `{"kind": "noisy", "flip": 0.1}`, `{"kind": "recorded", "path": ...}`,
            `{"kind": "llm", "provider": ..., "model": ...}`, or an object, see `Parent` and `LazyParent`.
        level: the level of every episode; the task's default for None.
        curriculum: `"mastery"`, `"uniform"` or `{"kind": ..., ...}` instead of a level. Each single env has its own:
            let one serve many envs by `gym.make_vec`, or hand a `Curriculum` to the constructors of several (Gymnasium
            copies what it is given, so not by `gym.make`). Only episodes that reach their own end count.
        time_aware: whether an episode of several steps shows how many are left.
        obs: `"attributes"` (one integer per attribute), `"onehot"` or `"dict"`.
        info: `"lean"` (success only) or `"full"` (reward vector, task, completion, instance, target, regret).
        reward_weights: weights of (goal, pred, cons) in the scalar reward; goal alone by default.
        reveals_all_actions: whether `action_scores` may be asked.
        render_mode: None, `"ansi"` or `"rgb_array"`.
        **task_arguments: those of the task: `horizon`, `dynamics`, `alphabet` and its own.
    """

    metadata: dict[str, Any] = SymbolicVectorEnv.metadata

    def __init__(self, task: Task | str, *, render_mode: str | None = None, **arguments: Any) -> None:
        for name in ("num_envs", "group_size", "autoreset_mode"):
            if name in arguments:
                raise TypeError(f"{name} is an argument of a vector env: gym.make_vec(id, num_envs=n, ...)")
        # The batch of one is the truth. Where nothing but the cell decides what follows, reset and step below run ahead
        # of it on plain Python numbers, and `_catch_up` brings it level whenever it is asked.
        self._batch = SymbolicVectorEnv(task, 1, autoreset_mode="disabled", render_mode=render_mode, **arguments)
        self.world = world = self._batch.world
        if world.curriculum is not None and world.curriculum.adaptive and parent_process() is not None:
            raise RuntimeError(
                "a curriculum that learns would be private to this worker process and hear of one env only: step the "
                "envs in one process, gym.make_vec(id, num_envs=n, curriculum=...) shares one curriculum"
            )
        self.render_mode = render_mode
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space
        self._n_actions, self._horizon = world.n_actions, world.horizon
        self._take_tables()
        self._is_ahead = False
        self._upcoming: list[int] = []
        self._episode, self._step, self._cell = -1, 0, -1
        self._row: Rows

    def _take_tables(self) -> None:
        """Copy what the fast path reads, if the world is such that it can be taken."""
        world = self.world
        self._tables_of = world.bank
        self._runs_ahead = (
            not world.has_gaps
            and world.outcomes is not None
            and world.curriculum is None
            and world.observation.encoder() is None
            and world.info == "lean"
            and world.reward_weights == GOAL_ONLY
        )
        if self._runs_ahead:
            assert world.outcomes is not None
            n_columns = world.observation.n_columns
            self._starts = list(np.ascontiguousarray(world.starts[:, :n_columns]))
            self._outcomes = list(np.ascontiguousarray(world.outcomes[:, :n_columns]))
            self._scores, self._right = world.scores.tolist(), world.right.tolist()
            self._following: list[int] = [] if world.following is None else world.following.tolist()
            self._shows_steps_left = world.observation.steps_left

    # Episodes and steps.

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode.

        Args:
            seed: a new sequence of episodes begins.
            options: `"instance"` starts this episode there, `"level"` sets its level.

        Returns:
            Observation and info.

        Raises:
            ValueError: an unknown option, instance or level.
            RuntimeError: the parent may leave answers unjudged, and nobody has called `accept_unjudged`.
        """
        if not self._is_ahead or seed is not None or options:
            return self._reset_batch(seed, options)
        if not self._upcoming:
            self._catch_up()
            self._upcoming = self._batch.cells_ahead()
        self._episode += 1
        self._step = 0
        self._cell = self._upcoming.pop()
        self._row = self._starts[self._cell // self._n_actions].copy()
        return self._row, {}

    def _reset_batch(self, seed: int | None, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if isinstance(options, dict) and "reset_mask" in options:
            raise ValueError("reset_mask is an option of vector envs")
        self._catch_up()
        if seed is None and not self._batch.is_seeded:
            seed = self.np_random_seed
        obs, infos = self._batch.reset(seed=seed, options=options)
        if self._tables_of is not self.world.bank:  # the parent has said more
            self._take_tables()
        if self._runs_ahead:
            state = self._batch.state_dict()
            self._is_ahead, self._upcoming = True, []
            self._episode, self._step, self._cell = state["episode"], 0, int(state["base"][0])
            self._row = obs[0]
        return _first(obs), _first_info(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Judge one action.

        Args:
            action: an integer in [0, n_actions).

        Returns:
            Observation, reward, terminated, truncated (only where the parent may leave answers unjudged) and info.

        Raises:
            ValueError: an action of another type or range.
            gymnasium.error.ResetNeeded: before the first reset, or after the episode's end.
        """
        if action.__class__ is not int:
            action = self._integer(action)
        if not 0 <= action < self._n_actions:
            raise ValueError(f"the action must be at least 0 and below {self._n_actions}, not {action}")
        if not self._is_ahead:
            if self._batch.is_seeded and self._batch.reset_is_due:
                raise ResetNeeded(_ENDED)
            obs, rewards, terminations, truncations, infos = self._batch.step(np.array([action], dtype=np.int64))
            return _first(obs), float(rewards[0]), bool(terminations[0]), bool(truncations[0]), _first_info(infos)
        if self._step == self._horizon:
            raise ResetNeeded(_ENDED)
        cell = self._cell + action
        self._row = row = self._outcomes[cell].copy()
        self._step += 1
        if self._step < self._horizon:
            self._cell = self._following[cell]
        if self._shows_steps_left:
            row[-1] = self._horizon - self._step
        return row, self._scores[cell], self._step == self._horizon, False, {"success": self._right[cell]}

    def _integer(self, action: Any) -> int:
        try:
            if isinstance(action, bool | np.bool_):
                raise TypeError
            return index(action)
        except TypeError:
            raise ValueError(f"the action must be an integer, not {action!r}") from None

    def _catch_up(self) -> None:
        """Bring the batch of one to where the fast path has got."""
        if self._is_ahead:
            state = self._batch.state_dict()
            state |= {"episode": self._episode, "step": self._step, "reset_is_due": self._step == self._horizon}
            state |= {"base": np.array([self._cell]), "rows": self._row[None].copy(), "verdicts": None}
            self._batch.load_state_dict(state)

    # What else can be asked.

    def action_scores(self) -> Any:
        """The parent's scores (n_actions,) of every action in the current state; see `SymbolicVectorEnv`."""
        self._catch_up()
        return self._batch.action_scores()[0]

    def prompt(self) -> str:
        """The latest observation as text, for a language model that plays."""
        self._catch_up()
        return self._batch.prompts()[0]

    def render(self) -> Any:
        """The latest observation: a string or an (H, W, 3) uint8 image; None without a render mode."""
        self._catch_up()
        frames = self._batch.render()
        return None if frames is None else frames[0]

    def state_dict(self) -> dict[str, Any]:
        """Everything that the env's future depends on, as arrays and plain data; see `SymbolicVectorEnv`."""
        self._catch_up()
        return self._batch.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict` of an env made with the same arguments."""
        self._batch.load_state_dict(state)
        if self._tables_of is not self.world.bank:
            self._take_tables()
        self._is_ahead = self._runs_ahead
        if self._runs_ahead:
            self._upcoming = []
            self._episode, self._step = state["episode"], state["step"]
            self._cell, self._row = int(state["base"][0]), np.array(state["rows"][0])


def _first(obs: Any) -> Any:
    return {name: value[0] for name, value in obs.items()} if isinstance(obs, dict) else obs[0]


def _first_info(infos: dict[str, Any]) -> dict[str, Any]:
    row = {key: value[0] for key, value in infos.items() if not key.startswith("_") and infos[f"_{key}"][0]}
    return {key: value.item() if np.ndim(value) == 0 else value for key, value in row.items()}
