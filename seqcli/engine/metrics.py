"""What a model's answers are worth. Every number here is named for what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcli.data.ragged import Index, Ragged
from seqcli.data.vocabulary import PAD, UNK


@dataclass(frozen=True)
class Outcome:
    """A split with a model's answers to it.

    Args:
        loss: nats per target symbol, teacher forced, the end symbol counted.
        truths, predictions: N rows of ids each, without BOS and EOS.
    """

    loss: float
    truths: Ragged
    predictions: Ragged


@dataclass(frozen=True)
class Metric:
    """A score of an outcome. ``higher``: whether more is better."""

    name: str
    higher: bool
    score: Callable[[Outcome], float]


def correct_tokens(outcome: Outcome) -> Index:
    """Return (N,), how many positions of each truth the prediction has right.

    Position by position: what the prediction holds beyond the truth is not looked at. An unknown
    symbol in the truth is never right.
    """
    width = int(max(outcome.truths.lengths.max(initial=0), 1))
    truths, predictions = (_grid(rows, width) for rows in (outcome.truths, outcome.predictions))
    same = (truths == predictions) & (truths != PAD) & (truths != UNK)
    counts: Index = same.sum(1).astype(np.int64)  # (N,)
    return counts


def correct_rows(outcome: Outcome) -> NDArray[np.bool_]:
    """Return (N,), True where the prediction is the truth from beginning to end."""
    lengths = outcome.truths.lengths
    whole: NDArray[np.bool_] = correct_tokens(outcome) == lengths
    whole &= lengths == outcome.predictions.lengths
    return whole


def edit_distances(outcome: Outcome) -> Index:
    """Return (N,) Levenshtein distances between truths and predictions, in symbols.

    One row of the usual table for all N pairs at a time; the insertions along a row are a running
    minimum.
    """
    truths, predictions = outcome.truths, outcome.predictions
    wide = int(predictions.lengths.max(initial=0))
    guesses = _grid(predictions, max(wide, 1))
    columns = np.arange(wide + 1)
    table = np.broadcast_to(columns, (len(truths), wide + 1)).astype(np.int64)  # (N, P + 1)
    longest = int(truths.lengths.max(initial=0))
    wanted = _grid(truths, max(longest, 1))
    for i in range(longest):
        symbol = wanted[:, i : i + 1]
        differs = (guesses[:, :wide] != symbol) | (symbol == UNK)  # (N, P)
        best = np.minimum(table[:, 1:] + 1, table[:, :-1] + differs)  # (N, P)
        best = np.concatenate([table[:, :1] + 1, best], axis=1)  # (N, P + 1)
        best = np.minimum.accumulate(best - columns, axis=1) + columns
        table = np.where((i < truths.lengths)[:, None], best, table)
    return table[np.arange(len(truths)), predictions.lengths]  # (N,)


def _grid(rows: Ragged, width: int) -> Index:
    """Return rows as (N, width) ids, cut or filled up with PAD."""
    padded, _ = rows.padded(np.arange(len(rows)), PAD)
    out = np.full((len(rows), width), PAD, np.int64)
    out[:, : padded.shape[1]] = padded[:, :width]
    return out


def _share(right: int, of: int) -> float:
    return right / of if of else 0.0


LOSS = Metric("loss", False, lambda outcome: outcome.loss)
TOKEN_ACCURACY = Metric(
    "token_accuracy",
    True,
    lambda o: _share(int(correct_tokens(o).sum()), int(o.truths.lengths.sum())),
)
SEQUENCE_ACCURACY = Metric(
    "sequence_accuracy", True, lambda o: _share(int(correct_rows(o).sum()), len(o.truths))
)
SYMBOL_ERROR_RATE = Metric(
    "symbol_error_rate",
    False,
    lambda o: _share(int(edit_distances(o).sum()), int(o.truths.lengths.sum())),
)
