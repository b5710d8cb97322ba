"""The layers of both packages as a table, from the contracts that import-linter checks."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_layers_table(path: Path) -> None:
    """Write the table, and leave it alone if it has not changed."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    text = "\n".join(
        table(contract["containers"][0], contract["layers"]) for contract in contracts if "containers" in contract
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def table(package: str, layers: list[str]) -> str:
    """The layers of one package that exist, each with the first sentence of its modules."""
    rows = [(name, sentence(package, name)) for layer in layers for name in modules(package, layer)]
    lines = [f"| `{name}` | {says} |" for name, says in rows]
    return "\n".join([f"| in `{package}`, top to bottom | |", "|---|---|", *lines]) + "\n"


def modules(package: str, layer: str) -> list[str]:
    """The modules of a layer that exist; one in parentheses need not."""
    names = [name.strip(" ()") for name in layer.split(":")]
    return [name for name in names if file_of(package, name).is_file()]


def file_of(package: str, name: str) -> Path:
    """Where a module, or the docstring of a folder, stands."""
    place = ROOT / "packages" / package.replace("_", "-") / "src" / package / name
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def sentence(package: str, name: str) -> str:
    """The first line of a module's docstring."""
    first = file_of(package, name).read_text(encoding="utf-8").lstrip().partition("\n")[0]
    return first.strip('"').replace("|", "\\|")
