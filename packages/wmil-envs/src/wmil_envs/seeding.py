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
_LOW = 0xFFFFFFFF
_USE = np.array([0, 0, 0, 0, 1 << 62, 0, 0, 0, 1 << 63], dtype=np.uint64)
"""Set in the counters of words, by the draws that they serve, so that no word is used in two ways."""
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

    How many counters a 64-bit word serves, `draws_per_word`, depends on n: eight where n is a power of two up to 256,
    eight bits each; four for other n up to 256, two from each half x of 32 bits, the second from what the first leaves
    over, x n mod 2^32, with a bias below n^2 / 2^32; two elsewhere, with a bias below n / 2^32.
    """
    per_word = draws_per_word(n)
    mixed = words(keys, (counters // per_word).astype(np.uint64) | _USE[per_word])
    place = counters % per_word
    eighth = _lane(mixed, place, 8) & (n - 1)
    half = _lane(mixed, np.where(per_word == 4, place >> 1, place) & 1, 32) & _LOW
    rest = np.where((per_word == 4) & (place & 1 == 1), half * n & _LOW, half)
    return np.where(per_word == 8, eighth, rest * n >> 32)


def block_below(keys: Keys, first: int, n_counters: int, n: int, out: Counters | None = None) -> Counters:
    """`below` for the counters first, first + 1, ... at once, (n_counters, n_envs).

    Both `first` and `n_counters` are multiples of `draws_per_word(n)`. With `out`, a block of the same shape, no memory
    is asked for: a fresh block of 128 KiB or more would come from the system, page by page.
    """
    per_word = int(draws_per_word(n))
    counters = np.arange(first // per_word, (first + n_counters) // per_word, dtype=np.uint64)[:, None]
    mixed = words(keys, counters | _USE[per_word])
    drawn = np.empty((n_counters, len(keys)), dtype=np.uint64) if out is None else out.view(np.uint64)
    if per_word == 8:
        eighths = mixed.astype("<u8", copy=False).view(np.uint8) & np.uint8(n - 1)
        lanes = eighths.reshape(len(counters), len(keys), 8).transpose(0, 2, 1)
        np.copyto(drawn.reshape(lanes.shape), lanes)
        return drawn.view(np.int64)
    range_, low, shift = np.uint64(n), np.uint64(_LOW), np.uint64(32)
    for half in range(2):
        last = drawn[(half + 1) * per_word // 2 - 1 :: per_word]
        np.right_shift(mixed, shift, out=last) if half else np.bitwise_and(mixed, low, out=last)
        last *= range_
        if per_word == 4:
            np.right_shift(last, shift, out=drawn[2 * half :: per_word])
            last &= low
            last *= range_
        last >>= shift
    return drawn.view(np.int64)


def draws_per_word(n: Any) -> Any:
    """How many draws below n one 64-bit word serves: 8, 4 or 2; of an int or of an array."""
    return np.where(n > 256, 2, np.where(n & (n - 1) == 0, 8, 4))


def _lane(mixed: Keys, lane: Counters, bits: int) -> Counters:
    return (mixed >> (lane * bits).astype(np.uint64)).view(np.int64)


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
