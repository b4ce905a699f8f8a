"""Levenshtein distances between truths and predictions, and counts of the edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from seqcli.arrays.ragged import Index, Ragged
from seqcli.data.vocabulary import UNK

GAP = -1  # placeholder for a token without counterpart
_NEVER_EQUAL = -2  # placeholder for an unknown token of a truth


@dataclass(frozen=True)
class EditCounts:
    """The kinds of edits with their counts over many rows, most frequent first.

    ``truths`` and ``predictions`` (K,) are token ids: both for a substitution, ``GAP`` in
    ``predictions`` for a deletion, ``GAP`` in ``truths`` for an insertion. ``counts``: (K,).
    """

    truths: Index
    predictions: Index
    counts: Index


def same_rows(truths: Ragged, predictions: Ragged) -> NDArray[np.bool_]:
    """Return (N,) whether predictions equal truths; False for truths with unknown tokens."""
    same: NDArray[np.bool_] = truths.lengths == predictions.lengths
    rows = np.flatnonzero(same)
    left, right = truths.take(rows), predictions.take(rows)
    differs = (left.tokens != right.tokens) | (left.tokens == UNK)
    row_of_token = np.repeat(rows, left.lengths)
    same[row_of_token[differs]] = False
    return same


def edit_distances(truths: Ragged, predictions: Ragged) -> Index:
    """Return (N,) Levenshtein distances in tokens; unknown tokens of a truth match no token."""
    distances = np.zeros(len(truths), np.int64)
    for row, truth, prediction in _wrong_rows(truths, predictions):
        distances[row] = Levenshtein.distance(truth, prediction)
    return distances


def count_edits(truths: Ragged, predictions: Ragged) -> EditCounts:
    """Count the minimal edits that turn truths into predictions, over N rows.

    If there are several minimal sequences of edits, the one that rapidfuzz returns is counted.
    """
    counts: Counter[tuple[int, int]] = Counter()
    for _, truth, prediction in _wrong_rows(truths, predictions):
        for kind, i, j in Levenshtein.editops(truth, prediction).as_list():
            truth_token = GAP if kind == "insert" else truth[int(i)]
            counts[truth_token, GAP if kind == "delete" else prediction[int(j)]] += 1
    kinds = sorted(counts, key=lambda kind: (-counts[kind], kind))
    sides = np.array(kinds, np.int64).reshape(-1, 2)  # (K, 2)
    sides[sides == _NEVER_EQUAL] = UNK
    return EditCounts(sides[:, 0], sides[:, 1], np.array([counts[kind] for kind in kinds]))


def _wrong_rows(truths: Ragged, predictions: Ragged) -> Iterator[tuple[int, list[int], list[int]]]:
    """Yield (row, truth, prediction) of each wrong row."""
    tokens = np.where(truths.tokens == UNK, _NEVER_EQUAL, truths.tokens).tolist()
    predicted = predictions.tokens.tolist()
    starts, predicted_starts = truths.offsets.tolist(), predictions.offsets.tolist()
    for row in np.flatnonzero(~same_rows(truths, predictions)).tolist():
        truth = tokens[starts[row] : starts[row + 1]]
        yield row, truth, predicted[predicted_starts[row] : predicted_starts[row + 1]]
