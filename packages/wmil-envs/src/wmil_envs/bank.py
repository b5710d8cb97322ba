"""A bank: a parent and a task, compiled once into tables.

Our symbolic worlds hold some tens to some thousands of questions. As tables they are stepped by gathers, and their
oracles and a policy's exact value are sums over the same arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.parent import Parent
from wmil_envs.task import Actions, States, Task

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bank:
    """Everything that can happen in a finite world. I instances, A actions, K possible successors."""

    attributes: tuple[Attribute, ...]
    """The columns of an instance, hidden ones included."""
    instances: States
    """(I, n_attributes) every instance."""
    levels: tuple[Integers, ...]
    """For each level the instances (m,) an episode starts from, all equally likely; listed twice, twice as likely."""
    correct: Actions
    """(I,) the one correct action by the task's rule, whatever the parent says."""
    scores: Floats
    """(I, A) the parent's verdict, from 0 to 1."""
    flip: float
    """Probability that a verdict s is turned into 1 - s."""
    successors: Integers | None
    """(I, A, K) the instances that may follow; None: a fresh one, drawn as at the start."""
    successor_probabilities: Floats | None
    """(I, A, K) how likely each is; None where K = 1."""
    horizon: int
    """Answers in one episode."""
    known: npt.NDArray[np.bool_] | None = None
    """(I, A) what a lazy parent has said; None: everything. Elsewhere the score is 0 and means nothing: ask `gap`."""
    known_with_successors: bool = False
    """Whether elsewhere the successor, then the instance itself, means nothing either."""

    def __post_init__(self) -> None:
        n_instances, n_actions = self.scores.shape
        if len(self.instances) != n_instances or self.correct.shape != (n_instances,):
            raise ValueError("instances, correct and scores must have one row for each instance")
        if not (np.isfinite(self.scores).all() and self.scores.min() >= 0.0 and self.scores.max() <= 1.0):
            raise ValueError("every score must be a number from 0 to 1")
        if any(len(members) == 0 for members in self.levels):
            raise ValueError("every level needs at least one instance")
        if self.successors is not None:
            if self.successors.shape[:2] != (n_instances, n_actions):
                raise ValueError(f"successors must have the shape ({n_instances}, {n_actions}, K)")
            if self.successors.min() < 0 or self.successors.max() >= n_instances:
                raise ValueError("every successor must be the number of an instance")
            if self.successors.shape[2] > 1 and self.successor_probabilities is None:
                raise ValueError("several successors need their probabilities")

    @property
    def n_instances(self) -> int:
        """Number of instances, I."""
        return len(self.instances)

    @property
    def n_actions(self) -> int:
        """Number of actions, A."""
        return int(self.scores.shape[1])

    @cached_property
    def visible(self) -> States:
        """(I, n_visible) the columns of each instance that are not hidden."""
        return np.ascontiguousarray(self.instances[:, [not attribute.hidden for attribute in self.attributes]])

    @cached_property
    def has_hidden_attributes(self) -> bool:
        """Whether a state is more than what is seen of it."""
        return any(attribute.hidden for attribute in self.attributes)

    @cached_property
    def visible_ids(self) -> Integers:
        """(I,) the same number for instances that look the same."""
        return np.unique(self.visible, axis=0, return_inverse=True)[1].reshape(-1)

    @cached_property
    def mean_rewards(self) -> Floats:
        """(I, A) the expected reward: the score, after the flips."""
        return self.scores * (1.0 - 2.0 * self.flip) + self.flip

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """(I, A) whether the action is the correct one."""
        return np.equal(self.correct[:, None], np.arange(self.n_actions))

    def start_probabilities(self, level: int) -> Floats:
        """(I,) how likely an episode of this level starts from each instance."""
        members = self.levels[level]
        return np.bincount(members, minlength=self.n_instances) / len(members)

    def gap(self, level: int) -> str | None:
        """Why nothing can be said yet of the rewards in episodes of this level; None where everything is known."""
        if self.known is None:
            return None
        known = self.known[self._reachable(level)]
        n_known = int(np.count_nonzero(known))
        if n_known == known.size:
            return None
        return f"the parent has judged {n_known:,} of {known.size:,} pairs of instance and action"

    def is_known(self, level: int) -> bool:
        """Whether the parent has said everything about the first answers in episodes of this level."""
        return self.known is None or bool(self.known[self.levels[level]].all())

    def _reachable(self, level: int) -> Integers:
        """The instances that episodes of this level can show, as far as is known."""
        reached = np.unique(self.levels[level])
        if self.horizon == 1 or self.successors is None:
            return reached
        while len(further := np.union1d(reached, self.successors[reached])) > len(reached):
            reached = further
        return reached

    def flow(self, taken: Floats, level: int) -> Floats:
        """(I,) probability of each next instance, given that (instance, action) is taken with probability (I, A)."""
        if self.successors is None:
            return self.start_probabilities(level) * float(taken.sum())
        following = np.zeros(self.n_instances)
        np.add.at(following, self.successors, taken[:, :, None] * self._probabilities)
        return following

    def backup(self, values: Floats, level: int) -> Floats:
        """(I, A) expected value of the next instance, given the values (I,) of all instances."""
        if self.successors is None:
            return np.full(self.scores.shape, self.start_probabilities(level) @ values)
        expected: Floats = (values[self.successors] * self._probabilities).sum(-1)
        return expected

    @property
    def _probabilities(self) -> Floats | float:
        return 1.0 if self.successor_probabilities is None else self.successor_probabilities


MAX_CELLS = 50_000_000
"""The most (instance, action) cells that are compiled: some gigabytes of tables."""


def compile_bank(task: Task, parent: Parent, *, lazily: bool = False) -> Bank:
    """Ask the parent about every instance and every action of the task, once.

    Args:
        task: what is asked.
        parent: who judges.
        lazily: leave verdicts unknown, and what follows too where the parent's verdicts say it.

    Raises:
        ValueError: the world is too large, or the parent leaves the set of instances or scores outside [0, 1].
    """
    per_level = [parent.instances(level) for level in range(len(task.levels))]
    instances, places = _numbered(per_level, first=task.level_index(None))
    n_cells = len(instances) * task.n_actions
    if n_cells > MAX_CELLS:
        raise ValueError(
            f"{task} has {n_cells:,} questions (instances times actions), more than the {MAX_CELLS:,} that fit into "
            "tables: make it smaller"
        )
    borders = np.cumsum([len(states) for states in per_level])[:-1]
    levels = tuple(np.split(places, borders))

    states = np.repeat(instances, task.n_actions, axis=0)
    actions = np.tile(np.arange(task.n_actions), len(instances))
    table = (len(instances), task.n_actions)
    attributes = task.attributes
    waits = lazily and task.dynamics != "fresh" and getattr(parent, "sets_following", False)
    following = states if waits else parent.transition(states, actions)
    if following is None:
        successors = None
        attributes = tuple(replace(attribute, predictable=False) for attribute in attributes)
    else:
        place = {tuple(state): index for index, state in enumerate(instances.tolist())}
        try:
            successors = np.array([place[tuple(state)] for state in following.tolist()]).reshape(*table, 1)
        except KeyError as error:
            raise ValueError(f"the parent answered with the state {error}, which is no instance of {task}") from error
    return Bank(
        attributes=attributes,
        instances=instances,
        levels=levels,
        correct=task.correct_actions(instances),
        scores=np.zeros(table) if lazily else parent.judge(states, actions).reshape(table),
        flip=parent.flip,
        successors=successors,
        successor_probabilities=None,
        horizon=task.horizon,
        known=np.zeros(table, dtype=np.bool_) if lazily else None,
        known_with_successors=waits,
    )


def _numbered(per_level: list[States], first: int) -> tuple[States, Integers]:
    """Every distinct state once, and the number of each in the levels' lists, one after the other.

    Those of the level `first` have the first numbers, in order: the engine then multiplies where it would have to look
    up.
    """
    everything = np.concatenate([per_level[first], *per_level])
    _, appears, place = np.unique(everything, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(appears)
    numbers = np.argsort(order)[place.reshape(-1)]
    return everything[appears[order]], numbers[len(per_level[first]) :]
