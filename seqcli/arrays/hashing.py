"""Generate counter-based random numbers: each is a hash of (seed, split, index, counter).

splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014)
is used with a counter: any subset of rows, in any order, on any worker, gives the same numbers.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Ragged

Hashes = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def key(*words: int | str) -> int:
    """Derive a 64-bit key for a purpose, as in ``key(seed, "lengths")``."""
    return int.from_bytes(blake2b(repr(words).encode(), digest_size=8).digest(), "little")


def mix(values: Hashes) -> Hashes:
    """Apply the finalizer of splitmix64 to each value: a bijection that mixes all bits."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def streams(purpose: int, index: NDArray[np.int64]) -> Hashes:
    """Return the start (N,) of a stream of random numbers for each index (N,), given a key."""
    return mix(index.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(purpose))


def draw(starts: Hashes, counter: int) -> Hashes:
    """Return the number at position ``counter`` of each stream, (N,)."""
    return mix(starts + np.uint64((counter + 1) * _GOLDEN & _WORD))


def draw_each(starts: Hashes, counters: NDArray[np.int64]) -> Hashes:
    """Return one number (N,) of each stream, at that stream's counter (N,)."""
    return mix(starts + (counters + 1).astype(np.uint64) * np.uint64(_GOLDEN))


def below(hashes: Hashes, count: int | Hashes) -> Hashes:
    """Map hashes (N,) uniformly to 0 .. count-1, for a count of at most 2**32.

    The result is the high word of hash * count (Lemire, "Fast random integer generation in an
    interval", 2019). This needs no division, and probabilities differ by at most 2**-32.
    """
    count = np.asarray(count, np.uint64)
    low = (hashes & _LOW) * count >> _HALF
    return ((hashes >> _HALF) * count + low) >> _HALF


def small(starts: Hashes, width: int, count: int) -> NDArray[np.uint16]:
    """Draw ``width`` numbers 0 .. count-1 from each stream (n,), for a count of at most 256.

    Each hash gives four numbers of 16 bits; probabilities differ by at most 0.4%.

    Returns:
        (n, width)
    """
    counters = np.arange(1, 2 + width // 4).astype(np.uint64) * np.uint64(_GOLDEN)
    words = mix(starts[:, None] + counters)  # (n, width / 4)
    pieces = words.astype("<u8", copy=False).view("<u2")[:, :width]  # (n, width)
    scaled: NDArray[np.uint32] = pieces.astype(np.uint32) * np.uint32(count) >> np.uint32(16)
    return scaled.astype(np.uint16)


def row_hashes(rows: Ragged) -> Hashes:
    """Hash each row, (N,): the sum of its tokens times one random number per position.

    Two different rows collide with probability about 2**-64 times the size of the vocabulary
    (multilinear hashing: Carter and Wegman, "Universal classes of hash functions", 1979).
    """
    lengths = rows.lengths
    factors = streams(key("places"), np.arange(lengths.max(initial=0)))
    places = np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], lengths)
    sums = np.zeros(len(places) + 1, np.uint64)
    np.cumsum(factors[places] * (rows.tokens + 1).astype(np.uint64), out=sums[1:])
    return sums[rows.offsets[1:]] - sums[rows.offsets[:-1]]
