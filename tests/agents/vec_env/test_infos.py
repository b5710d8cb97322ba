from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wmil_agents.vec_env.infos import StepInfos

OBSERVATIONS = np.arange(6).reshape(3, 2)
FINAL = OBSERVATIONS + 100


def step_infos(
    terminated: tuple[bool, bool, bool] = (False, True, False),
    truncated: tuple[bool, bool, bool] = (False, False, True),
    info: dict[str, Any] | None = None,
    final_observations: Any = FINAL,
) -> StepInfos:
    ended = np.array(terminated), np.array(truncated)
    done = ended[0] | ended[1]
    returns, lengths = np.array([0.5, 1.00000049, 2.0]), np.array([1, 2, 3])
    return StepInfos(OBSERVATIONS, *ended, done, info or {}, final_observations, returns, lengths, 1.5)


def test_it_reads_as_a_list_of_dicts() -> None:
    infos = step_infos()
    expected: list[dict[str, Any]] = [
        {"TimeLimit.truncated": False},
        {"TimeLimit.truncated": False, "terminal_observation": [102, 103], "episode": {"r": 1.0, "l": 2, "t": 1.5}},
        {"TimeLimit.truncated": True, "terminal_observation": [104, 105], "episode": {"r": 2.0, "l": 3, "t": 1.5}},
    ]
    read = [{key: v.tolist() if isinstance(v, np.ndarray) else v for key, v in info.items()} for info in infos]
    assert read == expected
    assert len(infos) == 3
    assert infos[-1] is infos[2]
    assert infos[1:] == [infos[1], infos[2]]
    with pytest.raises(IndexError):
        infos[3]


def test_the_same_dict_comes_each_time_so_what_is_written_stays() -> None:
    infos = step_infos()
    infos[1]["terminal_observation"] = "normalised"
    assert list(infos)[1]["terminal_observation"] == "normalised"
    assert infos[:][1] is infos[1]
    replacement: dict[str, Any] = {"other": 1}
    infos[0] = replacement
    assert next(iter(infos)) is replacement


def test_no_dict_is_made_before_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(StepInfos, "_made", lambda self: made.append(1) or [{}, {}, {}])
    infos = step_infos(info={"success": np.array([True, False, True])})
    _ = infos.final_observations, infos.done, infos.success, len(infos), infos.episode_returns
    assert made == []
    infos[0]
    list(infos)
    assert made == [1]


def test_where_the_env_tells_of_the_last_step_apart_the_top_level_is_about_the_reset() -> None:
    everybody = np.ones(3, dtype=bool)
    ended = np.array([False, True, True])
    info = {
        "level": np.array([1, 2, 3]),
        "_level": everybody,
        "success": np.array([True, True, True]),
        "_success": everybody,
        "final_info": {
            "level": np.array([0, 20, 30]),
            "_level": ended,
            "success": ended & [0, 0, 1],
            "_success": ended,
        },
        "_final_info": ended,
    }
    infos = step_infos(info=info)
    assert [each["level"] for each in infos] == [1, 20, 30]
    assert [each.get("is_success") for each in infos] == [None, False, True]


def test_success_is_read_under_both_names_and_only_where_it_is_told() -> None:
    mask = np.array([True, True, False])
    for key in ("success", "is_success"):
        infos = step_infos(info={key: np.array([True, True, True]), f"_{key}": mask})
        assert infos.success is not None
        assert infos.success.tolist() == [True, True, False]
        assert infos[1]["is_success"] is True
        assert "is_success" not in infos[2]
    assert step_infos().success is None


def test_final_observations_are_one_batch_in_every_form() -> None:
    rows = np.array([None, FINAL[1], FINAL[2]], dtype=object)
    infos = step_infos(final_observations=rows)
    np.testing.assert_array_equal(infos.final_observations[infos.done], FINAL[1:])
    assert infos.final_observations.dtype == OBSERVATIONS.dtype
    np.testing.assert_array_equal(infos[1]["terminal_observation"], FINAL[1])

    batch = {"a": FINAL, "b": FINAL[:, 0]}
    infos = step_infos(final_observations=batch)
    assert infos.final_observations is batch
    assert infos[2]["terminal_observation"]["b"] == 104


def test_object_rows_of_dicts_become_a_dict_of_batches() -> None:
    rows = np.empty(3, dtype=object)
    rows[1], rows[2] = {"a": FINAL[1], "b": 102}, {"a": FINAL[2], "b": 104}
    done = np.array([False, True, True])
    nothing = np.zeros(3, dtype=bool)
    like = {"a": OBSERVATIONS, "b": OBSERVATIONS[:, 0]}
    infos = StepInfos(like, done, nothing, done, {}, rows, np.zeros(3), np.ones(3, dtype=int), 0.0)
    assert infos.final_observations["b"][1:].tolist() == [102, 104]
    np.testing.assert_array_equal(infos.final_observations["a"][1:], FINAL[1:])
    assert infos[1]["terminal_observation"] is rows[1]


def test_without_an_ended_episode_final_observations_still_have_the_shape_of_a_batch() -> None:
    nobody = (False, False, False)
    infos = step_infos(terminated=nobody, truncated=nobody, final_observations=None)
    assert infos.final_observations.shape == OBSERVATIONS.shape
    assert list(infos) == [{"TimeLimit.truncated": False}] * 3
