"""Tasks whose sources are drawn from a grammar, by rejection sampling for each split.

A hash of the source determines its split, so no source is in two splits. A split with a tenth of
the sources needs ten draws per row on average. The slow part of a draw, its shape, is therefore
reused for many draws, and only its content is drawn again. Sources are arrays of codes, (N, W):
1 + the index of a token, or 0 for no token.

The length of a row is fixed before its source is drawn, so all splits have the same distribution of
lengths. If a length has few distinct sources, a hash might assign none of them to a split. Such
lengths have a pool (`Pool`): their distinct sources are divided by count, as in `SequenceSpace`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import SPLIT_SHARES, Rows
from seqcli.tasks.space import LengthTask, nearest_owned, permute, shares, too_few_rows

Codes = NDArray[np.integer]

FILLS = 32  # draws per shape: at least one of them nearly always belongs to the split
POOL = 4096  # draws per length for counting its distinct sources
FEW = 512  # maximum number of distinct sources in a pool; a hash divides larger sets well enough
_ATTEMPTS = 100 * FILLS
_BLOCK = 1 << 14  # rows drawn at a time, so that arrays fit into the cache


def ragged_of(codes: Codes) -> Ragged:
    """Return the tokens of codes (N, W) as rows, without the codes 0."""
    there = codes != 0  # (N, W)
    return Ragged(codes[there].astype(np.int32) - np.int32(1), offsets_of(there.sum(axis=1)))


def owners(contents: Codes, seed: int) -> Index:
    """Return the index of the split (n,) of each row of codes (n, W), independent of W."""
    places = hashing.streams(hashing.key("places"), np.arange(contents.shape[1]))  # (W,)
    sums = contents.astype(np.uint64) @ places  # (n,)
    shares = hashing.mix(sums + np.uint64(hashing.key(seed, "owners"))) * 2.0**-64
    ends = np.cumsum(tuple(SPLIT_SHARES.values()))
    return np.searchsorted(ends[:-1], shares, side="right")


@dataclass(frozen=True)
class ShapeSampler:
    """Draw sources in two steps: a shape (slow), then its content (fast).

    ``shape`` maps streams (n,) and positions (n,) of their rows in the batch to shapes (n, ...).
    ``fill`` maps shapes and other streams (n,) to codes (n, W). A shape is filled ``fills`` times
    before another one is drawn.
    """

    shape: Callable[[Hashes, Index], NDArray[Any]]
    fill: Callable[[NDArray[Any], Hashes], Codes]
    fills: int


def digits_for(marked: Codes, starts: Hashes, count: int) -> Codes:
    """Replace each 1 in codes (n, W) by the code of a random digit below ``count``."""
    digits = hashing.small(starts, marked.shape[1], count)  # (n, W)
    return np.where(marked == 1, 1 + digits, marked).astype(np.uint8)


def own_draws(seed: int, split: str, index: Index, purpose: str, drawing: ShapeSampler) -> Codes:
    """Return the first draw (N, W) that belongs to the split for each index (N,).

    Args:
        seed: the seed of the rows.
        split: train, val or test.
        index: (N,).
        purpose: the name of the task.
        drawing: converts streams to codes.

    Raises:
        UsageError: no draw belongs to the split.
    """
    places: Index = np.arange(len(index))
    cuts = range(_BLOCK, len(index), _BLOCK)
    blocks = (
        _own_block(seed, split, index, some, purpose, drawing) for some in np.split(places, cuts)
    )
    return np.concatenate(list(blocks))


def _own_block(
    seed: int, split: str, index: Index, places: Index, purpose: str, drawing: ShapeSampler
) -> Codes:
    """Return the sources of the rows at positions (n,) of the batch."""
    pending: Index = np.arange(len(places))
    number = tuple(SPLIT_SHARES).index(split)
    for attempt in range(_ATTEMPTS):
        shape, filling = divmod(attempt, drawing.fills)
        if not filling:
            key = hashing.key(seed, split, purpose, shape)
            rows = places[pending]
            shapes = drawing.shape(hashing.streams(key, index[rows]), rows)  # (n, ...)
        key = hashing.key(seed, split, purpose, shape, filling)
        tried = drawing.fill(shapes, hashing.streams(key, index[places[pending]]))  # (n, W)
        if not attempt:
            codes = np.empty_like(tried)  # (N, W)
        mine = owners(tried, seed) == number
        codes[pending[mine]] = tried[mine]
        pending, shapes = pending[~mine], shapes[~mine]
        if not pending.size:
            return codes
    raise UsageError(
        f"there are too few distinct rows of {purpose} for a {split} split",
        "choose longer rows or more tokens",
    )


@dataclass(frozen=True)
class Pool:
    """The sources of a length that has few: ``codes`` (M, L), and the split of each (M,).

    The distinct sources are divided by count, so every split has some if there are at least three;
    otherwise all belong to train. Equal draws belong to the same split.
    """

    codes: Codes
    owners: Index

    def own(self, split: str) -> Codes:
        """Return the draws (m, L) that belong to a split."""
        codes: Codes = self.codes[self.owners == tuple(SPLIT_SHARES).index(split)]
        return codes


@dataclass(frozen=True)
class DrawnTask(LengthTask):
    """A task whose sources are drawn from a grammar, with uniform lengths.

    Lengths with fewer than three sources only occur in train; val and test have the nearest length
    instead.
    """

    @property
    def fills(self) -> int:
        """Number of sources drawn from one shape."""
        return FILLS

    @abstractmethod
    def shape(self, starts: Hashes, lengths: Index, width: int) -> NDArray[Any]:
        """Return shapes of sources of the given lengths (n,), one per stream (n,).

        Each shape is an array over ``width`` positions: (n, width).
        """

    @abstractmethod
    def fill(self, shapes: NDArray[Any], starts: Hashes) -> Codes:
        """Return sources (n, W) of those shapes (n, W)."""

    @abstractmethod
    def targets(self, sources: Codes) -> Codes:
        """Return the targets (n, T) of sources (n, W)."""

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        low, high = self.lengths(split)
        choices = np.array(self._owned_lengths(seed, split))  # (high - low + 1,)
        starts = hashing.streams(hashing.key(seed, split, self.name, "lengths"), index)
        drawn = hashing.below(hashing.draw(starts, 0), high - low + 1).astype(np.int64)
        lengths = choices[drawn]  # (N,)
        sources = self._sources(seed, split, index, lengths, starts)  # (N, W)
        cuts = range(_BLOCK, len(sources), _BLOCK)
        answers = [self.targets(block) for block in np.split(sources, cuts)]
        return Rows(ragged_of(sources), ragged_of(np.concatenate(answers)))

    def _sources(
        self, seed: int, split: str, index: Index, lengths: Index, starts: Hashes
    ) -> Codes:
        """Return sources (N, W) of the given lengths (N,), from pools or drawn."""
        high, pools = self.lengths(split)[1], _pools(self, seed)
        sources = np.zeros((len(index), high), np.uint8)  # (N, W)
        for length, pool in pools.items():
            rows = np.flatnonzero(lengths == length)
            if rows.size:
                own = pool.own(split)
                chosen = hashing.below(hashing.draw(starts[rows], 1), len(own)).astype(np.int64)
                sources[rows, :length] = own[chosen]
        rows = np.flatnonzero(~np.isin(lengths, list(pools)))
        if rows.size:

            def shape(starts: Hashes, places: Index) -> NDArray[Any]:
                return self.shape(starts, lengths[rows[places]], high)

            drawing = ShapeSampler(shape, self.fill, self.fills)
            sources[rows] = own_draws(seed, split, index[rows], self.name, drawing)
        return sources

    def _owned_lengths(self, seed: int, split: str) -> list[int]:
        """Map each length of a split to the nearest length with a source in the split."""
        low, high = self.lengths(split)
        lengths, pools = range(low, high + 1), _pools(self, seed)
        owned = [n for n in lengths if n not in pools or len(pools[n].own(split))]
        if not owned:
            distinct = sum(len(np.unique(pools[n].codes, axis=0)) for n in lengths)
            raise too_few_rows(distinct, split)
        return nearest_owned(lengths, owned)


@lru_cache(maxsize=16)
def _pools(task: DrawnTask, seed: int) -> dict[int, Pool]:
    """Return the pools of the lengths with few distinct sources (the shortest ones)."""
    ends = [end for split in SPLIT_SHARES for end in task.lengths(split)]
    pools = {}
    for length in range(min(ends), max(ends) + 1):
        starts = hashing.streams(hashing.key(seed, task.name, "pool", length), np.arange(POOL))
        shapes = task.shape(starts, np.full(POOL, length), length)
        codes = task.fill(shapes, hashing.mix(starts))  # (M, L)
        distinct, which = np.unique(codes, axis=0, return_inverse=True)
        if len(distinct) > FEW:
            break
        pools[length] = Pool(
            codes, _split_of_sources(len(distinct), seed, length)[which.reshape(-1)]
        )
    return pools


def _split_of_sources(count: int, seed: int, length: int) -> Index:
    """Return the index of the split (count,) of each of ``count`` distinct sources."""
    order = permute(np.arange(count, dtype=np.uint32), count, hashing.key(seed, "pool", length))
    owner = np.zeros(count, np.int64)
    for number, part in enumerate(shares(count).values()):
        owner[order[part.start : part.stop]] = number
    return owner
