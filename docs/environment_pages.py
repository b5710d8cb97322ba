"""One page for each registered environment: its docstring, and its floors and ceilings as computed at this moment."""

import inspect
import re
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator

import wmil_envs  # noqa: F401  (registers the ids)

NAMESPACE = "WMIL"


def write_environment_pages(folder: Path) -> None:
    """Write the page of every id in our namespace, and touch none that has not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    specs = [spec for spec in gym.registry.values() if spec.namespace == NAMESPACE]
    pages = {folder / f"{spec.name}.md": page(spec) for spec in specs}
    for stale in set(folder.glob("*.md")) - set(pages):
        stale.unlink()
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def page(spec: EnvSpec) -> str:
    """The documentation page of one environment, in Markdown."""
    assert spec.entry_point is not None
    creator = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else spec.entry_point
    docstring = inspect.getdoc(creator)
    if not docstring:
        raise ValueError(f"{spec.id} has no docstring, so it has no documentation page")
    return f"# {spec.name}\n\n`{spec.id}`\n\n{markdown(docstring)}\n\n## Computed oracles\n\n{oracle_table(spec)}\n"


def markdown(docstring: str) -> str:
    """A docstring whose `Name:` sections with indented entries have become headings with lists."""
    lines: list[str] = []
    in_section = False
    for line in docstring.splitlines():
        entry = re.fullmatch(r"    (\w[\w, ]*): (.*)", line)
        if re.fullmatch(r"[A-Z][A-Za-z ]*:", line):
            in_section = True
            lines += [f"## {line[:-1]}", ""]
        elif in_section and entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif in_section and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            in_section = in_section and not line
            lines.append(line)
    return "\n".join(lines)


def oracle_table(spec: EnvSpec) -> str:
    """Random, best memoryless and optimal return at each level with the default settings."""
    rows = [
        "With the default settings, computed from the environment's tables when this page was built:",
        "",
        "| level | random return | best memoryless return | optimal return |",
        "|---|---|---|---|",
    ]
    for level, name in enumerate(unwrapped(spec).task.levels):
        oracle = unwrapped(spec, level=level).oracle
        rows.append(
            f"| {level}: {name} | {oracle.random_return} | {oracle.memoryless_return} | {oracle.optimal_return} |"
        )
    return "\n".join(rows)


def unwrapped(spec: EnvSpec, **settings: Any) -> Any:
    """The environment behind the wrappers, whose class declares `task` and `oracle`."""
    return gym.make(spec.id, **settings).unwrapped
