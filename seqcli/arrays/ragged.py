"""Store rows of different lengths in one flat array: token ids plus offsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Ragged:
    """N rows of token ids; row i is ``tokens[offsets[i]:offsets[i + 1]]``.

    Args:
        tokens: the concatenated rows, int32.
        offsets: (N + 1,), int64, increasing from 0.
    """

    tokens: Ids
    offsets: Index

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[int]]) -> Ragged:
        """Copy a sequence of rows into one flat array."""
        parts = [np.asarray(row, dtype=np.int32) for row in rows]
        tokens = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return cls(tokens, offsets_of([len(part) for part in parts]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Ids:
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> Index:
        """(N,), int64."""
        return np.diff(self.offsets)

    def lengths_of(self, rows: NDArray[np.integer]) -> Index:
        """Return the lengths (B,) of the given rows."""
        lengths: Index = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def take(self, rows: NDArray[np.integer]) -> Ragged:
        """Return the given rows, in the given order."""
        lengths = self.lengths_of(rows)
        offsets = offsets_of(lengths)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Ragged(self.tokens[np.repeat(self.offsets[rows], lengths) + within], offsets)

    def padded(self, rows: NDArray[np.integer], fill: int) -> tuple[Index, Index]:
        """Return the given rows as (B, L) int64, padded with ``fill``, and lengths (B,)."""
        lengths = self.lengths_of(rows)  # of these rows only: N may be large
        columns = np.arange(lengths.max(initial=0))
        inside = columns < lengths[:, None]  # (B, L)
        where = np.where(inside, self.offsets[rows][:, None] + columns, 0)  # (B, L)
        if self.tokens.size == 0:
            return np.full(where.shape, fill, np.int64), lengths
        return np.where(inside, self.tokens[where], fill).astype(np.int64), lengths


def offsets_of(lengths: Sequence[int] | NDArray[np.integer]) -> Index:
    """Return the (N + 1,) offsets of N rows with the given lengths."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
