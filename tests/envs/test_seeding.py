from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from wmil_envs import seeding


def test_the_mixer_is_splitmix64() -> None:
    state = np.array([0x9E3779B97F4A7C15], dtype=np.uint64)  # the first state after seed 0
    assert seeding.mix(state)[0] == 0xE220A8397B1DCDAF  # the published first output


def test_a_key_depends_on_its_own_seed_only() -> None:
    np.testing.assert_array_equal(seeding.env_keys(5, 3, 0), seeding.env_keys(3, 5, 0)[2:])
    groups = seeding.env_keys(5, 6, 0, group_size=3)
    assert len(set(groups.tolist())) == 2
    assert groups[0] == seeding.env_keys(5, 1, 0)[0]


def test_streams_and_seeds_differ() -> None:
    keys = np.concatenate([seeding.env_keys(0, 1000, stream) for stream in range(4)])
    assert len(np.unique(keys)) == 4000


@pytest.mark.parametrize("n", [1, 2, 3, 8, 14, 100, 1024])
def test_a_block_holds_the_same_draws_as_single_counters(n: int) -> None:
    keys = seeding.env_keys(1, 5, 0)
    block = seeding.block_below(keys, 8, 16, n, out=np.full((16, 5), -1))
    for row, counter in zip(block, range(8, 24), strict=True):
        np.testing.assert_array_equal(row, seeding.below(keys, np.asarray(counter), np.asarray(n)))
    mixed = seeding.below(keys, np.arange(8, 13), np.array([n, 3, n, 8, n]))
    assert mixed[0] == block[0, 0]
    assert mixed[4] == block[4, 4]


@pytest.mark.parametrize("n", [2, 3, 8, 14, 100])
def test_draws_are_uniform_over_envs_and_over_episodes(n: int) -> None:
    drawn = seeding.block_below(seeding.env_keys(0, 400, 0), 0, 400, n)
    assert drawn.min() >= 0
    assert chisquare(np.bincount(drawn.ravel(), minlength=n)).pvalue > 1e-3
    assert chisquare(np.bincount(drawn[:, 0], minlength=n)).pvalue > 1e-3
    assert chisquare(np.bincount(drawn[0], minlength=n)).pvalue > 1e-3


@pytest.mark.parametrize("n", [3, 8])
def test_successive_draws_and_neighbouring_envs_are_independent(n: int) -> None:
    drawn = seeding.block_below(seeding.env_keys(7, 600, 0), 0, 600, n)
    for lag in range(1, 6):
        pairs = drawn[:-lag] * n + drawn[lag:]
        assert chisquare(np.bincount(pairs.ravel(), minlength=n * n)).pvalue > 1e-3
        neighbours = drawn[:, :-lag] * n + drawn[:, lag:]
        assert chisquare(np.bincount(neighbours.ravel(), minlength=n * n)).pvalue > 1e-3


def test_uniforms_are_uniform() -> None:
    drawn = seeding.uniforms(seeding.env_keys(0, 20_000, 2), np.asarray(3))
    assert kstest(drawn, "uniform").pvalue > 1e-3


def test_replicates_share_no_env_seed() -> None:
    seeds = seeding.spawn_seeds(3, 5)
    used = [set(range(seed, seed + seeding.REPLICATE_STRIDE)) for seed in seeds]
    assert all(not first & second for first, second in itertools.combinations(used, 2))
    assert max(seeding.spawn_seeds(seeding.REPLICATE_STRIDE - 1, seeding.REPLICATE_STRIDE - 1)) < 2**32


@pytest.mark.parametrize(("seed", "n"), [(-1, 2), (70_000, 2), (0, -1), (0, 70_000)])
def test_seeds_out_of_range_are_refused(seed: int, n: int) -> None:
    with pytest.raises(ValueError, match="must be in"):
        seeding.spawn_seeds(seed, n)
