from __future__ import annotations

import subprocess
import sys

import pytest

from wmil_agents import surgery


@pytest.mark.parametrize("name", surgery.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert callable(getattr(surgery, name))
    assert name in dir(surgery)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Amputate'"):
        surgery.Amputate  # noqa: B018 (asking for it is what is tested)


def test_importing_it_imports_no_torch() -> None:
    program = "import sys, wmil_agents.surgery; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
