"""Which rows were trained on, in 8 bytes each: so that `sample --novel` needs no data file.

Each row is kept as a 64-bit hash. That a name which is not among n rows over V symbols is taken
for one of them has a chance of about n * V / 2**64: for 100,000 rows of 30 symbols 2 in 10**13.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seqcli.data.corpus import Pairs
from seqcli.data.overlap import row_hashes
from seqcli.data.ragged import Index, Ragged


def fingerprints(splits: Mapping[str, Pairs]) -> dict[str, Index]:
    """Return, for each split, the sorted hashes of its distinct targets.

    As int64 (the bits of the unsigned hashes), which every checkpoint can hold.
    """
    return {split: np.unique(_hashes(pairs.targets)) for split, pairs in splits.items()}


def known(names: Ragged, rows: Index) -> NDArray[np.bool_]:
    """Say (N,) which names are among the rows of some fingerprints."""
    if not len(rows):
        return np.zeros(len(names), np.bool_)
    hashes = _hashes(names)
    places = np.searchsorted(rows, hashes).clip(max=len(rows) - 1)
    found: NDArray[np.bool_] = rows[places] == hashes
    return found


def _hashes(rows: Ragged) -> Index:
    return row_hashes(rows).view(np.int64)
