"""Named arrays as a safetensors file: written as a stream, read by the library that owns the format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import safetensors

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.plain_data import Arrays

_NAME_OF = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}
_DTYPE_OF = {name: np.dtype(dtype).newbyteorder("<") for dtype, name in _NAME_OF.items()}
_ALIGNMENT = 8


def array_chunks(arrays: Arrays) -> Iterator[bytes | memoryview]:
    """The bytes of the file, in parts that are no copies of the arrays.

    Args:
        arrays: contiguous ones.
    """
    header: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _NAME_OF[array.dtype.name], "shape": array.shape, "data_offsets": (begin, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        if array.nbytes:
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            yield little.reshape(-1).view(np.uint8).data


def arrays_of(content: bytes) -> Arrays:
    """The arrays of a file.

    Raises:
        CheckpointError: these are not the bytes of such a file.
    """
    try:
        parts = safetensors.deserialize(content)  # type: ignore[no-untyped-call]  # it ships no hints
        return {name: _array(part) for name, part in parts}
    except Exception as error:  # the library raises its own kinds
        raise CheckpointError(f"its arrays cannot be read: {' '.join(str(error).split())}") from error


def _array(part: dict[str, Any]) -> np.ndarray:
    dtype = _DTYPE_OF[part["dtype"]]
    return np.frombuffer(part["data"], dtype=dtype).reshape(part["shape"]).astype(dtype.newbyteorder("="), copy=False)
