"""Counter-based randomness: a draw is a pure function of an env's key, a stream and a counter.

Nothing has to be stored, replayed or kept in step: the instance of episode e of env i is the same whether the env runs
alone, among a thousand others, or again after a restart. The mixer is the finaliser of SplitMix64 (Steele, Lea and
Flood, 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Counters = npt.NDArray[np.int64]

INSTANCES, LEVELS, NOISE, SUCCESSORS = range(4)
"""The independent streams that every env draws from."""

REPLICATE_STRIDE = 65_536
"""Seeds between two replicates, hence the number of envs that one replicate may have."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW = np.uint64(0xFFFFFFFF)
_MASKED = np.uint64(1 << 63)
"""Set in the counters of draws below a power of two, so that no word is used twice."""
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


def mix(words: Keys) -> Keys:
    """A fresh array of well-mixed 64-bit words, one to one with `words`."""
    shifted = words >> _S30
    mixed = words ^ shifted
    mixed *= _FIRST
    np.right_shift(mixed, _S27, out=shifted)
    mixed ^= shifted
    mixed *= _SECOND
    np.right_shift(mixed, _S31, out=shifted)
    mixed ^= shifted
    return mixed


def env_keys(seed: int, num_envs: int, stream: int, group_size: int = 1) -> Keys:
    """Keys (num_envs,) of one stream: env i has the key of seed + i, or of its group's first env."""
    offsets = np.arange(num_envs, dtype=np.uint64) // np.uint64(group_size) * np.uint64(group_size)
    seeds = np.uint64(seed % 2**64) + offsets
    return mix(mix(seeds + _GOLDEN) + np.uint64(stream * int(_GOLDEN) % 2**64))


def words(keys: Keys, counters: Counters | Keys) -> Keys:
    """Random 64-bit words, a function of key and counter; the two shapes broadcast."""
    return mix(keys + np.atleast_1d(counters).astype(np.uint64) * _GOLDEN)


def uniforms(keys: Keys, counters: Counters) -> npt.NDArray[np.float64]:
    """Random numbers in [0, 1) with 53 bits, a function of key and counter."""
    drawn: npt.NDArray[np.float64] = (words(keys, counters) >> np.uint64(11)) * np.float64(2.0**-53)
    return drawn


def below(keys: Keys, counters: Counters, n: Counters) -> Counters:
    """Random integers in [0, n), a function of key, counter and n; all shapes broadcast.

    A 64-bit word serves four counters where n is a power of two, and two, with a bias below n / 2^32, elsewhere.
    """
    masked = _lane(words(keys, (counters >> 2).astype(np.uint64) | _MASKED), counters & 3, 16) & (n - 1)
    halves = _lane(words(keys, counters >> 1), counters & 1, 32) & 0xFFFFFFFF
    return np.where(_is_power_of_two(n), masked, (halves.view(np.uint64) * n.astype(np.uint64) >> _S32).view(np.int64))


def block_below(keys: Keys, first: int, n_counters: int, n: int) -> Counters:
    """`below` for the counters first, first + 1, ... at once, (n_counters, n_envs); both are multiples of four."""
    drawn = np.empty((n_counters, len(keys)), dtype=np.uint64)
    if _is_power_of_two(n):
        counters = np.arange(first // 4, (first + n_counters) // 4, dtype=np.uint64)[:, None] | _MASKED
        mixed = words(keys, counters)
        for lane in range(4):
            np.right_shift(mixed, np.uint64(16 * lane), out=drawn[lane::4])
        drawn &= np.uint64(n - 1)
    else:
        counters = np.arange(first // 2, (first + n_counters) // 2, dtype=np.uint64)[:, None]
        mixed = words(keys, counters)
        np.bitwise_and(mixed, _LOW, out=drawn[0::2])
        np.right_shift(mixed, _S32, out=drawn[1::2])
        drawn *= np.uint64(n)
        drawn >>= _S32
    return drawn.view(np.int64)


def _lane(mixed: Keys, lane: Counters, bits: int) -> Counters:
    return (mixed >> (lane * bits).astype(np.uint64)).view(np.int64)


def _is_power_of_two(n: Any) -> Any:
    return (n & (n - 1) == 0) & (n <= 1 << 16)


def spawn_seeds(seed: int, n: int) -> list[int]:
    """Seeds for n replicates of one experiment, none of which shares an env seed with another.

    A replicate with seed s uses the env seeds s, s + 1, ...; replicates lie 65,536 apart. Call it once for one
    experiment: the replicates of seed 0 and of seed 1 do overlap.
    """
    if not 0 <= seed < REPLICATE_STRIDE:
        raise ValueError(f"seed must be in [0, {REPLICATE_STRIDE}), not {seed}")
    if not 0 <= n <= REPLICATE_STRIDE - 1:
        raise ValueError(f"n must be in [0, {REPLICATE_STRIDE - 1}], not {n}")
    return [seed + replicate * REPLICATE_STRIDE for replicate in range(n)]
