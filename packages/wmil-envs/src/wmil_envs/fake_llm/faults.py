"""The faults that the server can be asked for, by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

STATUS = re.compile(r"(?P<status>[3-5]\d\d)(?: (?P<retry_after>.+))?")
"""An HTTP status, and after a blank what `Retry-After` says: `401`, `429 0.2`."""

TRANSPORT_FAULTS = ("reset", "slow", "drip", "html", "broken envelope", "empty choices", "huge", "compressed")
"""Nothing that a model said arrives."""

FINISH_FAULTS = ("truncated", "refusal")
"""The vendor says that the reply is none."""


def _with_first_number(reply: Mapping[str, Any], value: Any) -> str:
    """The reply with another first score (or state, or attribute)."""
    changed = json.loads(json.dumps(reply))
    first = next(iter(changed.values()))[0]
    if isinstance(first, list):
        first[0] = value
    else:
        first["goal" if "goal" in first else "state"] = value
    return json.dumps(changed)


def _wrong_schema(reply: Mapping[str, Any]) -> str:
    return json.dumps({name: {"1": "other"} for name in reply})


TEXT_FAULTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "prose": lambda reply: "The first of these answers looks right to me, the others do not.",
    "fenced": lambda reply: f"```json\n{json.dumps(reply)}\n```",
    "reward 7": lambda reply: _with_first_number(reply, 7),
    "nan": lambda reply: _with_first_number(reply, float("nan")),
    "true": lambda reply: _with_first_number(reply, True),
    "string": lambda reply: _with_first_number(reply, "0.5"),
    "extra key": lambda reply: json.dumps({**reply, "reason": "it is what was shown"}),
    "repeated key": lambda reply: f'{{"{next(iter(reply))}": [], {json.dumps(reply)[1:]}',
    "cut": lambda reply: json.dumps(reply)[: len(json.dumps(reply)) // 2],
    "wrong schema": _wrong_schema,
}
"""What a model said instead of the reply that it should have given."""


def check_fault(name: str) -> str:
    """The name, if there is such a fault; `ok` is none.

    Raises:
        ValueError: there is none of this name.
    """
    if name != "ok" and name not in (*TRANSPORT_FAULTS, *FINISH_FAULTS, *TEXT_FAULTS) and not STATUS.fullmatch(name):
        known = ", ".join((*TRANSPORT_FAULTS, *FINISH_FAULTS, *TEXT_FAULTS))
        raise ValueError(
            f"there is no fault {name!r}; there are {known}, an HTTP status (`429 0.2` says to wait), and ok"
        )
    return name
