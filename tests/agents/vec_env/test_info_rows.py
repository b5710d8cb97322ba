from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wmil_agents.vec_env.info_rows import new_rows, write_rows


def written(info: dict[str, Any]) -> list[dict[str, Any]]:
    dicts: list[dict[str, Any]] = [{}, {}, {}]
    write_rows(dicts, info)
    return dicts


def made(info: dict[str, Any]) -> list[dict[str, Any]]:
    return new_rows(info, 3)


@pytest.mark.parametrize("make", [written, made])
def test_infos_are_spread_by_their_masks(make: Callable[..., list[dict[str, Any]]]) -> None:
    mask = np.array([True, False, True])
    info = {
        "speed": np.array([1.5, 2.5, 3.5]),
        "_speed": mask,
        "word": np.array(["a", None, "c"], dtype=object),
        "_word": mask,
        "vector": np.eye(3),
        "_vector": ~mask,
        "nested": {"x": np.array([1, 2, 3]), "_x": mask},
        "_nested": mask,
        "everywhere": np.array([7, 8, 9]),
        "shared": "same",
        "_private": "kept, for it masks nothing",
        "final_obs": np.eye(3),
        "_final_obs": mask,
    }
    dicts = make(info)
    rest = {"shared": "same", "_private": "kept, for it masks nothing"}
    assert dicts[0] == {"speed": 1.5, "word": "a", "nested": {"x": 1}, "everywhere": 7, **rest}
    assert dicts[1].pop("vector").tolist() == [0, 1, 0]
    assert dicts[1] == {"everywhere": 8, **rest}
    assert dicts[2] == {"speed": 3.5, "word": "c", "nested": {"x": 3}, "everywhere": 9, **rest}
    assert type(dicts[0]["speed"]) is float


@pytest.mark.parametrize("make", [written, made])
@pytest.mark.parametrize("mask", [None, [True, True, True], [True, False, True]])
@pytest.mark.parametrize("values", [[True, False, True], [False, False, True], [True, True, True]])
def test_flags_are_plain_and_everybody_has_their_own(
    make: Callable[..., list[dict[str, Any]]], mask: list[bool] | None, values: list[bool]
) -> None:
    info = {"right": np.array(values)}
    if mask is not None:
        info["_right"] = np.array(mask)
    dicts = make(info)
    told = mask or [True] * 3
    assert dicts == [{"right": value} if known else {} for value, known in zip(values, told, strict=True)]
    assert all(type(each["right"]) is bool for each in dicts if each)
    dicts[0]["right"] = "changed"
    assert dicts[2]["right"] is values[2]


def test_only_the_environments_asked_for_are_written() -> None:
    dicts: list[dict[str, Any]] = [{}, {}, {}]
    write_rows(dicts, {"x": np.arange(3), "_x": np.array([True, True, False])}, np.array([False, True, True]))
    assert dicts == [{}, {"x": 1}, {}]
