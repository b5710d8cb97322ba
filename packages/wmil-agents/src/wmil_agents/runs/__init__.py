"""Runs: frozen settings in, a folder with everything that was measured out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wmil_agents.runs.episodes import read_episodes

__all__ = ["read_episodes"]


def __getattr__(name: str) -> Any:
    """Imports an exported name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.episodes"), name)
