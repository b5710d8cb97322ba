"""The shape of the repository: which way imports flow, and how files are named."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {
    "wmil_envs": ROOT / "packages/wmil-envs/src/wmil_envs",
    "wmil_agents": ROOT / "packages/wmil-agents/src/wmil_agents",
}
MODULES = sorted(path for source in SOURCES.values() for path in source.rglob("*.py"))
CONCEPTLESS_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
ENVIRONMENT_LIBRARIES = {"wmil_envs", "gymnasium", "numpy"}
LLM_LIBRARIES = {"anthropic", "httpx2", "openai", "pydantic"}
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|work|tmp|opt|mnt|usr)/\w")
MADE_BY_COMMANDS = {"runs", "dist", "docs/_build", "docs/environments/generated"}
TEXT_ENDINGS = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cff", ".sh", ".json", ".csv"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_module(name: str) -> bool:
    package, *rest = name.split(".")
    place = SOURCES[package].joinpath(*rest)
    return place.is_dir() or place.with_suffix(".py").is_file()


def imported_modules(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                is_submodule = module.split(".")[0] in SOURCES and is_module(f"{module}.{alias.name}")
                yield f"{module}.{alias.name}" if is_submodule else module


def our_files() -> Iterator[Path]:
    """Every file that no command made; git is not asked, because the tree may have been exported without it."""
    for folder, subfolders, files in os.walk(ROOT):
        place = Path(folder).relative_to(ROOT)
        subfolders[:] = [name for name in subfolders if not is_made_by_a_command(place / name)]
        yield from (Path(folder, name) for name in files)


def is_made_by_a_command(place: Path) -> bool:
    is_hidden = place.name.startswith(".") and place.name not in {".ci", ".github"}
    return is_hidden or place.name == "__pycache__" or place.as_posix() in MADE_BY_COMMANDS


def test_imports_keep_the_contracts() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    report = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert report.returncode == 0, report.stdout[-3000:] + report.stderr[-1000:]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_its_own_root(path: Path) -> None:
    package = next(package for package, source in SOURCES.items() if path.is_relative_to(source))
    imported = set(imported_modules(path))
    assert package not in imported
    assert not any(name.startswith(".") for name in imported), "imports are absolute"


def test_environments_import_gymnasium_and_numpy_alone_and_llm_parents_what_they_need() -> None:
    allowed = ENVIRONMENT_LIBRARIES | set(sys.stdlib_module_names)
    llm = SOURCES["wmil_envs"] / "llm"
    foreign = {
        f"{name_of(path)}: {name}"
        for path in SOURCES["wmil_envs"].rglob("*.py")
        for name in imported_modules(path)
        if name.split(".")[0] not in (allowed | LLM_LIBRARIES if path.is_relative_to(llm) else allowed)
    }
    assert foreign == set()


def test_the_library_imports_neither_benchmarks_nor_tests() -> None:
    roots = {name.split(".")[0] for path in MODULES for name in imported_modules(path)}
    assert not roots & {"benchmarks", "tests", "pytest", "hypothesis"}


def test_a_file_is_named_after_what_is_in_it() -> None:
    assert [name_of(path) for path in our_files() if path.stem in CONCEPTLESS_NAMES and path.suffix == ".py"] == []


def test_every_folder_of_the_library_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    places = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in our_files()
        if path.suffix in TEXT_ENDINGS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert places == []


@pytest.mark.parametrize("line", ["see {}home/ann/x", "path = '{}tmp/out'", 'open("{}work/a")'])
def test_the_search_for_places_finds_one(line: str) -> None:
    assert MACHINE_PATH.search(line.format("/"))


@pytest.mark.parametrize("line", ["#!{}usr", "https:{0}{0}a.org{0}home/ann", "src{}work/a", "half{}tmp/x", ".{}opt/a"])
def test_the_search_for_places_passes_over_what_is_none(line: str) -> None:
    assert not MACHINE_PATH.search(line.format("/"))
