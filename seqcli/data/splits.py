"""Split rows into train, val and test, and compare splits."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Index, Ragged
from seqcli.data.corpus import SPLITS, Pairs

_ENDS = (0.8, 0.9)  # of the range of the hash: where train and val end


def split_rows(hashes: NDArray[np.uint64]) -> dict[str, Index]:
    """Return, for each split that is not empty, its rows in the order of the file.

    Rows with the same hash (N,) go together, and rows added later move no other row. Where
    80/10/10 would leave val or test without a hash, each is given one while train keeps one: two
    distinct hashes make train and val, one only train.
    """
    distinct, which = np.unique(hashes, return_inverse=True)
    owner = np.searchsorted(_ends(distinct), which, side="right")  # (N,)
    found = {split: np.flatnonzero(owner == number) for number, split in enumerate(SPLITS)}
    return {split: rows for split, rows in found.items() if rows.size}


def _ends(hashes: NDArray[np.uint64]) -> list[int]:
    """Return the ends of train and val among the distinct hashes."""
    count = len(hashes)
    train, val = (int(np.searchsorted(hashes / 2.0**64, end)) for end in _ENDS)
    train = min(max(train, 1), max(count - 2, 1))
    return [train, min(max(val, train + 1), max(count - 1, train + 1))]


def overlaps(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Return, for each pair of splits "a-b", the number of rows of b that are also in a."""
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


def fingerprints(splits: Mapping[str, Pairs]) -> dict[str, Index]:
    """Return, for each split, the sorted hashes of its distinct targets.

    As int64 (the bits of the unsigned hashes), which every checkpoint can hold.
    """
    return {split: np.unique(_hashes(pairs.targets)) for split, pairs in splits.items()}


def known(names: Ragged, rows: Index) -> NDArray[np.bool_]:
    """Return (N,), whether each name is among the rows of some fingerprints."""
    if not len(rows):
        return np.zeros(len(names), np.bool_)
    hashes = _hashes(names)
    places = np.searchsorted(rows, hashes).clip(max=len(rows) - 1)
    found: NDArray[np.bool_] = rows[places] == hashes
    return found


def _hashes(rows: Ragged) -> Index:
    return row_hashes(rows).view(np.int64)
