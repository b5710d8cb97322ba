"""A world: everything about a symbolic environment that does not change while it runs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property, lru_cache
from importlib import import_module
from inspect import signature
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.bank import Bank, compile_bank
from wmil_envs.curricula.specification import CurriculumSpecification, make_curriculum
from wmil_envs.observation import Observation, ObservationForm, Rows
from wmil_envs.oracle import Oracle, compute_oracle
from wmil_envs.parent import RULE, LazyParent, Parent, SourceCodes
from wmil_envs.parents.rule import RuleParent
from wmil_envs.parents.specification import ParentSpecification, make_parent
from wmil_envs.reward import GOAL_ONLY, checked_weights
from wmil_envs.task import Task
from wmil_envs.verdict_table import VerdictTable

InfoForm = Literal["lean", "full"]


class World:
    """A task, its parent and the bank of the two, with the tables that the engine gathers from.

    The arguments are those of the environments; `SymbolicEnv` describes them. A `bank` of one's own, with several
    possible successors for example, takes the place of the one compiled from task and parent.
    """

    def __init__(
        self,
        task: Task | str,
        *,
        parent: ParentSpecification = None,
        bank: Bank | None = None,
        level: int | None = None,
        curriculum: CurriculumSpecification | None = None,
        time_aware: bool = True,
        obs: ObservationForm = "attributes",
        info: InfoForm = "lean",
        reward_weights: Sequence[float] = GOAL_ONLY,
        reveals_all_actions: bool = False,
        **task_arguments: Any,
    ) -> None:
        self.task = _make_task(task, task_arguments)
        if info not in get_args(InfoForm):
            raise ValueError(f"info must be one of {', '.join(get_args(InfoForm))}, not {info!r}")
        for name, switch in (("time_aware", time_aware), ("reveals_all_actions", reveals_all_actions)):
            if not isinstance(switch, bool):
                raise ValueError(f"{name} must be True or False, not {switch!r}")
        if level is not None and curriculum is not None:
            raise ValueError("give a level or a curriculum, not both: a curriculum chooses the levels")
        self.level = self.task.level_index(level)
        self.curriculum = None if curriculum is None else make_curriculum(curriculum, len(self.task.levels))
        self.parent = make_parent(parent, self.task)
        self.verdicts: VerdictTable | None = None
        """What a lazy parent has said so far; None for any other."""
        if bank is None and hasattr(self.parent, "verdicts"):
            bank = compile_bank(self.task, self.parent, lazily=True)
            self.verdicts = VerdictTable(bank, cast(LazyParent, self.parent))
        self.bank = self._compiled() if bank is None else bank
        self.time_aware = time_aware
        self.observation = Observation(self.bank, time_aware=time_aware, form=obs)
        self.info = info
        self.reward_weights = checked_weights(reward_weights)
        self.reveals_all_actions = reveals_all_actions
        self.may_leave_unjudged = self.verdicts is not None and getattr(self.parent, "may_leave_unjudged", False)
        """Whether the parent may give no verdict, which cuts the episode off."""
        if reveals_all_actions and self.may_leave_unjudged:
            raise ValueError(
                "reveals_all_actions needs a score for every action, and this parent may leave some unjudged: "
                "choose another on_error than 'mask'"
            )
        self.accepts_unjudged = False
        """Whether who steps the environment has said that it leaves out what nobody judged."""
        self._oracles: dict[int, Oracle] = {}
        self._build_tables()

    def _compiled(self) -> Bank:
        if type(self.parent) is RuleParent and self.parent.task == self.task:
            return _rule_bank(self.task)
        return compile_bank(self.task, self.parent)

    def _build_tables(self) -> None:
        bank = self.bank
        self.n_actions, self.horizon, self.flip = bank.n_actions, bank.horizon, bank.flip
        self.right: npt.NDArray[np.bool_] = bank.right.ravel()
        self.starts: Rows = self.observation.starts()
        self.level_sizes = np.array([len(members) for members in bank.levels])
        self.level_cells = [members * bank.n_actions for members in bank.levels]
        """For each level the first cells (m,) of its start instances."""
        self.level_is_prefix = [bool((members == np.arange(len(members))).all()) for members in bank.levels]
        """For each level whether its start instances are the first ones, in order."""
        self.level_rows = [self.starts.take(members, axis=0) for members in bank.levels]
        """For each level the first observations (m, width) of its start instances."""
        self._offsets = np.cumsum([0, *self.level_sizes[:-1]])
        self._cells = np.concatenate(self.level_cells)
        self._build_verdicts()

    def _build_verdicts(self) -> None:
        """The tables of what the parent says. Where it has not been asked they hold nothing that counts."""
        bank, verdicts = self.bank, self.verdicts
        self.has_gaps = bank.known is not None
        """Whether there are cells about which the parent has to be asked before they are gathered."""
        self.scores: npt.NDArray[np.float64] = bank.scores.ravel() if verdicts is None else verdicts.scores
        self.scores_are_truth = not self.has_gaps and bool((bank.scores == bank.right).all())
        """Whether the parent never errs, so that score and success are the same."""
        self.says_right: npt.NDArray[np.bool_] = self.scores >= 0.5
        self.consistency = None if verdicts is None else verdicts.consistency
        """(I A,) the judge's own `cons` component; None for a judge without."""
        self.following: npt.NDArray[np.int64] | None = None
        """(I A,) the first cell of the next instance, where the cell determines it."""
        if bank.successors is not None and bank.successors.shape[2] == 1:
            self.following = bank.successors[:, :, 0].ravel() * bank.n_actions
        self.__dict__.pop("outcomes", None)

    def ask(self, cells: npt.NDArray[np.int64]) -> None:
        """Have the parent judge those of these cells (n,) that it has not judged yet, each once."""
        assert self.verdicts is not None
        if self.verdicts.ask(cells):
            self._take_verdicts()

    def _take_verdicts(self) -> None:
        assert self.verdicts is not None
        self.bank = self.observation.bank = self.verdicts.bank()
        self._oracles.clear()
        self._build_verdicts()

    def load_verdicts(self, state: dict[str, Any]) -> None:
        """Take over what another world's lazy parent has said, from the `state_dict` of its verdicts.

        Raises:
            ValueError: it was asked about other instances.
        """
        if self.verdicts is not None:
            self.verdicts.load_state_dict(state)
            self._take_verdicts()

    def recall_verdicts(self) -> None:
        """Take over what a lazy parent has recorded already; nobody is asked."""
        if self.verdicts is not None and self.verdicts.recall():
            self._take_verdicts()

    def sources(self, cells: npt.NDArray[np.int64]) -> SourceCodes:
        """(n,) where the verdicts on these cells (n,) come from, as places in `SOURCES`."""
        if self.verdicts is None:
            return np.full(len(cells), getattr(self.parent, "source", RULE), dtype=np.uint8)
        return self.verdicts.sources.take(cells)

    def check_unjudged(self) -> None:
        """Refuse to begin where verdicts may be missing and nobody has said that they are left out.

        Raises:
            RuntimeError: with what to do about it.
        """
        if self.may_leave_unjudged and self.has_gaps and not self.accepts_unjudged:
            raise RuntimeError(NOT_ACCEPTED)

    def start_cells(self, levels: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """First cells (n,) of the start instances at these places (n,) of the lists of their levels (n,) or ()."""
        return self._cells[self._offsets[levels] + places]

    @cached_property
    def outcomes(self) -> Rows | None:
        """(I A, width) the next observation but for the steps left, where the cell determines it."""
        if self.following is None or self.flip > 0.0:
            return None
        shape = self.bank.scores.shape
        following = self.following.reshape(shape) // self.n_actions
        return self.observation.outcomes(following, self.says_right.reshape(shape))

    def oracle(self, level: int | None = None) -> Oracle:
        """Floors and ceilings at a level, the world's own one for None."""
        index = self.level if level is None else self.task.level_index(level)
        if index not in self._oracles:
            self._oracles[index] = compute_oracle(self.bank, index, time_aware=self.time_aware)
        return self._oracles[index]


NOT_ACCEPTED = (
    "with on_error='mask' this parent may leave answers unjudged, and those steps must not be learnt from: REINFORCE "
    "and attach(model, losses) leave them out, a stock algorithm does not. In a loop of your own, leave out the steps "
    "whose info['parent_source'] is 'unjudged', and say so before the first reset: env.unwrapped.accept_unjudged()"
)


class InWorld:
    """What an environment says of the world that it is an instance of."""

    world: World
    """Everything that does not change while the environment runs."""

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
        """Floors and ceilings at the environment's level."""
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
    def may_leave_unjudged(self) -> bool:
        """Whether the parent may give no verdict, which cuts the episode off."""
        return self.world.may_leave_unjudged

    def accept_unjudged(self) -> None:
        """Say that the steps which nobody judged are left out of what is learnt; see `World.check_unjudged`."""
        self.world.accepts_unjudged = True


_NOT_FOR_IDS = ("task", "bank", "task_arguments")


def _make_task(task: Task | str, arguments: dict[str, Any]) -> Task:
    if isinstance(task, Task):
        if arguments:
            raise TypeError(f"a task that is made already takes no arguments {sorted(arguments)}")
        return task
    module, _, name = task.partition(":")
    task_class: type[Task] = getattr(import_module(module), name)
    known = [field.name for field in fields(task_class)]
    for argument in arguments:
        if argument not in known:
            known += [parameter for parameter in signature(World).parameters if parameter not in _NOT_FOR_IDS]
            known += ["render_mode", "num_envs", "group_size", "autoreset_mode"]
            near = difflib.get_close_matches(argument, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(sorted(known))}"
            raise TypeError(f"{task_class.name} takes no argument {argument!r}{hint}")
    return task_class(**arguments)


@lru_cache(maxsize=32)
def _rule_bank(task: Task) -> Bank:
    return compile_bank(task, RuleParent(task))
