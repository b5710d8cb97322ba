"""The random generators of a process, of spaces and of environments."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils.seeding import np_random


def global_generators() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators."""
    version, words, next_gaussian = random.getstate()
    state = {
        "python": {"version": version, "words": np.array(words, dtype=np.uint64), "next_gaussian": next_gaussian},
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002  # SB3 draws from it
        "torch": torch.get_rng_state().clone(),
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch ships no hints for it
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_global_generators(state: dict[str, Any]) -> None:
    """Restores what `global_generators` returned."""
    python = state["python"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["next_gaussian"]))
    np.random.set_state(state["numpy"])  # noqa: NPY002  # SB3 draws from it
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def space_generators(space: spaces.Space[Any]) -> list[Any]:
    """The states of the generators of a space and of those in it; None for one that was never used."""
    return [generator_state(vars(part).get("_np_random")) for part in _parts(space)]


def set_space_generators(space: spaces.Space[Any], states: list[Any]) -> None:
    """Restores what `space_generators` returned."""
    for part, state in zip(_parts(space), states, strict=True):
        vars(part)["_np_random"] = with_state(state)


def generator_state(generator: np.random.Generator | None) -> dict[str, Any] | None:
    """The state of a generator, None for none."""
    return None if generator is None else {**generator.bit_generator.state}


def with_state(state: dict[str, Any] | None) -> np.random.Generator | None:
    """A generator with this state, None for None."""
    if state is None:
        return None
    generator, _ = np_random(0)
    generator.bit_generator.state = state
    return generator


def _parts(space: spaces.Space[Any]) -> Iterator[spaces.Space[Any]]:
    """The space and those that it is made of, in a fixed order."""
    yield space
    for value in vars(space).values():
        inside: Iterable[Any] = value.values() if isinstance(value, dict) else value if _is_several(value) else [value]
        for part in inside:
            if isinstance(part, spaces.Space):
                yield from _parts(part)


def _is_several(value: Any) -> bool:
    return isinstance(value, list | tuple)
