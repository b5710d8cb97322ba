"""How the state of a class that has no `state_dict` is told: a registry that anyone can add to."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Adapter:
    """Tells and restores the state of an object, what it wraps left out."""

    save: Callable[[Any], Any]
    """The state as plain data, in memory of its own."""
    load: Callable[[Any, Any], None]
    """Restores what `save` told, in the object given first."""


_ADAPTERS: dict[type, Adapter] = {}


def register_adapter(kind: type, save: Callable[[Any], Any], load: Callable[[Any, Any], None]) -> None:
    """Says how checkpoints keep objects of a class: an environment, a wrapper, a buffer, noise or a callback.

    For a class of one's own it is simpler to give it `state_dict()` and `load_state_dict(state)`. What the object wraps
    is no part of the state: it is asked for separately. Subclasses are not meant, since they may hold more.

    Args:
        kind: the class.
        save: its state, from an object, as dicts, lists, numbers, arrays and tensors.
        load: restores a state, given an object and what `save` told.

    Example:
        >>> class Counter:
        ...     count = 0
        >>> def load(counter, state):
        ...     counter.count = state["count"]
        >>> register_adapter(Counter, save=lambda counter: {"count": counter.count}, load=load)
    """
    _ADAPTERS[kind] = Adapter(save, load)


def register_attributes(kind: type, *names: str) -> None:
    """Says that objects of a class are kept by keeping these attributes, none for a class without a state."""

    def save(thing: Any) -> dict[str, Any]:
        return {name: deepcopy(getattr(thing, name)) for name in names}

    def load(thing: Any, state: dict[str, Any]) -> None:
        for name in names:
            setattr(thing, name, deepcopy(state[name]))

    register_adapter(kind, save, load)


def adapter_of(thing: Any) -> Adapter | None:
    """How the state of an object is kept, None if nobody has said."""
    return _ADAPTERS.get(type(thing))
