"""A parent that is a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np

from wmil_envs.llm.asker import Answered, Asker
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.errors import CallFailed
from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import Questions
from wmil_envs.llm.settings import LLMSettings, OnError
from wmil_envs.llm.store import Store
from wmil_envs.parent import FALLBACK, RULE, SOURCES, UNJUDGED, Scores, Verdicts
from wmil_envs.parents.rule import RuleParent
from wmil_envs.task import Actions, States, Task

State = tuple[int, ...]
Answers = Callable[[Sequence[Question]], Sequence[Answered | CallFailed]]


class LLMParent:
    """A language model sets the tasks, says what follows and judges, as far as the settings give it these duties.

    The rule does the rest. An environment asks about each pair of state and action once; what was asked before, by
    anybody with the same store, is read from there. Copies, also in other processes, open the store and the connection
    to the model for themselves.

    Args:
        task: whose questions these are.
        settings: who answers, and what may happen on the way.

    Raises:
        ValueError: the task cannot be told to a model.
    """

    flip = 0.0

    def __init__(self, task: Task, settings: LLMSettings) -> None:
        self.task, self.settings = task, settings
        self._questions = Questions(task, settings)
        self.sets_following = self._questions.asks_transitions
        self._judges = self._questions.asks_judgements
        self.judges_consistency = self._judges and settings.judges_consistency
        self.asks_whole_instances = settings.ask_by == "instance"
        self.may_leave_unjudged = settings.on_error == "mask" and (self._judges or self.sets_following)
        self.source_counts: dict[str, int] = dict.fromkeys(SOURCES, 0)
        """How many verdicts were given of each source; those of the fallback each time anew."""
        self._levels: dict[int, States] = {}
        self._asker: Asker | None = None

    @property
    def asker(self) -> Asker:
        """Who asks, in this process."""
        if self._asker is None:
            store = Store(self.settings.store)
            self._asker = Asker(self.settings, self._questions, store, Budget(self.settings.budget, store))
        return self._asker

    @property
    def max_fallback_share(self) -> float:
        """The share of answers judged by the fallback above which a run is not judged."""
        return self.settings.max_fallback_share

    def instances(self, level: int) -> States:
        """The states that the model chose; asked at the first call.

        Raises:
            ParentError: there was no usable answer, and no fallback is allowed.
        """
        if "instances" not in self.settings.duties:
            return self.task.instances(level)
        if level not in self._levels:
            (reply,) = self.asker.answers([self._questions.instances(level)])
            if isinstance(reply, CallFailed):
                if self.settings.on_error != "fallback":  # no episode can be cut off before it has begun
                    raise reply
                self._levels[level] = self.task.instances(level)
                self.source_counts[SOURCES[FALLBACK]] += 1
            else:
                self._levels[level] = np.array(reply.answer["instances"], dtype=np.int32)
                self.source_counts[reply.source] += 1
        return self._levels[level]

    def verdicts(self, states: States, actions: Actions) -> Verdicts:
        """What the model says of actions (n,) in their states (n, n_attributes), all questions asked together.

        Raises:
            ParentError: there was no usable answer and none may be missing; the budget is spent; replay misses a
                question.
        """
        verdicts = self._verdicts(states, actions, self.asker.answers, self.settings.on_error)
        for source in verdicts.sources.tolist():
            self.source_counts[SOURCES[source]] += 1
        return verdicts

    def recall(self, states: States, actions: Actions) -> Verdicts:
        """What the store holds on actions (n,) in their states (n, n_attributes); nobody is asked, nothing counted."""
        return self._verdicts(states, actions, self._recorded, "mask")

    def _recorded(self, questions: Sequence[Question]) -> list[Answered | CallFailed]:
        mode = self.settings.mode
        records = {} if mode in ("live", "refresh") else self.asker.store.get([question.key for question in questions])
        source: Literal["cache", "replay"] = "replay" if mode == "replay" else "cache"
        return [
            Answered(records[question.key].answer, source) if question.key in records else CallFailed("not recorded")
            for question in questions
        ]

    def _verdicts(self, states: States, actions: Actions, answers: Answers, on_error: OnError) -> Verdicts:
        pairs = list(zip(map(tuple, states.tolist()), actions.tolist(), strict=True))
        told = self._told(pairs, answers, on_error)
        given = [told[pair] for pair in pairs]
        return Verdicts(
            scores=np.array([one.score for one in given], dtype=np.float64),
            sources=np.array([one.source for one in given], dtype=np.uint8),
            consistency=np.array([one.consistency for one in given]) if self.judges_consistency else None,
            following=self._everything[[one.following for one in given]] if self.sets_following else None,
        )

    def judge(self, states: States, actions: Actions) -> Scores:
        """The scores (n,), for those who want all of them at once.

        Raises:
            ParentError: as `verdicts`; also where one is missing.
        """
        return self._complete(states, actions).scores

    def transition(self, states: States, actions: Actions) -> States | None:
        """The states that follow: by the rule, except where it is the model that has to be asked."""
        return (
            self._complete(states, actions).following if self.sets_following else self._rule.transition(states, actions)
        )

    def specification(self) -> dict[str, Any]:
        return {"kind": "llm", **self.settings.to_dict()}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_asker": None}

    def _complete(self, states: States, actions: Actions) -> Verdicts:
        verdicts = self.verdicts(states, actions)
        if n_missing := int(np.count_nonzero(verdicts.sources == UNJUDGED)):
            raise CallFailed(f"{n_missing} of {len(actions)} answers were not judged, and all are needed here")
        return verdicts

    def _told(
        self, pairs: Sequence[tuple[State, int]], answers: Answers, on_error: OnError
    ) -> dict[tuple[State, int], _Told]:
        """What is said of each of these pairs, and of those that the same questions are about."""
        if self.asks_whole_instances:
            everything = tuple(range(self.task.n_actions))
            situations = [(state, everything) for state in dict.fromkeys(state for state, _ in pairs)]
        else:
            situations = [(state, (action,)) for state, action in dict.fromkeys(pairs)]
        states = self._everything if self.sets_following else None
        asked = [
            self._questions.about(np.array(state, dtype=np.int32), actions, states) for state, actions in situations
        ]
        questions = [question for several in asked for question in several]
        replies = iter(answers(questions) if questions else ())
        told: dict[tuple[State, int], _Told] = {}
        for (state, actions), several in zip(situations, asked, strict=True):
            told |= self._read(state, actions, several, list(islice(replies, len(several))), on_error)
        return told

    def _read(
        self,
        state: State,
        actions: Sequence[int],
        questions: Sequence[Question],
        replies: Sequence[Any],
        on_error: OnError,
    ) -> dict[tuple[State, int], _Told]:
        """What the replies to the questions about one state say of each action."""
        failure = next((reply for reply in replies if isinstance(reply, CallFailed)), None)
        if failure is not None and on_error == "raise":
            raise failure
        if failure is not None:
            source = UNJUDGED if on_error == "mask" else FALLBACK
            return {(state, action): self._by_rule(state, action, source) for action in actions}
        answered: list[Answered] = list(replies)
        sources = [SOURCES.index(reply.source) for reply in answered]
        goals, consistency, following = [], [], None
        for question, reply in zip(questions, answered, strict=True):
            if question.kind == "judge":
                goals.append([one["goal"] for one in reply.answer["verdicts"]])
                consistency.append([one.get("cons", np.nan) for one in reply.answer["verdicts"]])
            else:
                following = [one["state"] for one in reply.answer["next"]]
        told: dict[tuple[State, int], _Told] = {}
        for place, action in enumerate(actions):
            one = self._by_rule(state, action, min(sources, default=RULE))
            if goals:
                one = one._replace(score=np.mean(goals, 0)[place], consistency=np.mean(consistency, 0)[place])
            told[state, action] = one if following is None else one._replace(following=following[place])
        return told

    def _by_rule(self, state: State, action: int, source: int) -> _Told:
        """What the rule says, or nobody."""
        states, actions = np.array([state], dtype=np.int32), np.array([action])
        following = -1
        if self.sets_following:
            follows = self._rule.transition(states, actions)
            assert follows is not None
            following = self._numbers[tuple(follows[0].tolist())]
        score = np.nan if source == UNJUDGED else float(self._rule.judge(states, actions)[0])
        return _Told(score, np.nan, following, source)

    @cached_property
    def _rule(self) -> RuleParent:
        """The rule among the states that there are here."""
        return RuleParent(self.task, [self.instances(level) for level in range(len(self.task.levels))])

    @cached_property
    def _everything(self) -> States:
        """(I, n_attributes) the states that there are here."""
        return np.unique(np.concatenate([self.instances(level) for level in range(len(self.task.levels))]), axis=0)

    @cached_property
    def _numbers(self) -> dict[State, int]:
        """The place of each of them."""
        return {tuple(state): number for number, state in enumerate(self._everything.tolist())}


class _Told(NamedTuple):
    """What is said of one action in one state."""

    score: float
    consistency: float
    following: int
    """The number of the state; -1 where nobody is asked."""
    source: int
