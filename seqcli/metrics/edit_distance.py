"""Edits between what was asked for and what was answered: how many, and which.

The table is Levenshtein's; here it is filled in for many pairs of like lengths at a time, one row
after the other, the insertions along a row being a running minimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Index, Ragged
from seqcli.data.vocabulary import PAD, UNK

GAP = -1  # stands where a symbol has no partner
LARGEST = 250_000  # cells of a table that is kept to be walked back through
_BLOCK = 1 << 17  # cells of all the table rows filled in at a time
_KEPT = 1 << 22  # cells of all the tables kept at a time


@dataclass(frozen=True)
class EditCounts:
    """Each kind of edit once, with how often it was needed, over many rows.

    ``wanted`` and ``given`` (K,) are ids: both of them for a swap, ``GAP`` in ``given`` for a
    symbol left out, ``GAP`` in ``wanted`` for one too many. ``left_out``: rows too long to tell.
    """

    wanted: Index
    given: Index
    times: Index
    left_out: int = 0


@dataclass(frozen=True)
class _Block:
    """n rows as columns, filled up with PAD: truths (T, n) and predictions (P, n)."""

    rows: Index
    truths: Index
    predictions: Index
    truth_lengths: Index
    prediction_lengths: Index


def same_rows(one: Ragged, other: Ragged) -> NDArray[np.bool_]:
    """Return (N,), True where both rows are alike and ``one`` has no unknown symbol."""
    same: NDArray[np.bool_] = one.lengths == other.lengths
    rows = np.flatnonzero(same)
    left, right = one.take(rows), other.take(rows)
    differs = (left.tokens != right.tokens) | (left.tokens == UNK)
    of_token = np.repeat(rows, left.lengths)
    same[of_token[differs]] = False
    return same


def edit_distances(truths: Ragged, predictions: Ragged) -> Index:
    """Return (N,) Levenshtein distances, in symbols. An unknown symbol in a truth equals none."""
    found = np.zeros(len(truths), np.int64)
    wrong = np.flatnonzero(~same_rows(truths, predictions))
    for block in _blocks(truths, predictions, wrong):
        columns = np.arange(len(block.rows))
        for i, row in enumerate(_table(block)):
            ends = block.truth_lengths == i
            found[block.rows[ends]] = row[block.prediction_lengths[ends], columns[ends]]
    return found


def count_edits(truths: Ragged, predictions: Ragged) -> EditCounts:
    """Return the edits of N rows that turn truths into predictions, the fewest there can be.

    Of several ways with as few edits, one with swaps rather than gaps is taken. Rows whose table
    would have more than ``LARGEST`` cells are left out, and counted. The commonest edit is first.
    """
    wrong = np.flatnonzero(~same_rows(truths, predictions))
    cells = (truths.lengths[wrong] + 1) * (predictions.lengths[wrong] + 1)
    short = wrong[cells <= LARGEST]
    pairs = [_walk_back(block) for block in _blocks(truths, predictions, short, kept=True)]
    edits = np.concatenate([np.zeros((0, 2), np.int64), *pairs]) - GAP  # (E, 2), from 0
    span = int(edits.max(initial=0)) + 1
    kinds, times = np.unique(edits[:, 0] * span + edits[:, 1], return_counts=True)
    order = np.lexsort((kinds, -times))
    wanted, given = np.divmod(kinds[order], span)
    return EditCounts(wanted + GAP, given + GAP, times[order], len(wrong) - len(short))


def _blocks(
    truths: Ragged, predictions: Ragged, rows: Index, kept: bool = False
) -> Iterator[_Block]:
    """Cut rows into blocks of like lengths that fit the cache, or (``kept``) the memory."""
    wanted, given = truths.lengths[rows], predictions.lengths[rows]
    order = np.lexsort((given, wanted))
    rows, wanted, given = rows[order], wanted[order], given[order]
    first = 0
    while first < len(rows):
        near = slice(first, first + _BLOCK)
        cells = np.maximum.accumulate(given[near] + 1) * ((wanted[near] + 1) if kept else 1)
        cells *= np.arange(1, len(cells) + 1)
        size = int(np.searchsorted(cells, _KEPT if kept else _BLOCK, side="right"))
        part = slice(first, first + max(size, 1))
        here = rows[part]
        yield _Block(
            here,
            truths.padded(here, PAD)[0].T.copy(),  # (T, n)
            predictions.padded(here, PAD)[0].T.copy(),  # (P, n)
            wanted[part],
            given[part],
        )
        first += len(here)


def _table(block: _Block) -> Iterator[NDArray[np.int32]]:
    """Yield the rows of Levenshtein's table, (P + 1, n) each: row i is for i symbols of truths."""
    guesses = block.predictions.astype(np.int32)  # (P, n)
    places = np.arange(len(guesses) + 1, dtype=np.int32)[:, None]  # (P + 1, 1)
    above = np.repeat(places, len(block.rows), axis=1)  # (P + 1, n)
    yield above
    for i, symbol in enumerate(block.truths.astype(np.int32), 1):
        differs = (guesses != symbol) | (symbol == UNK)  # (P, n)
        row = np.empty_like(above)  # (P + 1, n)
        row[0] = i
        np.minimum(above[1:] + 1, above[:-1] + differs, out=row[1:])
        row -= places
        np.minimum.accumulate(row, axis=0, out=row)
        row += places
        yield row
        above = row


def _walk_back(block: _Block) -> Index:
    """Return (K, 2) ids, one pair for each edit of the block's rows."""
    table = np.stack(list(_table(block)))  # (T + 1, P + 1, n)
    column = np.arange(len(block.rows))
    i, j = block.truth_lengths.copy(), block.prediction_lengths.copy()
    found = []
    while len(column):
        here = table[i, j, column]
        truth, guess = _symbol(block.truths, i, column), _symbol(block.predictions, j, column)
        differs = (truth != guess) | (truth == UNK)
        both = (i > 0) & (j > 0)
        pair = both & (here == table[i - both, j - both, column] + differs)
        gone = ~pair & (i > 0) & (here == table[i - (i > 0), j, column] + 1)
        edit = ~pair | differs
        wanted, given = np.where(pair | gone, truth, GAP), np.where(gone, GAP, guess)
        found.append(np.stack([wanted, given], axis=1)[edit & (i + j > 0)])  # (k, 2)
        i, j = i - (pair | gone), j - ~gone
        left = i + j > 0
        column, i, j = column[left], i[left], j[left]
    return np.concatenate(found)


def _symbol(grid: Index, place: Index, column: Index) -> Index:
    """Return (n,) the symbol before each place; PAD where there is none."""
    if not len(grid):
        return np.full(len(place), PAD)
    return np.where(place > 0, grid[np.maximum(place - 1, 0), column], PAD)
