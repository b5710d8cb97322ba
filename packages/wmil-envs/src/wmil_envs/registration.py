"""The table of registered environments."""

from __future__ import annotations

from typing import NamedTuple

import gymnasium as gym


class Row(NamedTuple):
    """One registered id and the import string of its task, whose docstring is the environment's page."""

    id: str
    task: str


ROWS = (
    Row("WMIL/PatternEcho-v0", "wmil_envs.tasks.pattern_echo:PatternEcho"),
    Row("WMIL/SequenceNext-v0", "wmil_envs.tasks.sequence_next:SequenceNext"),
    Row("WMIL/Conditional-v0", "wmil_envs.tasks.conditional:Conditional"),
)


def register_all() -> None:
    """Register every row with Gymnasium.

    Gymnasium's own order enforcer and passive checker are left out: the environments check their calls themselves, and
    the two wrappers would cost more than a step.
    """
    for row in ROWS:
        gym.register(
            id=row.id,
            entry_point="wmil_envs.symbolic_env:SymbolicEnv",
            vector_entry_point="wmil_envs.symbolic_vector_env:SymbolicVectorEnv",
            kwargs={"task": row.task},
            order_enforce=False,
            disable_env_checker=True,
        )
