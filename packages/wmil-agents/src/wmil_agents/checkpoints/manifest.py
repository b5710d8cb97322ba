"""What a checkpoint's folder says about itself: which files it has, what is in them, whether it is exact."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from wmil_agents.checkpoints.checkpoint_error import CheckpointError

SCHEMA = 1
"""Version of the files' layout."""
_FORMAT = "wmil-checkpoint"
_DISTRIBUTIONS = ("wmil-agents", "wmil-envs", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")


@dataclass(frozen=True)
class FileRecord:
    """One file."""

    size: int
    """In bytes."""
    sha256: str
    """Of its content, in hexadecimal digits."""


@dataclass(frozen=True)
class Manifest:
    """Everything about a checkpoint that is known before its files are opened."""

    files: Mapping[str, FileRecord]
    """By name."""
    step: int | None = None
    """Environment steps that the model had taken."""
    score: float | None = None
    """What is kept the best by, where it was asked for."""
    inexact: tuple[str, ...] = ()
    """What a continued run will not have as it was, in sentences; none for an exact one."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of Python and the libraries that wrote it."""

    def to_json(self) -> str:
        """As the text of a file, with a checksum of itself."""
        document = {"format": _FORMAT, "schema": SCHEMA, **asdict(self)}
        return json.dumps(document | {"checksum": _checksum(document)}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """What `to_json` told.

        Raises:
            CheckpointError: the text is none that it makes, or of another version.
        """
        document = strict_json(text, "its manifest")
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise CheckpointError("its manifest is not one of a checkpoint")
        if document.get("schema") != SCHEMA:
            raise CheckpointError(
                f"it has the layout {document.get('schema')!r}, and this version of wmil-agents reads {SCHEMA}: "
                "continue it with the version that wrote it"
            )
        if document.pop("checksum", None) != _checksum(document):
            raise CheckpointError("its manifest was changed or damaged after it was written")
        try:
            del document["format"], document["schema"]
            document["files"] = {name: FileRecord(**record) for name, record in document["files"].items()}
            document["inexact"] = tuple(document["inexact"])
            return cls(**document)
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError("its manifest is not one of a checkpoint") from error


def library_versions() -> dict[str, str]:
    """The versions that decide which bits come out."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not installed
    return found


def strict_json(text: str, what: str) -> Any:
    """A JSON document without repeated keys and without numbers that JSON does not have.

    Raises:
        CheckpointError: it is not one; the message begins with `what`.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{what} cannot be read: {' '.join(str(error).split())}") from error


def _checksum(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
