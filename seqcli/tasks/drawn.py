"""Sources too structured to be numbered: drawn, and drawn again until they are the split's own.

Which split owns a source is told by a hash of the source, so no source is in two splits. Sources
are arrays of codes, (N, W): 1 + the index of a symbol, or 0 where there is none.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.data.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks import hashing
from seqcli.tasks.base import SPLIT_SHARES, Rows
from seqcli.tasks.hashing import Hashes
from seqcli.tasks.sequences import LengthTask

Codes = NDArray[np.integer]

_ATTEMPTS = 400  # a source of which one in ten is owned is missed this often once in 10**18
_BLOCK = 1 << 14  # rows drawn at a time: what is worked on stays in the cache


def ragged_of(codes: Codes) -> Ragged:
    """Return the symbols that codes (N, W) stand for, row by row, without the gaps."""
    there = codes != 0  # (N, W)
    return Ragged(codes[there].astype(np.int32) - np.int32(1), offsets_of(there.sum(axis=1)))


def owners(contents: Codes, seed: int) -> Index:
    """Return the number of the split (n,) that owns each row of codes (n, W), whatever W."""
    places = hashing.streams(hashing.key("places"), np.arange(contents.shape[1]))  # (W,)
    sums = contents.astype(np.uint64) @ places  # (n,)
    shares = hashing.mix(sums + np.uint64(hashing.key(seed, "owners"))) * 2.0**-64
    ends = np.cumsum(tuple(SPLIT_SHARES.values()))
    return np.searchsorted(ends[:-1], shares, side="right")


def own_draws(
    seed: int, split: str, index: Index, purpose: str, draw: Callable[[Hashes], Codes]
) -> Codes:
    """Return for each index (N,) the first draw (N, W) that the split owns.

    Args:
        seed: of the rows.
        split: train, val or test.
        index: (N,).
        purpose: the name of the task.
        draw: from streams (n,) to codes (n, W).

    Raises:
        UsageError: the split seems to own none.
    """
    pending: Index = np.arange(len(index))
    number = tuple(SPLIT_SHARES).index(split)
    for attempt in range(_ATTEMPTS):
        key = hashing.key(seed, split, purpose, attempt)
        tried = _in_blocks(draw, hashing.streams(key, index[pending]))  # (n, W)
        if not attempt:
            found = np.empty_like(tried)  # (N, W)
        mine = owners(tried, seed) == number
        found[pending[mine]] = tried[mine]
        pending = pending[~mine]
        if not pending.size:
            return found
    raise UsageError(
        f"there are too few distinct rows of {purpose} for a {split} split",
        "ask for longer rows or more symbols",
    )


@dataclass(frozen=True)
class DrawnTask(LengthTask):
    """A task whose sources are drawn from a grammar; lengths are as likely as one another."""

    @abstractmethod
    def draw(self, starts: Hashes, lengths: Index, width: int) -> Codes:
        """Return sources (n, width) of the given lengths (n,), one for each stream (n,)."""

    @abstractmethod
    def answer(self, sources: Codes) -> Codes:
        """Return the targets (n, T) of sources (n, W)."""

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        low, high = self.lengths(split)

        def draw(starts: Hashes) -> Codes:
            extra = hashing.below(hashing.draw(starts, 0), high - low + 1)
            return self.draw(starts, low + extra.astype(np.int64), high)

        sources = own_draws(seed, split, index, self.name, draw)  # (N, W)
        return Rows(ragged_of(sources), ragged_of(_in_blocks(self.answer, sources)))


def _in_blocks(work: Callable[[Any], Codes], rows: NDArray[Any]) -> Codes:
    """Return what some work makes of all rows (N, ...), done on a block of them at a time."""
    cuts = range(_BLOCK, len(rows), _BLOCK)
    return np.concatenate([work(block) for block in np.split(rows, cuts)])
