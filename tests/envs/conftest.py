"""What the environment tests share."""

from __future__ import annotations

import pytest

import wmil_envs  # registers the ids
from wmil_envs.registration import ROWS

__all__ = ["wmil_envs"]


@pytest.fixture(params=[row.id for row in ROWS])
def env_id(request: pytest.FixtureRequest) -> str:
    """Every registered id."""
    return str(request.param)
