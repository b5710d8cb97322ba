"""The id is there after `import wmil_agents`, in whichever order, and nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PRINTED = "import sys; print('WMIL/Surgery-v0' in gymnasium.registry, 'torch' in sys.modules, len(sys.meta_path))"


def printed(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "imports",
    [
        "import gymnasium, wmil_agents",
        "import wmil_agents, gymnasium",
        "import wmil_agents; from importlib.util import find_spec; find_spec('gymnasium'); import gymnasium",
        "import wmil_agents, gymnasium.spaces",
        "import wmil_envs, wmil_agents, gymnasium",
    ],
)
def test_the_id_is_registered_whoever_is_imported_first(imports: str) -> None:
    _, _, n_finders = printed(f"import gymnasium; {PRINTED}")
    assert printed(f"{imports}; {PRINTED}") == ["True", "False", n_finders]


def test_gymnasium_is_the_same_as_without_us() -> None:
    program = (
        "import importlib.resources as r, gymnasium; print(gymnasium.__spec__.loader.get_source('gymnasium')[:30])"
    )
    resources = "; print(r.files('gymnasium').joinpath('envs').is_dir())"
    assert printed(f"import wmil_agents; {program}{resources}") == printed(f"{program}{resources}")


def test_an_error_while_gymnasium_is_imported_does_not_lose_the_id() -> None:
    program = """
import sys, wmil_agents
sys.modules["gymnasium.spaces"] = None
try:
    import gymnasium
except ImportError:
    del sys.modules["gymnasium.spaces"]
for name in [name for name in sys.modules if name.startswith("gymnasium")]:
    del sys.modules[name]
import gymnasium
"""
    assert printed(f"{program}\n{PRINTED}")[0] == "True"


def test_the_package_can_be_named_in_the_id(fork_server: Any, tmp_path: Path) -> None:
    program = """
import gymnasium, warnings
import wmil_agents.surgeons.patient as patient
patient.N_UPDATES = 1
env = gymnasium.make("wmil_agents:WMIL/Surgery-v0", n_edits=2, faults=("flipped_head",))
print(env.reset(seed=0)[1]["fault"], env.unwrapped.n_edits, env.spec.to_json()[:1])
envs = gymnasium.make_vec("wmil_agents:WMIL/Surgery-v0", num_envs=2)
print(envs.reset(seed=0)[0].shape)
"""
    (tmp_path / "program.py").write_text(program)
    done = fork_server.run(tmp_path / "program.py", folder=tmp_path, warnings_are_errors=True)
    assert done.stdout.split() == ["flipped_head", "2", "{", "(2,", "18)"], done.stderr
