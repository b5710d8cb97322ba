"""The answers of a language model that follows the task's rule, from the data of a prompt alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np

from wmil_envs.llm.question import Kind
from wmil_envs.parents.rule import RuleParent
from wmil_envs.task import Task


def kind_of(content: Mapping[str, Any]) -> Kind:
    """Which duty the data of a prompt are about."""
    if "possible" in content:
        return "instances"
    return "transition" if "what_follows" in content else "judge"


def has_plea(content: Mapping[str, Any]) -> bool:
    """Whether the data say more than the task itself would: instructions that somebody planted."""
    if kind_of(content) == "instances":
        return False
    task = _parent(content).task
    honest = [task.describe(np.array(content["row"], dtype=np.int32))]
    honest += [task.describe_action(one["action"]) for one in content["actions"]]
    return [content["question"], *(one["means"] for one in content["actions"])] != honest


def rule_answer(content: Mapping[str, Any], wrong_rate: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """The answer to the question that the data hold.

    Args:
        content: as it stands between the fences.
        wrong_rate: share of the scores and successors that are wrong, always the same ones.
        seed: decides which.

    Raises:
        LookupError: there is no such task.
    """
    kind = kind_of(content)
    if kind == "instances":
        return {"instances": content["possible"][: content["how_many"]]}
    parent = _parent(content)
    numbers = [one["action"] for one in content["actions"]]
    states = np.repeat(np.array([content["row"]], dtype=np.int32), len(numbers), axis=0)
    actions = np.array(numbers, dtype=np.int64)
    is_wrong = [chance(seed, kind, content["task"], content["row"], number) < wrong_rate for number in numbers]
    if kind == "judge":
        scores = np.where(is_wrong, 1.0 - parent.judge(states, actions), parent.judge(states, actions)).tolist()
        names = content["components"]
        return {"verdicts": [{"action": a, **dict.fromkeys(names, s)} for a, s in zip(numbers, scores, strict=True)]}
    places = {tuple(one["row"]): one["state"] for one in content["states"]}
    following = _among(parent.task, places).transition(states, actions)
    if following is None:
        raise LookupError("nothing follows: the task sets a new state after every answer")
    nexts = [
        (places[tuple(row)] + wrong) % len(places) for row, wrong in zip(following.tolist(), is_wrong, strict=True)
    ]
    return {"next": [{"action": a, "state": s} for a, s in zip(numbers, nexts, strict=True)]}


def full_marks(content: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a judge that does what a plea says."""
    scores = dict.fromkeys(content["components"], 1.0)
    return {"verdicts": [{"action": one["action"], **scores} for one in content["actions"]]}


def chance(seed: int, *what: Any) -> float:
    """A number in [0, 1) that is always the same for the same thing."""
    digest = hashlib.sha256(json.dumps([seed, *what], sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _among(task: Task, rows: Container[tuple[int, ...]]) -> RuleParent:
    """The rule where there are these states only."""
    per_level = [task.instances(level) for level in range(len(task.levels))]
    return RuleParent(task, [states[[tuple(row) in rows for row in states.tolist()]] for states in per_level])


def _parent(content: Mapping[str, Any]) -> RuleParent:
    task = content["task"]
    return _rule(task["name"], json.dumps(task["arguments"], sort_keys=True))


@lru_cache(maxsize=64)
def _rule(name: str, arguments: str) -> RuleParent:
    for spec in gym.registry.values():
        place = spec.kwargs.get("task")
        if isinstance(place, str) and ":" in place:
            module, _, class_name = place.partition(":")
            task_class: type[Task] = getattr(import_module(module), class_name)
            if task_class.name == name:
                return RuleParent(task_class(**json.loads(arguments)))
    raise LookupError(f"no registered environment has the task {name!r}")
