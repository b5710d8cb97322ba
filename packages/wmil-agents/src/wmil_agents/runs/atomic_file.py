"""Files that hold all of their old content or all of the new one, whenever the process dies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"
"""The end of a file's name while it is being written."""


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside, see that it is on the disk, and only then give it its name."""
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """The same with text."""
    replace_file(path, text.encode())


def replace_json(path: Path, document: Any) -> None:
    """The same with a document, as readable JSON."""
    replace_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
