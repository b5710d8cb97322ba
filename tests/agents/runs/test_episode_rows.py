from itertools import chain

import numpy as np
import pytest
from gymnasium import spaces

from wmil_agents.runs.episode_rows import (
    ENDED,
    ENV,
    STEP,
    StepGrid,
    joined,
    space_layout,
    whole_episodes,
    without_first_ends,
)


def rows_of(ended: np.ndarray) -> dict[str, np.ndarray]:
    n_steps, n_envs = ended.shape
    return {
        ENDED: ended.ravel(),
        ENV: np.tile(np.arange(n_envs), n_steps),
        STEP: np.repeat(np.arange(n_steps), n_envs),
        "x": np.arange(ended.size),
    }


def by_brute_force(ended: np.ndarray) -> tuple[list[list[int]], list[int]]:
    n_steps, n_envs = ended.shape
    running: list[list[int]] = [[] for _ in range(n_envs)]
    episodes = []
    for step in range(n_steps):
        for env in range(n_envs):
            running[env].append(step * n_envs + env)
            if ended[step, env]:
                episodes.append(running[env])
                running[env] = []
    return episodes, sorted(chain.from_iterable(running))


@pytest.mark.parametrize("seed", range(60))
def test_episodes_are_those_of_a_loop_over_the_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ended = rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 5)))) < rng.choice([0.0, 0.2, 0.5, 1.0])
    every, number = int(rng.integers(1, 4)), int(rng.integers(0, 5))
    found, left, n_ended = whole_episodes(rows_of(ended), every, number)
    episodes, unfinished = by_brute_force(ended)
    kept = [rows for place, rows in enumerate(episodes) if (number + place) % every == 0]
    assert n_ended == len(episodes)
    assert found.rows["x"].tolist() == list(chain.from_iterable(kept))
    assert np.diff(found.starts).tolist() == [len(rows) for rows in kept]
    assert left["x"].tolist() == unfinished


@pytest.mark.parametrize("seed", range(20))
def test_where_a_block_is_cut_changes_no_episode(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ended = rng.random((12, 3)) < 0.3
    whole, left, _ = whole_episodes(rows_of(ended))
    cut = int(rng.integers(1, 12)) * 3
    first, rest, n_first = whole_episodes({name: column[:cut] for name, column in rows_of(ended).items()})
    late = joined(rest, {name: column[cut:] for name, column in rows_of(ended).items()})
    second, rest, _ = whole_episodes(late, next_number=n_first)
    assert [*first.rows["x"], *second.rows["x"]] == whole.rows["x"].tolist()
    assert rest["x"].tolist() == left["x"].tolist()


def test_an_episode_whose_beginning_was_missed_is_left_out() -> None:
    ended = np.array([[False, False], [True, False], [False, False], [True, False]])
    rows, missed = without_first_ends(rows_of(ended), np.array([True, True]))
    assert rows["x"].tolist() == [4, 6]
    assert missed.tolist() == [False, True]


def test_a_grid_hands_on_what_was_written_and_has_room_again() -> None:
    grid = StepGrid({"x": ((2,), np.dtype(np.int8))}, n_steps=2, n_envs=3)
    for value in (1, 2):
        grid.row("x")[...] = value
        grid.n_filled += 1
    assert grid.is_full
    rows = grid.taken()
    assert rows["x"].tolist() == [[1, 1]] * 3 + [[2, 2]] * 3
    assert rows[ENV].tolist() == [0, 1, 2, 0, 1, 2]
    assert not grid.is_full


@pytest.mark.parametrize(
    ("space", "dtype"),
    [
        (spaces.Discrete(256), np.uint8),
        (spaces.Discrete(257), np.uint16),
        (spaces.Discrete(3, start=-1), np.int8),
        (spaces.MultiDiscrete([3, 300]), np.uint16),
        (spaces.MultiBinary(4), np.uint8),
        (spaces.Box(-1, 1, (2,), np.float32), np.float32),
    ],
)
def test_the_smallest_type_holds_the_whole_space(space: spaces.Space, dtype: type) -> None:
    ((shape, kept),) = space_layout("x", space).values()
    assert kept == dtype
    assert shape == space.shape


def test_an_entry_of_a_dict_has_its_own_array() -> None:
    space = spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(0, 1, (3,))})
    assert list(space_layout("observations", space)) == ["observations/a", "observations/b"]


def test_a_space_of_words_is_refused() -> None:
    with pytest.raises(ValueError, match="keeps numbers"):
        space_layout("x", spaces.Text(5))
