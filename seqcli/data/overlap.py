"""How many rows come more than once, counted by 64-bit hashes of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from seqcli.data.ragged import Ragged
from seqcli.tasks.hashing import Hashes, key, streams


def row_hashes(rows: Ragged) -> Hashes:
    """Return a hash (N,) of each row: the sum of its tokens, each times its place's random number.

    Two different rows meet with a chance of about 2**-64 times the size of the vocabulary
    (multilinear hashing: Carter and Wegman, "Universal classes of hash functions", 1979).
    """
    lengths = rows.lengths
    factors = streams(key("places"), np.arange(lengths.max(initial=0)))
    places = np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], lengths)
    sums = np.zeros(len(places) + 1, np.uint64)
    np.cumsum(factors[places] * (rows.tokens + 1).astype(np.uint64), out=sums[1:])
    return sums[rows.offsets[1:]] - sums[rows.offsets[:-1]]


def overlaps(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Return, for each two splits "a-b", how many rows of b are also in a."""
    ordered = {split: np.sort(rows) for split, rows in hashes.items()}
    return {
        f"{one}-{other}": _shared(ordered[one], ordered[other])
        for one, other in combinations(hashes, 2)
    }


def repeats(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Return, for each split, how many rows repeat an earlier one."""
    ordered = {split: np.sort(rows) for split, rows in hashes.items()}
    return {split: int((rows[1:] == rows[:-1]).sum()) for split, rows in ordered.items()}


def _shared(one: Hashes, other: Hashes) -> int:
    """Return how many of ``other`` are in ``one``, both sorted (np.isin is far slower)."""
    places = np.searchsorted(one, other).clip(max=len(one) - 1)
    return int((one[places] == other).sum())
