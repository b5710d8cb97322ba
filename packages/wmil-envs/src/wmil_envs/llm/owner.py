"""Who holds a claim, so that the claims of a process that was killed are free at once."""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from pathlib import Path

_PROCESSES = Path("/proc")


def this_owner() -> str:
    """This process: where processes can be looked up, by its machine, number and start; elsewhere a random name."""
    return _owner(os.getpid())


def is_gone(owner: str) -> bool:
    """Whether an owner's process surely runs no more. False where that cannot be known: then its claims must expire."""
    place, _, process = owner.partition(" ")
    pid, _, start = process.partition(" ")
    if not start or place != _place():
        return False
    return _start_of(int(pid)) != start


@lru_cache(maxsize=8)
def _owner(pid: int) -> str:
    place, start = _place(), _start_of(pid)
    return f"{place} {pid} {start}" if place and start else uuid.uuid4().hex


def _start_of(pid: int) -> str | None:
    """When a process started, in ticks since the machine did; None where there is no such process."""
    try:
        stat = (_PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before the bracket may hold anything
    return None if state in "ZX" else rest[18]


@lru_cache(maxsize=1)
def _place() -> str | None:
    """The machine since its start, and the numbering of its processes: two containers count theirs apart."""
    try:
        machine = (_PROCESSES / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{machine}/{(_PROCESSES / 'self/ns/pid').readlink()}"
    except OSError:
        return None
