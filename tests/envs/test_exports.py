"""What the package exports."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import wmil_envs


@pytest.mark.parametrize("name", wmil_envs.__all__)
def test_every_exported_name_is_what_it_says(name: str) -> None:
    from wmil_envs import exact_value, oracle  # noqa: F401  (a module of the same name would hide an export)

    assert not isinstance(getattr(wmil_envs, name), ModuleType)
    assert name in dir(wmil_envs)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wmil_envs.nothing


def test_the_import_loads_nothing_that_only_language_models_need() -> None:
    program = (
        "import sys, gymnasium, wmil_envs; gymnasium.make('WMIL/PatternEcho-v0').reset(seed=0); "
        "print([name for name in ('openai', 'anthropic', 'pydantic', 'httpx', 'sqlite3', 'http.server') "
        "if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded == "[]\n"
