"""What a parent that is a language model is told, as text: read from where the settings are declared."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, NamedTuple, get_type_hints

from wmil_agents.cli.settings_help import in_words
from wmil_envs.llm.settings import BudgetSettings, LLMSettings

_WIDTH = 100


class Setting(NamedTuple):
    """One field of a specification."""

    name: str
    """With its section in front: `budget.calls`."""
    kind: str
    """What may be given, in words."""
    default: str
    """As JSON; `needed` where there is none."""
    sentence: str
    """What it is."""


def parent_settings() -> list[Setting]:
    """Every field of a specification of kind `llm`, in order."""
    return list(_settings(LLMSettings, ""))


def parent_settings_help() -> str:
    """The same for `--help`."""
    lines = ["What a parent is told, besides kind: llm, in YAML or JSON:"]
    for name, kind, default, sentence in parent_settings():
        lines += ["", f"  {name}  {kind}  [{'needed' if default == 'needed' else f'default: {default}'}]"]
        lines += textwrap.wrap(sentence, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _settings(section: type[LLMSettings] | type[BudgetSettings], prefix: str) -> Iterator[Setting]:
    sentences, hints = _sentences(section), get_type_hints(section)
    for one in fields(section):
        if hints[one.name] is BudgetSettings:
            yield from _settings(BudgetSettings, f"{one.name}.")
        else:
            kind = "list" if isinstance(one.default, tuple) else in_words(hints[one.name])
            yield Setting(f"{prefix}{one.name}", kind, _default(one), sentences[one.name])


def _default(one: Field[Any]) -> str:
    return "needed" if one.default is MISSING else json.dumps(one.default)


def _sentences(section: type[Any]) -> dict[str, str]:
    """The sentence under each field."""
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(declared, ast.ClassDef)
    sentences = {}
    for field, below in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            sentences[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    return sentences
