"""Counter-based randomness: a draw is a pure function of an env's key, a stream and a counter.

Nothing has to be stored, replayed or kept in step: the instance of episode e of env i is the same whether the env runs
alone, among a thousand others, or again after a restart. The mixer is the finaliser of SplitMix64 (Steele, Lea and
Flood, 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

INSTANCES, LEVELS, NOISE, SUCCESSORS = range(4)
"""The independent streams that every env draws from."""

REPLICATE_STRIDE = 65_536
"""Seeds between two replicates, hence the number of envs that one replicate may have."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


def mix(words: Keys) -> Keys:
    """A fresh array of well-mixed 64-bit words, one to one with `words`."""
    mixed = words ^ (words >> _S30)
    mixed *= _FIRST
    mixed ^= mixed >> _S27
    mixed *= _SECOND
    mixed ^= mixed >> _S31
    return mixed


def env_keys(seed: int, num_envs: int, stream: int, group_size: int = 1) -> Keys:
    """Keys (num_envs,) of one stream: env i has the key of seed + i, or of its group's first env."""
    offsets = np.arange(num_envs, dtype=np.uint64) // np.uint64(group_size) * np.uint64(group_size)
    seeds = np.uint64(seed % 2**64) + offsets
    return mix(mix(seeds + _GOLDEN) + np.uint64(stream * int(_GOLDEN) % 2**64))


def words(keys: Keys, counters: Keys) -> Keys:
    """Random 64-bit words, a function of key and counter; the two shapes broadcast."""
    return mix(keys + np.atleast_1d(counters) * _GOLDEN)


def uniforms(keys: Keys, counters: Keys) -> npt.NDArray[np.float64]:
    """Random numbers in [0, 1) with 53 bits, a function of key and counter."""
    return (words(keys, counters) >> np.uint64(11)) * 2.0**-53


def below(keys: Keys, counters: npt.NDArray[np.int64], n: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Random integers in [0, n), a function of key and counter; all shapes broadcast.

    A 64-bit word serves two counters, 32 bits each; the largest bias is n / 2^32.
    """
    lanes = words(keys, (counters >> 1).astype(np.uint64))
    lanes >>= (_S32 * (counters & 1).astype(np.uint64)).astype(np.uint64)
    lanes &= np.uint64(0xFFFFFFFF)
    return ((lanes * np.asarray(n, dtype=np.uint64)) >> _S32).astype(np.int64)


def block_below(keys: Keys, first: int, n_counters: int, n: int) -> npt.NDArray[np.int64]:
    """`below` for the counters first, first + 1, ... at once, (n_counters, n_envs); first and n_counters are even."""
    counters = np.arange(first // 2, (first + n_counters) // 2, dtype=np.uint64)[:, None]
    lanes = words(keys, counters).view(np.uint32)  # (n_counters / 2, 2 n_envs): low half, high half, alternating
    lanes = lanes.reshape(len(counters), len(keys), 2)
    if np.little_endian:
        low, high = lanes[..., 0], lanes[..., 1]
    else:
        low, high = lanes[..., 1], lanes[..., 0]
    drawn = np.empty((n_counters, len(keys)), dtype=np.int64)
    for half, lane in enumerate((low, high)):
        np.right_shift(np.multiply(lane, np.uint64(n), dtype=np.uint64), _S32, out=drawn[half::2], casting="unsafe")
    return drawn


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
