from __future__ import annotations

import subprocess
import sys

import pytest

import wmil_agents


@pytest.mark.parametrize("name", wmil_agents.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(wmil_agents, name) is not None
    assert name in dir(wmil_agents)


def test_both_event_replay_buffers_are_exported() -> None:
    assert {"EventReplayBuffer", "EventReplayDictBuffer"} <= set(wmil_agents.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'wmil_agents' has no attribute 'REINFORCED'"):
        wmil_agents.REINFORCED  # noqa: B018 (asking for it is what is tested)


def test_importing_the_package_imports_no_torch() -> None:
    program = "import sys, wmil_agents; print('torch' in sys.modules, 'gymnasium' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
