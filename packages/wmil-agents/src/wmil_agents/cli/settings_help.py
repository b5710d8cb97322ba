"""All settings as text: name, kind, default and sentence, read from where they are declared."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import preset_names

_WIDTH = 100


def settings_help() -> str:
    """The presets, and every setting that `--set` or a file may give."""
    lines = [f"Presets: {', '.join(preset_names())}", "", "Settings (--set NAME=VALUE, or in a YAML file):"]
    for name, kind, default, sentence in _rows(Settings, ""):
        lines += ["", f"  {name}  {kind}  [default: {default}]"]
        lines += textwrap.wrap(" ".join(sentence.split()), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _rows(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _rows(annotation, f"{prefix}{name}.")
        else:
            default = yaml.safe_dump(field.get_default(call_default_factory=True), default_flow_style=True)
            text = default.removesuffix("...\n").strip()
            yield f"{prefix}{name}", in_words(annotation), text, field.description or ""


def in_words(annotation: Any) -> str:
    """What may be given, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(str(choice) for choice in arguments)
    if origin in (Union, UnionType):
        return "|".join(in_words(part) for part in arguments)
    if annotation is type(None):
        return "null"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return in_words(arguments[0])
    words = {int: "whole number", float: "number", bool: "true|false", str: "text", dict: "names and values"}
    return words.get(origin or annotation, str(annotation))
