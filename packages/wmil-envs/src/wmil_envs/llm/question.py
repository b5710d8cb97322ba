"""A question to a language model: plain data with a key, from which its prompt is written and its reply is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Kind = Literal["instances", "transition", "judge"]

TEMPLATE_VERSION = 1
"""Changes whenever a prompt or a schema does, so that old verdicts are not taken for answers to new questions."""


@dataclass(frozen=True, eq=False)
class Question:
    """One thing to ask once. Equal keys mean equal questions."""

    kind: Kind
    """Which duty it belongs to."""
    content: Mapping[str, Any]
    """What is asked, as plain data: the task, the state or the level, the actions. Never a secret."""
    asked_of: Mapping[str, Any]
    """Who is asked: provider, model, base_url, temperature."""
    sample: int = 0
    """Which of several independent answers to the same question."""
    template: int = TEMPLATE_VERSION
    """The version of the prompt and the reply's schema."""

    @cached_property
    def canonical(self) -> str:
        """The question as canonical JSON: what the key is a hash of."""
        plain = {
            "template": self.template,
            "kind": self.kind,
            "content": self.content,
            "asked_of": self.asked_of,
            "sample": self.sample,
        }
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return key_of(self.canonical)


def key_of(canonical: str) -> str:
    """The key of a question in canonical JSON."""
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
