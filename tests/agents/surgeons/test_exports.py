from __future__ import annotations

import subprocess
import sys

import pytest

from wmil_agents import surgeons


@pytest.mark.parametrize("name", surgeons.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(surgeons, name) is not None
    assert name in dir(surgeons)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Quack'"):
        surgeons.Quack  # noqa: B018


def test_importing_it_imports_no_torch() -> None:
    program = "import sys, wmil_agents.surgeons; print('torch' in sys.modules, 'gymnasium' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
