from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from wmil_agents.checkpoints.array_file import array_chunks, arrays_of
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.plain_data import MAX_DEPTH, decode, encode

BIG = 2**127 + 12345678901234567890
DATA = {
    "none": None,
    "truth": [True, False, np.True_],
    "integers": [0, -1, BIG, np.int8(-3), np.uint64(2**64 - 1)],
    "floats": [0.1, -0.0, 5e-324, math.inf, -math.inf, math.nan, np.float32(0.1), np.float16("nan"), np.float64(1 / 3)],
    "text": "null \0 \ud800 \U0001f600 $tuple",
    "tuple": (1, (2.0, [3]), ()),
    "keys": {1: "a", "b": {}, "$tuple": [1], (2, 3): None, 1.5: 0},
    "$marked": {"a/b": np.arange(3), "a": {"b": np.arange(4)}},
    "__metadata__": np.zeros((0, 3), dtype=np.int8),
    "scalar_array": np.array(7.5),
    "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(12)[::2],
    "swapped": np.arange(3, dtype=">i4"),
    "bits": np.array([np.nan, -0.0, np.inf], dtype=np.float32),
    "flags": np.array([[True], [False]]),
    "tensors": [torch.arange(3), torch.tensor(0.1), torch.ones(2, 3).T, torch.tensor([0.1], dtype=torch.bfloat16)],
    "parameter": torch.nn.Parameter(torch.rand(2)),
}


def round_trip(data: Any) -> Any:
    document, arrays = encode(data)
    content = b"".join(bytes(chunk) for chunk in array_chunks(arrays))
    return decode(json.loads(json.dumps(document, allow_nan=False)), arrays_of(content))


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one.detach(), other)
        assert one.dtype == other.dtype
    elif isinstance(one, np.ndarray):
        assert one.dtype.newbyteorder("=") == other.dtype
        np.testing.assert_array_equal(one, other)
        assert one.ndim < 2 or one.flags.f_contiguous == other.flags.f_contiguous
        assert other.flags.writeable
    else:
        assert type(one) is type(other)
        if isinstance(one, dict):
            assert list(one) == list(other)
            for key in one:
                assert_same(one[key], other[key])
        elif isinstance(one, list | tuple):
            assert len(one) == len(other)
            for mine, its in zip(one, other, strict=True):
                assert_same(mine, its)
        else:
            assert repr(one) == repr(other)


def test_everything_comes_back_with_its_type_and_bits() -> None:
    assert_same(DATA, round_trip(DATA))


@pytest.mark.parametrize(
    "stranger",
    [{1, 2}, object(), b"bytes", 1j, np.array(["a"]), np.array([None]), torch.tensor(1j), np.datetime64(1, "s")],
)
def test_what_cannot_be_kept_is_named_with_its_place(stranger: Any) -> None:
    with pytest.raises(CheckpointError, match="/outer/1 is a"):
        encode({"outer": [0, stranger]})


def test_too_deep_a_nest_is_refused_in_both_directions() -> None:
    deep: Any = []
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    for refuse in (lambda: encode(deep), lambda: decode(deep, {})):
        with pytest.raises(CheckpointError, match="deeper"):
            refuse()


@pytest.mark.parametrize(
    "document",
    [
        {"$array": "/missing"},
        {"$array": ["unhashable"]},
        {"$scalar": ["object", 1]},
        {"$scalar": ["float64"]},
        {"$float": "1e5"},
        {"$dict": [[[1], 2]]},
        {"$reduce": "os.system"},
        [{"$array": "/a"}, {"$array": "/a"}],
        [],
        {"$tensor": "/a", "as": "complex64"},
    ],
)
def test_a_document_that_we_do_not_make_is_refused(document: Any) -> None:
    with pytest.raises(CheckpointError):
        decode(document, {"/a": np.zeros(2)})
