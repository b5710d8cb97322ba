"""One block of an episode log: an .npz file and the JSON beside it that says what is in it."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmil_agents.runs.atomic_file import replace_file
from wmil_agents.runs.episode_schema import SCHEMA, VERSION, field_of
from wmil_agents.runs.input_error import InputError

Arrays = dict[str, NDArray[Any]]

MAX_BLOCK_BYTES = 2**30
"""A larger file is not read."""
MAX_SIDECAR_BYTES = 2**24
_MAX_MEMBERS = 1_000
_MAX_HEADER_BYTES = 10_000
_KINDS = "biuf"
"""NumPy's kinds of numbers; nothing else is read."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The date of every member, so that the same arrays give the same file."""


@dataclass(frozen=True)
class Block:
    """The arrays of some consecutive episodes."""

    arrays: Mapping[str, NDArray[Any]]
    """By name, see `wmil_agents.runs.episode_schema.FIELDS`."""
    about: Mapping[str, Any]
    """The sidecar."""

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array of this name.

        Raises:
            KeyError: the block has none.
        """
        if name not in self.arrays:
            raise KeyError(f"this log has no {name!r}; it has {', '.join(self.arrays)}")
        return self.arrays[name]

    def __len__(self) -> int:
        """How many episodes it has."""
        return len(self.arrays["episodes"])

    def episodes(self) -> Iterator[Arrays]:
        """Each episode: its own rows of every array that has a row for each step or for each episode."""
        starts = self.arrays["episode_starts"]
        for place in range(len(self)):
            yield {
                name: rows[starts[place] : starts[place + 1]] if axis(name) == "steps" else rows[place]
                for name, rows in self.arrays.items()
                if axis(name) in ("steps", "episodes")
            }

    def between(self, first: int, stop: int | None) -> Block:
        """The block with the episodes from number `first` up to `stop` alone; updates and samples stay."""
        numbers = self.arrays["episodes"]
        low = int(np.searchsorted(numbers, first))
        high = len(numbers) if stop is None else max(low, int(np.searchsorted(numbers, stop)))
        if (low, high) == (0, len(numbers)):
            return self
        starts = self.arrays["episode_starts"]
        rows = {"steps": slice(starts[low], starts[high]), "episodes": slice(low, high)}
        arrays = {name: array[rows.get(axis(name), slice(None))] for name, array in self.arrays.items()}
        arrays["episode_starts"] = starts[low : high + 1] - starts[low]
        return Block(arrays, self.about)


def axis(name: str) -> str:
    """What the first axis of an array counts."""
    field = field_of(name)
    assert field is not None
    return field.axes[0]


def encode(arrays: Arrays) -> bytes:
    """The bytes of an uncompressed .npz file, the same for the same arrays."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _LONG_AGO), content.getbuffer())
    return file.getvalue()


def describe(arrays: Arrays) -> dict[str, Any]:
    """What the sidecar says about each array."""
    described = {}
    for name, array in arrays.items():
        field = field_of(name)
        assert field is not None, name
        described[name] = {
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "axes": list(field.axes),
            "unit": field.unit,
            "description": field.description,
        }
    return described


def write_block(folder: Path, number: int, arrays_file: bytes, sidecar: bytes) -> None:
    """Write both files of a block, each beside its place and renamed, the sidecar last: with it the block counts.

    Raises:
        OSError: the disk refuses; the blocks before are as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(arrays_path(folder, number), arrays_file)
    replace_file(sidecar_path(folder, number), sidecar)


def remove_block(folder: Path, number: int) -> None:
    """Remove a block, its sidecar first."""
    sidecar_path(folder, number).unlink(missing_ok=True)
    arrays_path(folder, number).unlink(missing_ok=True)


def arrays_path(folder: Path, number: int) -> Path:
    """Where the arrays of a block are."""
    return folder / f"block-{number:06d}.npz"


def sidecar_path(folder: Path, number: int) -> Path:
    """Where its sidecar is."""
    return folder / f"block-{number:06d}.json"


def read_sidecar(path: Path) -> dict[str, Any]:
    """What a block says about itself.

    Raises:
        InputError: it is no sidecar of an episode log, is damaged, or is of a newer version.
    """
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise InputError(f"{path} is larger than any sidecar of an episode log")
        about = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        raise InputError(f"{path} is no sidecar of an episode log")
    version = about.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        advice = "install a newer wmil-agents" if newer else "it was changed or damaged"
        raise InputError(
            f"{path} has the layout {version!r}, and this version of wmil-agents reads {VERSION}: {advice}"
        )
    counts = [about.get(name) for name in ("block", "first_episode", "n_episodes", "n_steps", "bytes")]
    if not all(type(count) is int and count >= 0 for count in counts) or not isinstance(about.get("arrays"), dict):
        raise InputError(f"{path} was changed or damaged: it does not say what its block holds")
    return about


def read_arrays(path: Path, about: Mapping[str, Any]) -> Arrays:
    """The arrays of a block, as its sidecar describes them. Nothing in the file is executed.

    Sizes are bounded by the file's own: members are neither compressed nor larger together than the file.

    Raises:
        InputError: the file is missing, damaged, too large, or is not what the sidecar describes.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BLOCK_BYTES:
            raise InputError(f"{path} has {size:,} bytes, more than the {MAX_BLOCK_BYTES:,} that are read")
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, size, path)
            arrays = {member.filename.removesuffix(".npy"): _array(archive, member) for member in archive.infolist()}
    except InputError:
        raise
    except Exception as error:  # zipfile raises half a dozen kinds, and NumPy more
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from error
    told = {name: [list(array.shape), array.dtype.name] for name, array in arrays.items()}
    described = {
        name: [one.get("shape"), one.get("dtype")] for name, one in about["arrays"].items() if type(one) is dict
    }
    if told != described or any(field_of(name) is None for name in told):
        raise InputError(f"{path} does not hold the arrays that the JSON beside it describes")
    _check_lengths(arrays, about, path)
    return arrays


def _check_members(archive: zipfile.ZipFile, size: int, path: Path) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(members) > _MAX_MEMBERS or len(set(names)) < len(names):
        raise InputError(f"{path} is no block of an episode log: it has {len(members):,} members")
    if any(member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy") for member in members):
        raise InputError(f"{path} is no block of an episode log: it has members that are compressed or no arrays")
    if sum(member.file_size for member in members) > size:
        raise InputError(f"{path} was changed or damaged: its members are larger than the file")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    content = archive.read(member)  # checked against its CRC-32
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{member.filename} has the format {version}, which no block has")
    shape, is_column_major, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER_BYTES)
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise ValueError(f"{member.filename} holds {dtype}, not numbers")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{member.filename} has the shape {shape}, which is not what it holds")
    array = np.frombuffer(content, dtype, offset=file.tell()).reshape(shape, order="F" if is_column_major else "C")
    return array.astype(dtype.newbyteorder("="))  # a copy that can be written to


def _check_lengths(arrays: Arrays, about: Mapping[str, Any], path: Path) -> None:
    """Refuse arrays that are not of one length along the axis they share."""
    lengths: dict[str, set[int]] = {}
    for name, array in arrays.items():
        lengths.setdefault(axis(name), set()).add(array.shape[0] if array.ndim else -1)
    starts = arrays.get("episode_starts", np.zeros(0, np.int64))
    is_whole = (
        {"episodes", "actions", "terminated"} <= arrays.keys()
        and all(len(found) == 1 for found in lengths.values())
        and lengths["episodes"] == {about["n_episodes"]}
        and lengths["steps"] == {about["n_steps"]}
        and starts.ndim == 1
        and len(starts) == about["n_episodes"] + 1
        and starts[0] == 0
        and starts[-1] == about["n_steps"]
        and bool(np.all(np.diff(starts) > 0))
        and bool(np.all(np.diff(arrays["episodes"]) > 0))
    )
    if not is_whole:
        raise InputError(f"{path} was changed or damaged: its arrays do not fit one another")
