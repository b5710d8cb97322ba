"""What a user gets on installing and importing: metadata, version, weight."""

import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from wmil_agents import _version as agents_version
from wmil_envs import _version as envs_version

ROOT = Path(__file__).parents[1]
PACKAGES = {"wmil-envs": "wmil_envs", "wmil-agents": "wmil_agents"}
LEARNING_LIBRARIES = {
    "torch",
    "stable_baselines3",
    "scipy",
    "pandas",
    "matplotlib",
    "openai",
    "anthropic",
    "tensorboard",
}


def project(package: str) -> dict:
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(constraints: str) -> dict[str, Version]:
    lines = (ROOT / constraints).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def runtime_requirements() -> list[Requirement]:
    declared = [line for package in PACKAGES for line in project(package)["dependencies"]]
    for extra in project("wmil-agents")["optional-dependencies"].values():
        declared += extra
    requirements = [Requirement(line) for line in declared]
    return [requirement for requirement in requirements if requirement.name not in PACKAGES]


def modules_after(statement: str) -> set[str]:
    """Top-level names in `sys.modules` after a statement in a fresh interpreter."""
    program = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_both_packages_have_one_version() -> None:
    version = envs_version.__version__
    assert agents_version.__version__ == version
    assert f"wmil-envs=={version}" in project("wmil-agents")["dependencies"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert [metadata.version(package) for package in PACKAGES] == [version, version]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed_and_licensed(package: str) -> None:
    folder = ROOT / "packages" / package
    assert (folder / "src" / PACKAGES[package] / "py.typed").is_file()
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert metadata.metadata(package)["License-Expression"] == "MIT"


def test_environments_need_gymnasium_and_numpy_alone() -> None:
    assert {Requirement(line).name for line in project("wmil-envs")["dependencies"]} == {"gymnasium", "numpy"}


def test_the_oldest_constraints_are_the_declared_lower_bounds() -> None:
    bounds = {}
    for requirement in runtime_requirements():
        (bound,) = requirement.specifier
        assert bound.operator == ">="
        bounds[canonicalize_name(requirement.name)] = Version(bound.version)
    assert pins("constraints-oldest.txt") == bounds


def test_the_pinned_versions_are_allowed_ones() -> None:
    pinned = pins("constraints.txt")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    for requirement in [*runtime_requirements(), *map(Requirement, tools)]:
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def test_importing_the_environments_is_light() -> None:
    statement = "import gymnasium as gym, wmil_envs; gym.make('WMIL/PatternEcho-v0').reset(seed=0)"
    assert not modules_after(statement) & LEARNING_LIBRARIES


def test_importing_the_agents_loads_no_learning_library() -> None:
    assert not modules_after("import wmil_agents") & LEARNING_LIBRARIES


def test_the_commands_help_answers_without_a_learning_library() -> None:
    statement = """
from typer.testing import CliRunner
from wmil_agents.cli.main import app
result = CliRunner().invoke(app, ["--help"])
assert result.exit_code == 0, result.output
assert "train" in result.output, result.output
"""
    assert not modules_after(statement) & LEARNING_LIBRARIES


def test_the_command_is_installed() -> None:
    scripts = {script.name: script.value for script in metadata.entry_points(group="console_scripts")}
    assert scripts["wmil"] == "wmil_agents.cli.main:app"


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_holds_the_whole_package(package: str, tmp_path: Path) -> None:
    """Built without isolation: the build tools are among the development tools."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT / "packages" / package),
    ]
    subprocess.run(command, check=True, capture_output=True)
    inside = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    source = ROOT / "packages" / package / "src"
    expected = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert {path for path in expected if "__pycache__" not in path and "/." not in path} <= inside
    assert any(path.endswith("licenses/LICENSE") for path in inside)
