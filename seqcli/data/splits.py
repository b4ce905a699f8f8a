"""Split rows into train, val and test, and compare splits."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Index, Ragged
from seqcli.data.corpus import SPLITS, Pairs

_ENDS = (0.8, 0.9)  # fractions of the hash range at which train and val end


def split_rows(hashes: NDArray[np.uint64]) -> dict[str, Index]:
    """Split rows by their hashes and return the rows of each nonempty split in file order.

    Rows with the same hash (N,) belong to the same split, and adding rows does not move existing
    ones. If 80/10/10 would leave val or test without a hash, each gets one as long as train keeps
    one: two distinct hashes make train and val, a single one only train.
    """
    distinct, which = np.unique(hashes, return_inverse=True)
    owner = np.searchsorted(_ends(distinct), which, side="right")  # (N,)
    rows_by_split = {split: np.flatnonzero(owner == number) for number, split in enumerate(SPLITS)}
    return {split: rows for split, rows in rows_by_split.items() if rows.size}


def _ends(hashes: NDArray[np.uint64]) -> list[int]:
    """Return the ends of train and val among the distinct hashes."""
    count = len(hashes)
    train, val = (int(np.searchsorted(hashes / 2.0**64, end)) for end in _ENDS)
    train = min(max(train, 1), max(count - 2, 1))
    return [train, min(max(val, train + 1), max(count - 1, train + 1))]


def overlaps(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Count the rows of split b that are also in split a, for each pair of splits "a-b"."""
    ordered = {split: np.sort(rows) for split, rows in hashes.items()}
    return {
        f"{one}-{other}": _shared(ordered[one], ordered[other])
        for one, other in combinations(hashes, 2)
    }


def repeats(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Count the rows of each split that repeat an earlier row."""
    ordered = {split: np.sort(rows) for split, rows in hashes.items()}
    return {split: int((rows[1:] == rows[:-1]).sum()) for split, rows in ordered.items()}


def _shared(one: Hashes, other: Hashes) -> int:
    """Count the items of ``other`` that are in ``one``, both sorted (np.isin is far slower)."""
    places = np.searchsorted(one, other).clip(max=len(one) - 1)
    return int((one[places] == other).sum())


def fingerprints(splits: Mapping[str, Pairs]) -> dict[str, Index]:
    """Return the sorted hashes of the distinct targets of each split.

    The hashes are int64 (the bits of the unsigned hashes), a type every checkpoint can store.
    """
    return {split: np.unique(_hashes(pairs.targets)) for split, pairs in splits.items()}


def known(names: Ragged, rows: Index) -> NDArray[np.bool_]:
    """Return a mask (N,): whether each name is among the rows of the fingerprints."""
    if not len(rows):
        return np.zeros(len(names), np.bool_)
    hashes = _hashes(names)
    places = np.searchsorted(rows, hashes).clip(max=len(rows) - 1)
    is_known: NDArray[np.bool_] = rows[places] == hashes
    return is_known


def _hashes(rows: Ragged) -> Index:
    return row_hashes(rows).view(np.int64)
