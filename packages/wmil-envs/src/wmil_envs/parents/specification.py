"""Parents as plain data, so that they travel inside an environment's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wmil_envs.parent import Parent
from wmil_envs.parents.noisy import NoisyParent
from wmil_envs.parents.recorded import RecordedParent
from wmil_envs.parents.rule import RuleParent
from wmil_envs.task import Task

ParentSpecification = Parent | str | Mapping[str, Any] | None

_ARGUMENTS = {"rule": set[str](), "noisy": {"flip"}, "recorded": {"path"}}
_KINDS = (*_ARGUMENTS, "llm")


def make_parent(specification: ParentSpecification, task: Task) -> Parent:
    """The parent that a specification describes, or the object itself.

    Args:
        specification: a `Parent`; or as plain data None or `"rule"`; `{"kind": "noisy", "flip": 0.1}`;
            `{"kind": "recorded", "path": "scores.json"}`, these two standing on another parent, `"of"`, which is the
            rule by default; or `{"kind": "llm", ...}` with the fields of `LLMSettings`.
        task: the task whose questions the parent sets and judges.

    Raises:
        ValueError: an unknown kind, or arguments that the kind does not take.
    """
    if hasattr(specification, "judge") or hasattr(specification, "verdicts"):
        return specification  # type: ignore[return-value]  # whoever judges is a parent
    arguments = dict(specification) if isinstance(specification, Mapping) else {"kind": specification}
    kind = arguments.pop("kind", None)
    kind = "rule" if specification is None else kind
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"a parent is one of {', '.join(_KINDS)}, not {kind!r}")
    if kind == "llm":
        return _language_model(arguments, task)
    underlying = arguments.pop("of", None)
    if arguments.keys() != _ARGUMENTS[kind] or (kind == "rule" and underlying is not None):
        raise ValueError(
            f"a parent of kind {kind!r} takes {sorted(_ARGUMENTS[kind]) or 'no arguments'}, not {sorted(arguments)}"
        )
    if kind == "rule":
        return RuleParent(task)
    parent = make_parent(underlying, task)
    if kind == "noisy":
        return NoisyParent(parent, **arguments)
    return RecordedParent(parent, task, **arguments)


def _language_model(arguments: Mapping[str, Any], task: Task) -> Parent:
    # Imported where it is used: everybody else's environments stay as light as they are.
    from wmil_envs.llm.settings import LLMSettings
    from wmil_envs.parents.llm import LLMParent

    return LLMParent(task, LLMSettings.from_dict(arguments))
