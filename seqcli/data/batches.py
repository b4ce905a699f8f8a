"""Build padded batches of rows of similar length, in an order set by the seed and the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Index
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import BOS, EOS, PAD

_POOL = 50  # batches that are sorted by length together: little padding, but varied batches


@dataclass(frozen=True)
class Batch:
    """B rows, padded with PAD to the longest, all int64.

    Args:
        rows: (B,) positions of the rows in the split.
        source: (B, S), or None for a language model.
        source_lengths: (B,); zeros for a language model.
        target_in: (B, T), BOS and the target: the input of the decoder.
        target_out: (B, T), the target and EOS: the expected output.
        target_lengths: (B,), including EOS.
        weights: (B,), float32, training weight of each row; None if all are equal.
    """

    rows: Index
    source: Index | None
    source_lengths: Index
    target_in: Index
    target_out: Index
    target_lengths: Index
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class BatchStream:
    """The batches of a split, epoch by epoch.

    An epoch is one pass over the rows, or a fixed number of batches of an endless sequence of
    passes. It is a pure function of (seed, its number), so a position in it is just a number of
    batches. Shuffled passes sort by length within pools of batches only; unshuffled passes sort
    all rows (``Batch.rows`` gives their original positions).

    Args:
        pairs: the rows.
        batch_size: rows per batch, at least 1; the last batch of an epoch may be smaller.
        seed: seed of the order.
        shuffle: if False, every pass has the same order by length, for evaluation.
        steps: batches per epoch; 0 means one pass.
    """

    pairs: Pairs
    batch_size: int
    seed: int = 0
    shuffle: bool = True
    steps: int = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self.steps or -(-len(self.pairs) // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch ``number`` (from 1), starting at batch ``start``."""
        first = (number - 1) * self.steps + start
        cuts = islice(self._cuts_from(first), self.steps - start) if self.steps else None
        return (padded_batch(self.pairs, rows) for rows in cuts or self._cuts(number)[start:])

    def _cuts_from(self, first: int) -> Iterator[Index]:
        """Yield the rows of each batch of the endless sequence, starting at batch ``first``."""
        number, start = divmod(first, -(-len(self.pairs) // self.batch_size))
        while True:
            yield from self._cuts(number + 1)[start:]
            number, start = number + 1, 0

    def _cuts(self, number: int) -> list[Index]:
        """Return the rows of each batch of a pass, in order."""
        random = np.random.Generator(np.random.PCG64([self.seed, number]))
        count = len(self.pairs)
        rows = random.permutation(count) if self.shuffle else np.arange(count)
        pool = _POOL * self.batch_size if self.shuffle else max(1, count)
        for first in range(0, count, pool):  # pool by pool, to limit memory with millions of rows
            inside = rows[first : first + pool]
            keys = self.pairs.source_lengths_of(inside), self.pairs.targets.lengths_of(inside)
            rows[first : first + pool] = inside[np.lexsort(keys)]
        cuts = [rows[first : first + self.batch_size] for first in range(0, count, self.batch_size)]
        order = random.permutation(len(cuts)) if self.shuffle else range(len(cuts))
        return [cuts[place] for place in order]


def padded_batch(pairs: Pairs, rows: Index) -> Batch:
    """Pad the given rows (B,), in the given order, to one batch."""
    source, source_lengths = None, np.zeros(len(rows), np.int64)
    if pairs.sources is not None:
        source, source_lengths = pairs.sources.padded(rows, PAD)  # (B, S)
    targets, lengths = pairs.targets.padded(rows, PAD)  # (B, T - 1)
    target_in = np.full((len(rows), targets.shape[1] + 1), BOS, np.int64)  # (B, T)
    target_in[:, 1:] = targets
    target_out = np.full_like(target_in, PAD)
    target_out[:, :-1] = targets
    target_out[np.arange(len(rows)), lengths] = EOS
    weights = None if pairs.weights is None else pairs.weights[rows]
    return Batch(rows, source, source_lengths, target_in, target_out, lengths + 1, weights)


def share(batch: Batch, rank: int, size: int) -> Batch:
    """Return the rows ``rank``, ``rank + size``, ... of a batch, padded to the longest of them.

    Rows of similar length are neighbors, so the shares are about equally long. A batch of fewer
    than ``size`` rows has empty shares.
    """

    def rows_of(values: NDArray[Any], columns: int | None = None) -> NDArray[Any]:
        return np.ascontiguousarray(values[rank::size, :columns] if columns else values[rank::size])

    source_lengths, target_lengths = rows_of(batch.source_lengths), rows_of(batch.target_lengths)
    steps = int(target_lengths.max(initial=1))
    source = batch.source
    if source is not None:
        source = rows_of(source, int(source_lengths.max(initial=1)))  # (B', S')
    return Batch(
        rows_of(batch.rows),
        source,
        source_lengths,
        rows_of(batch.target_in, steps),  # (B', T')
        rows_of(batch.target_out, steps),  # (B', T')
        target_lengths,
        None if batch.weights is None else rows_of(batch.weights),
    )
