"""A state as a folder of three files: all of the old one or all of the new one, whenever the process dies."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from wmil_agents.checkpoints.array_file import array_chunks, arrays_of
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.manifest import FileRecord, Manifest, library_versions, strict_json
from wmil_agents.checkpoints.plain_data import decode, encode

MANIFEST, STATE, ARRAYS = "manifest.json", "state.json", "arrays.safetensors"
MAX_JSON_BYTES = 16 * 2**20
"""Of a document, written or read."""
MAX_BYTES = 16 * 2**30
"""Of the arrays that are read, unless a larger size is allowed."""
_CHUNK = 2**20
_UNFINISHED = ".unfinished"
_REPLACED = ".replaced"


def write_state(
    folder: Path | str, state: Any, *, step: int | None = None, score: float | None = None, inexact: Iterable[str] = ()
) -> Manifest:
    """Writes a state beside `folder`, makes sure that it is on the disk, and only then gives it that name.

    Args:
        folder: where to; one that is there already is replaced.
        state: what `encode` takes.
        step: for the manifest.
        score: for the manifest.
        inexact: for the manifest.

    Raises:
        CheckpointError: the state holds something else, or the folder cannot be written; what was there before is
            there still, and nothing else is left behind.
    """
    folder = Path(folder)
    document, arrays = encode(state)
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > MAX_JSON_BYTES:
        raise CheckpointError(
            f"the state has {len(text):,} bytes of text, more than the {MAX_JSON_BYTES:,} that are read again: give "
            "long lists of numbers as arrays"
        )
    unfinished = _hidden(folder, f"{_UNFINISHED}-{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
        files = {
            ARRAYS: _written(unfinished / ARRAYS, array_chunks(arrays)),
            STATE: _written(unfinished / STATE, [text]),
        }
        manifest = Manifest(files, step, score, tuple(inexact), _versions())
        _written(unfinished / MANIFEST, [manifest.to_json().encode()])
        _sync_folder(unfinished)
        _put_in_place(unfinished, folder)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {folder} could not be written: {error.strerror or error}; those before it are as they were"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def read_state(folder: Path | str, *, max_bytes: int = MAX_BYTES) -> tuple[Any, Manifest]:
    """The state in a folder, and its manifest; nothing in it is executed, whoever wrote it.

    Args:
        folder: what `write_state` wrote.
        max_bytes: refuse a larger file.

    Raises:
        CheckpointError: it is no such folder, or is damaged, or was changed.
    """
    folder = _standing(Path(folder))
    with _named(folder):
        manifest = _manifest(folder)
        contents = {name: _checked(folder / name, record, max_bytes) for name, record in manifest.files.items()}
        document = strict_json(_text(contents[STATE], STATE), STATE)
        return decode(document, arrays_of(contents[ARRAYS])), manifest


def check_state(folder: Path | str, *, max_bytes: int = MAX_BYTES) -> Manifest:
    """The manifest of a folder whose files are all there, and to the last bit what was written.

    Raises:
        CheckpointError: they are not.
    """
    folder = _standing(Path(folder))
    with _named(folder):
        manifest = _manifest(folder)
        for name, record in manifest.files.items():
            _checked(folder / name, record, max_bytes, keep=False)
        return manifest


def remove_state(folder: Path) -> None:
    """Removes a folder; if the process dies in between, no part of it is left under its name.

    Raises:
        CheckpointError: that fails.
    """
    removed = _hidden(folder, f"{_UNFINISHED}-{secrets.token_hex(4)}")
    try:
        folder.rename(removed)
        shutil.rmtree(removed)
    except OSError as error:
        raise CheckpointError(f"the checkpoint {folder} could not be removed: {error.strerror or error}") from error


def remove_leftovers(parent: Path) -> None:
    """Removes what processes that died left in a folder of checkpoints that no other process writes to now."""
    for left in parent.glob(f".*{_UNFINISHED}-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in parent.glob(f".*{_REPLACED}"):
        if (parent / left.name[1 : -len(_REPLACED)]).is_dir():
            shutil.rmtree(left, ignore_errors=True)


def _hidden(folder: Path, ending: str) -> Path:
    return folder.with_name(f".{folder.name}{ending}")


def _standing(folder: Path) -> Path:
    """The folder, or what it was when a process died between taking the old one away and naming the new one."""
    replaced = _hidden(folder, _REPLACED)
    return replaced if not folder.exists() and replaced.is_dir() else folder


def _put_in_place(unfinished: Path, folder: Path) -> None:
    replaced = _hidden(folder, _REPLACED)
    if folder.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        folder.rename(replaced)
    unfinished.rename(folder)
    _sync_folder(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _written(path: Path, chunks: Iterable[bytes | memoryview]) -> FileRecord:
    """Writes a new file, waits until the disk has it, and tells its size and hash."""
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return FileRecord(size, digest.hexdigest())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there, and renaming is journalled
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """A block whose errors say which checkpoint they are about."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"the checkpoint {folder} cannot be used: {error}") from error
    except OSError as error:
        raise CheckpointError(f"the checkpoint {folder} cannot be read: {error.strerror or error}") from error


def _manifest(folder: Path) -> Manifest:
    """The manifest of a folder that holds exactly the files it should."""
    if folder.is_symlink() or not folder.is_dir():
        raise CheckpointError("it is a link" if folder.is_symlink() else "there is no such folder")
    present = {path.name for path in folder.iterdir()}
    expected = {MANIFEST, STATE, ARRAYS}
    if present != expected:
        missing, strange = sorted(expected - present), sorted(present - expected)[:3]
        raise CheckpointError(
            " and ".join(
                [f"it lacks {', '.join(missing)}"] * bool(missing)
                + [f"it has {', '.join(map(repr, strange))}, which does not belong there"] * bool(strange)
            )
        )
    with _opened(folder / MANIFEST) as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise CheckpointError(f"its manifest is larger than {MAX_JSON_BYTES:,} bytes")
    manifest = Manifest.from_json(_text(content, MANIFEST))
    if set(manifest.files) != {STATE, ARRAYS}:
        raise CheckpointError(f"its manifest names other files than {STATE} and {ARRAYS}")
    return manifest


def _checked(path: Path, record: FileRecord, max_bytes: int, *, keep: bool = True) -> bytes:
    """The content of a file that is as its record says; an empty one if it need not be kept."""
    limit = MAX_JSON_BYTES if path.name == STATE else max_bytes
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != record.size:
            raise CheckpointError(f"{path.name} has {size:,} bytes, and its manifest says {record.size!r}")
        if size > limit:
            raise CheckpointError(f"{path.name} has {size:,} bytes, more than the {limit:,} allowed")
        digest, parts = hashlib.sha256(), []
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if keep:
                parts.append(chunk)
    if digest.hexdigest() != record.sha256:
        raise CheckpointError(f"{path.name} was changed or damaged after it was written")
    return b"".join(parts)


def _opened(path: Path) -> Any:
    """A file that is one itself: no link to elsewhere, no device, no pipe."""
    if path.is_symlink():
        raise CheckpointError(f"{path.name} is a link")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path.name} is not a file")
    return os.fdopen(descriptor, "rb")


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{name} is not text") from error


@cache
def _versions() -> dict[str, str]:
    return library_versions()
