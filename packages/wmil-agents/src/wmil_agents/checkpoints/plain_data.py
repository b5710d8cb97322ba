"""Nested plain data as a JSON document with its arrays beside it, and back, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmil_agents.checkpoints.checkpoint_error import CheckpointError

MAX_DEPTH = 64
"""Of nesting, written or read."""

Arrays = dict[str, NDArray[Any]]

_MARK = "$"
"""Begins the key of an object that stands for something JSON has no word for."""
_SCALARS = {
    np.dtype(name).name
    for name in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "float16", "float32", "float64")
}
_NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_VIEWED = {torch.bfloat16: torch.int16}
"""Tensors that NumPy has no type for are kept as the bits they are."""


def encode(data: Any) -> tuple[Any, Arrays]:
    """A JSON document, and the arrays that it names.

    Args:
        data: dicts, lists, tuples, strings, integers of any size, floats, booleans, None, NumPy arrays and scalars of
            numbers or booleans, and tensors, nested as one likes.

    Raises:
        CheckpointError: there is something else in it; the message says where.
    """
    arrays: Arrays = {}
    return _encoded(data, "", 0, arrays), arrays


def decode(document: Any, arrays: Arrays) -> Any:
    """What `encode` was given; each array must be named exactly once.

    Raises:
        CheckpointError: the document is none that `encode` makes.
    """
    left = dict(arrays)
    try:
        data = _decoded(document, 0, left)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"its document is not one of a checkpoint: {error!r}") from error
    if left:
        raise CheckpointError(f"it has arrays that its document does not name: {', '.join(sorted(left)[:3])}")
    return data


def _encoded(data: Any, path: str, depth: int, arrays: Arrays) -> Any:
    if depth > MAX_DEPTH:
        raise CheckpointError(f"{path[:80]}... is nested deeper than {MAX_DEPTH} levels")
    if data is None or isinstance(data, bool | str) or type(data) is int:
        return data
    if type(data) is float:
        return data if math.isfinite(data) else {"$float": repr(data)}
    if isinstance(data, dict):
        items = {key: _encoded(value, f"{path}/{key}", depth + 1, arrays) for key, value in data.items()}
        if all(isinstance(key, str) and not key.startswith(_MARK) for key in items):
            return items
        return {"$dict": [[_encoded(key, path, depth + 1, arrays), value] for key, value in items.items()]}
    if isinstance(data, list | tuple):
        items_in_order = [_encoded(value, f"{path}/{index}", depth + 1, arrays) for index, value in enumerate(data)]
        return items_in_order if isinstance(data, list) else {"$tuple": items_in_order}
    if isinstance(data, np.generic) and data.dtype.name in _SCALARS:
        return {"$scalar": [data.dtype.name, _encoded(data.item(), path, depth + 1, arrays)]}
    if isinstance(data, Tensor):
        return _encoded_tensor(data, path, arrays)
    if isinstance(data, np.ndarray) and data.dtype.name in _SCALARS:
        return _encoded_array(data, path, arrays)
    kind = f"an array of {data.dtype}" if isinstance(data, np.ndarray) else f"a {type(data).__name__}"
    raise CheckpointError(
        f"{path or 'the state'} is {kind}, which a checkpoint cannot hold: only dicts, lists, strings, numbers, "
        "booleans, None, NumPy arrays of numbers, and tensors"
    )


def _encoded_array(data: NDArray[Any], path: str, arrays: Arrays) -> dict[str, Any]:
    # The order in memory can decide in which order floats are added, so it is kept.
    is_column_major = data.ndim > 1 and data.flags.f_contiguous and not data.flags.c_contiguous
    rows = data.T if is_column_major else data
    name = _free_name(path, arrays)
    arrays[name] = np.asarray(rows, dtype=rows.dtype.newbyteorder("="), order="C")
    return {"$array": name, "order": "F"} if is_column_major else {"$array": name}


def _encoded_tensor(data: Tensor, path: str, arrays: Arrays) -> dict[str, Any]:
    flat = data.detach().cpu().contiguous()
    viewed = _VIEWED.get(flat.dtype)
    numbers = (flat if viewed is None else flat.view(viewed)).numpy()
    if numbers.dtype.name not in _SCALARS:
        raise CheckpointError(f"{path or 'the state'} is a tensor of {data.dtype}, which a checkpoint cannot hold")
    name = _free_name(path, arrays)
    arrays[name] = numbers
    return {"$tensor": name} if viewed is None else {"$tensor": name, "as": str(flat.dtype).removeprefix("torch.")}


def _free_name(path: str, arrays: Arrays) -> str:
    """The path, with a number where another array has that name already."""
    name, count = path or "/", 1
    while name in arrays:
        count += 1
        name = f"{path}#{count}"
    return name


def _decoded(document: Any, depth: int, arrays: Arrays) -> Any:
    if depth > MAX_DEPTH:
        raise CheckpointError(f"its document is nested deeper than {MAX_DEPTH} levels")
    if isinstance(document, list):
        return [_decoded(value, depth + 1, arrays) for value in document]
    if not isinstance(document, dict):
        return document
    mark = next((key for key in document if key.startswith(_MARK)), None)
    if mark is None:
        return {key: _decoded(value, depth + 1, arrays) for key, value in document.items()}
    content = document[mark]
    match mark:
        case "$float":
            return _NON_FINITE[content]
        case "$tuple":
            return tuple(_decoded(value, depth + 1, arrays) for value in content)
        case "$dict":
            pairs = [(_decoded(key, depth + 1, arrays), _decoded(value, depth + 1, arrays)) for key, value in content]
            return dict(pairs)
        case "$scalar":
            name, value = content
            if name not in _SCALARS:
                raise ValueError(f"{name!r} is no kind of number")
            return np.dtype(name).type(_decoded(value, depth + 1, arrays))
        case "$array":
            rows = arrays.pop(content)
            return rows.T if document.get("order") == "F" else rows
        case "$tensor":
            tensor = torch.from_numpy(arrays.pop(content))
            kind = document.get("as")
            if kind is None:
                return tensor
            return tensor.view({str(dtype).removeprefix("torch."): dtype for dtype in _VIEWED}[kind])
    raise ValueError(f"{mark!r} marks nothing known")
