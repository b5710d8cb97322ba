"""Many copies of a symbolic world, stepped together by a handful of gathers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from wmil_envs import rendering
from wmil_envs.batch_arguments import checked_actions, checked_instances, checked_levels, checked_mask
from wmil_envs.engine import Answered, Engine
from wmil_envs.integer import checked_integer
from wmil_envs.observation import Rows
from wmil_envs.parent import SOURCES
from wmil_envs.task import Task
from wmil_envs.world import InWorld, World

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Infos = dict[str, Any]

_SOURCE_WORDS = np.array(SOURCES)


class SymbolicVectorEnv(InWorld, VectorEnv[Any, Any, Any]):
    """`num_envs` copies of a symbolic world as one Gymnasium vector environment.

    Env i behaves, bit for bit, like a `SymbolicEnv` with the seed `seed + i`, whatever `num_envs` is (an adaptive
    curriculum, which all of them feed, and groups excepted). Steps return fresh arrays; what a caller writes into the
    latest one shows in `render` and `prompts` and nowhere else. The documentation page "Environments" says which infos
    each autoreset mode brings.

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
        num_envs = checked_integer("num_envs", num_envs, 1)
        if num_envs % checked_integer("group_size", group_size, 1):
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

        self._engine = Engine(self.world, num_envs, group_size)
        self._encode = self.world.observation.encoder()
        self._everyone, self._no_one = np.ones(num_envs, dtype=np.bool_), np.zeros(num_envs, dtype=np.bool_)
        self._reset_is_due = False

    @property
    def is_seeded(self) -> bool:
        """Whether a first reset has been made."""
        return self._engine.seed is not None

    @property
    def reset_is_due(self) -> bool:
        """Whether an episode has ended that nobody has reset yet."""
        return self._reset_is_due

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
            RuntimeError: the parent may leave answers unjudged, and nobody has called `accept_unjudged`.
        """
        self.world.check_unjudged()
        super().reset(seed=seed)
        if options is not None and not isinstance(options, dict):
            raise ValueError(f"options must be a dict, not {options!r}")
        engine, options = self._engine, dict(options or {})
        resets = self._checked_mask(options.pop("reset_mask", None))
        instance, level = options.pop("instance", None), options.pop("level", None)
        if options:
            raise ValueError(f"reset takes the options instance, level and reset_mask, not {sorted(options)}")
        if resets is not None and (level is not None or seed is not None or engine.seed is None):
            raise ValueError("reset_mask comes after a first reset of all envs, and without a seed or a level")
        instances = None if instance is None else checked_instances(instance, self.num_envs, self.bank)
        levels = None if level is None else checked_levels(level, self.num_envs, self.task)
        if seed is not None or engine.seed is None:
            engine.take_seed(int(self.np_random_seed or 0) if seed is None else seed)
        if resets is None:
            engine.fixed_levels = levels
            rows = engine.begin(instances)
        else:
            rows = engine.begin_some(resets, instances)
        self._reset_is_due = bool(np.any(engine.ended()))
        return self._returned(rows), self._reset_infos(self._everyone if resets is None else resets)

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
        engine = self._engine
        self._require_reset()
        if self._reset_is_due:
            return self._step_after_the_end(actions)
        answered = engine.answer(actions)
        infos = self._step_infos(answered, self._everyone)
        ended, rows = engine.ended(), answered.rows
        if ended is False or (ended is not True and not ended.any()):
            return self._returned(rows), answered.rewards, self._no_one.copy(), self._no_one.copy(), infos
        if ended is True:
            ended, terminations, truncations = self._everyone, self._everyone.copy(), self._no_one.copy()
        else:
            truncations = self._no_one.copy() if engine.cut is None else engine.cut
            terminations = ended & ~truncations
        if self.world.curriculum is not None:
            self._count_for_curriculum(terminations)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos["final_obs"], infos["_final_obs"] = self._returned(rows), ended.copy()
            # An env that was cut off begins again by itself, and is then out of step with the others.
            rows = engine.begin() if ended is self._everyone or ended.all() else engine.begin_some(ended, None)
        else:
            self._reset_is_due = True
        return self._returned(rows), answered.rewards, terminations, truncations, infos

    def _count_for_curriculum(self, terminations: Bools) -> None:
        """Tells the curriculum, where there is one, of the episodes that reached their own end."""
        engine = self._engine
        if self.world.curriculum is not None and terminations.any():
            levels = np.broadcast_to(engine.levels, (self.num_envs,))
            self.world.curriculum.update(levels[terminations], engine.n_right[terminations] / self.world.horizon)

    def _step_after_the_end(self, actions: Integers) -> tuple[Any, Floats, Bools, Bools, Infos]:
        """The step on which episodes that have ended begin anew; those of other envs go on."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ResetNeeded("an episode has ended: reset it with options={'reset_mask': terminations | truncations}")
        engine = self._engine
        due = np.logical_and(engine.ended(), self._everyone)
        if due.all():
            self._reset_is_due = False
            obs, rewards = self._returned(engine.begin()), np.zeros(self.num_envs)
            return obs, rewards, self._no_one.copy(), self._no_one.copy(), self._reset_infos(self._everyone)
        answered = engine.answer(actions, playing=~due)
        step_infos = self._step_infos(answered, ~due)
        rows = engine.begin_some(due, None)
        ended = np.logical_and(engine.ended(), self._everyone)
        terminations = ended if engine.cut is None else ended & ~engine.cut
        self._count_for_curriculum(terminations)
        self._reset_is_due = bool(ended.any())
        infos = _merged(step_infos, self._reset_infos(due), due)
        rewards = np.where(due, 0.0, answered.rewards)
        return self._returned(rows), rewards, terminations, ended & ~terminations, infos

    def _returned(self, rows: Rows) -> Any:
        """Rows in the form of the observation space, safe from and for the caller."""
        if self._encode is not None:
            return self._encode(rows)
        # Without autoreset some envs keep their observation over a reset, and the engine its own copy of it.
        return rows.copy() if self.autoreset_mode is AutoresetMode.DISABLED else rows

    # Infos.

    def _step_infos(self, answered: Answered, playing: Bools) -> Infos:
        infos: Infos = {"success": answered.right, "_success": playing.copy()}
        if answered.sources is not None:
            self._add(infos, playing, parent_source=_SOURCE_WORDS.take(answered.sources))
        if self.world.info == "full":
            bank, weights = self.bank, np.asarray(self.world.reward_weights)
            instances = answered.cells // self.world.n_actions
            self._add(
                infos,
                playing,
                vector_reward=answered.vectors,
                reward_weights=np.tile(weights, (self.num_envs, 1)),
                task=self._everyone * np.asarray(self._engine.levels),
                task_completion=self._engine.n_right / self.world.horizon,
                instance=instances,
                target=bank.correct[instances],
            )
            regret = bank.mean_rewards[instances].max(1) - bank.mean_rewards.ravel()[answered.cells]
            is_known = playing if bank.known is None else playing & bank.known[instances].all(1)
            self._add(infos, is_known, regret=regret)
        return infos

    def _reset_infos(self, resets: Bools) -> Infos:
        infos: Infos = {}
        if self.world.info == "full":
            instances = self._engine.base // self.world.n_actions
            levels = self._everyone * np.asarray(self._engine.levels)
            self._add(infos, resets, task=levels, instance=instances, target=self.bank.correct[instances])
        return infos

    @staticmethod
    def _add(infos: Infos, mask: Bools, **values: Any) -> None:
        for key, value in values.items():
            infos[key], infos[f"_{key}"] = value, mask.copy()

    # What else can be asked.

    def action_scores(self) -> Floats:
        """The parent's verdicts (n, n_actions) on every action in the current states, for all-action learners.

        They are the rewards of the goal that the coming step would bring, a noisy parent's flips included.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            RuntimeError: the env was not made with `reveals_all_actions=True`.
        """
        if not self.world.reveals_all_actions:
            raise RuntimeError(
                "this env reveals the score of the chosen action only; make it with reveals_all_actions=True, and say "
                "so beside every result"
            )
        self._require_reset()
        return self._engine.scores()

    def prompts(self) -> tuple[str, ...]:
        """The latest observation of each env as text, for a language model that plays."""
        self._require_reset()
        return tuple(self.world.observation.prompt(row) for row in self._engine.rows)

    def render(self) -> Any:
        """One frame for each env: a string or an (H, W, 3) uint8 image; None without a render mode."""
        observation = self.world.observation
        if self.render_mode is None:
            return None
        self._require_reset()
        frames = [observation.label(row) for row in self._engine.rows]
        if self.render_mode == "ansi":
            return tuple(rendering.ansi(frame) for frame in frames)
        return tuple(rendering.rgb_array(frame, n_columns=observation.widest_row) for frame in frames)

    def cells_ahead(self) -> list[int]:
        """The first cells of env 0 in the next episode and some that follow, the last one first."""
        return self._engine.cells_ahead()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future of the envs depends on, as arrays and plain data.

        Raises:
            gymnasium.error.ResetNeeded: there is no state before the first reset.
        """
        self._require_reset()
        verdicts = self.world.verdicts
        return {
            "made_with": self._made_with(),
            "reset_is_due": self._reset_is_due,
            "verdicts": None if verdicts is None else verdicts.state_dict(),
            **self._engine.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict` of an env made with the same arguments.

        Raises:
            ValueError: the state is of an env made with other arguments, which are named.
        """
        if "made_with" not in state:
            raise ValueError("this is no state of an environment: it does not say what it was made with")
        for name, own in self._made_with().items():
            given = state["made_with"][name]
            if given != own:
                raise ValueError(f"the state is of an env with {name} {given}, this one has {own}")
        if state["verdicts"] is not None:
            self.world.load_verdicts(state["verdicts"])
        self._engine.load_state_dict(state)
        self._reset_is_due = state["reset_is_due"]

    def _made_with(self) -> dict[str, Any]:
        """What must agree between an env and a state."""
        world = self.world
        return {
            "task": repr(self.task),
            "num_envs": self.num_envs,
            "group_size": self.group_size,
            "autoreset_mode": self.autoreset_mode.value,
            "parent": self.parent.specification(),
            "curriculum": None if world.curriculum is None else type(world.curriculum).__name__,
            "level": world.level,
            "time_aware": world.time_aware,
            "info": world.info,
            "reward_weights": list(world.reward_weights),
        }

    def _require_reset(self) -> None:
        if not self.is_seeded:
            raise ResetNeeded("this env has not begun yet: call reset first")

    def _checked_mask(self, mask: Any) -> Bools | None:
        if mask is None:
            return None
        if self.autoreset_mode is not AutoresetMode.DISABLED:
            raise ValueError('reset_mask needs an env made with autoreset_mode="disabled"')
        return checked_mask(mask, self.num_envs)


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    try:
        return AutoresetMode[mode.upper()]
    except (KeyError, AttributeError):
        names = ", ".join(member.name.lower() for member in AutoresetMode)
        raise ValueError(f"autoreset_mode must be one of {names}, not {mode!r}") from None


def _merged(infos: Infos, others: Infos, chosen: Bools) -> Infos:
    """Infos with the rows of others where those are chosen."""
    merged = dict(infos)
    for key, values in others.items():
        is_mask = key.startswith("_")
        if key not in infos:
            merged[key] = values
        elif is_mask:
            merged[key] = infos[key] | values
        else:
            merged[key] = np.where(chosen, values, infos[key])
    return merged
