"""Answers beside what they should be, as ids, and what all scores are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seqcli.data.ragged import Index, Ragged
from seqcli.data.vocabulary import UNK
from seqcli.scoring.classes import Labels, labels_of
from seqcli.scoring.edits import edit_distances, same_rows
from seqcli.scoring.references import Nearest, nearest, references_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """N rows with the answers to them.

    Args:
        truths, predictions: rows of ids, without BOS and EOS. An UNK in a truth equals nothing.
        nats: (N,) loss of each row, summed over its symbols and the end symbol, teacher forced.
        sources: (N,) which source each row has, from 0 without gaps; each its own by default.
        truncated: (N,) which predictions were cut at the length limit; None where that is unknown.
    """

    truths: Ragged
    predictions: Ragged
    nats: Floats | None = None
    sources: Index | None = None
    truncated: Flags | None = None

    def __len__(self) -> int:
        return len(self.truths)

    @cached_property
    def right_tokens(self) -> Index:
        """(N,) at how many positions each prediction has the token of the truth."""
        lengths, guess = self.truths.lengths, self.predictions
        places = np.arange(len(self.truths.tokens)) - np.repeat(self.truths.offsets[:-1], lengths)
        there = places < np.repeat(guess.lengths, lengths)
        where = np.where(there, np.repeat(guess.offsets[:-1], lengths) + places, -1)
        got = np.append(guess.tokens, -1)[where]
        right = there & (got == self.truths.tokens) & (got != UNK)
        return np.diff(np.concatenate([[0], np.cumsum(right)])[self.truths.offsets])

    @cached_property
    def positions(self) -> Index:
        """(N,) positions of each row: the longer of truth and prediction, in tokens."""
        return np.maximum(self.truths.lengths, self.predictions.lengths)

    @cached_property
    def right_rows(self) -> Flags:
        """(N,) True where the prediction is the truth from beginning to end."""
        return same_rows(self.truths, self.predictions)

    @cached_property
    def edits(self) -> Index:
        """(N,) Levenshtein distances in symbols."""
        return edit_distances(self.truths, self.predictions)

    @cached_property
    def source_of_row(self) -> Index:
        """(N,) which source each row has."""
        return np.arange(len(self)) if self.sources is None else self.sources

    @cached_property
    def nearest(self) -> Nearest | None:
        """The scores against any reference of a source; None where no source has several."""
        if self.sources is None or references_of(self.sources, self.truths).max(initial=0) < 2:
            return None
        return nearest(self.sources, self.truths, self.predictions)

    @cached_property
    def labels(self) -> Labels | None:
        """The rows as labels, where every truth is one symbol."""
        return labels_of(self.truths, self.predictions)
