"""One page with everything that the two packages export, in the words of the docstrings."""

import inspect
from importlib import import_module
from pathlib import Path
from types import FunctionType

PACKAGES = ("wmil_envs", "wmil_agents", "wmil_agents.surgery", "wmil_agents.surgeons")


def write_api_page(path: Path) -> None:
    """Write the page, and leave it alone if it has not changed."""
    text = "# What can be imported\n\n" + "\n".join(section(package) for package in PACKAGES)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def section(package: str) -> str:
    """The exported names of one package."""
    module = import_module(package)
    exported = [getattr(module, name) for name in module.__all__]
    entries = "\n".join(entry(thing) for thing in exported if inspect.isclass(thing) or inspect.isfunction(thing))
    return f"## {package}\n\n```{{eval-rst}}\n{entries}```\n"


def entry(thing: type | FunctionType) -> str:
    """The directive that documents one class or function."""
    kind = "autoclass" if inspect.isclass(thing) else "autofunction"
    return f".. {kind}:: {thing.__module__}.{thing.__qualname__}\n"
