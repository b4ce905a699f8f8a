"""Answers beside what they should be, as ids, and what all scores are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.data.tokenizers import Tokenizer
from seqcli.data.vocabulary import SPECIALS, UNK
from seqcli.metrics.classification import Labels, labels_of
from seqcli.metrics.edit_distance import edit_distances, same_rows

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


Texts = Sequence[str]


@dataclass(frozen=True)
class Answers:
    """N rows with the answers to them, and what is needed to judge these.

    Args:
        sources, truths, predictions: texts; a truth stands as it is, its unknown symbols too.
        source_tokens, target_tokens: how texts are cut into symbols.
        features: (N,) those of the sources, such as ``N;ACC;PL``, where there are any.
        nats: (N,) loss of each row, summed over its symbols and the end symbol.
        unseen_sources, unseen_truths: (N,) how many symbols of each were never seen in training.
        symbols: how many target symbols the model knows, for chance; 0 where nobody said.
        guesses: name -> N texts that some rule without a model would answer.
        truncated: (N,) 1 where the prediction was cut at the length limit.
        lengths_given: whether the model was told how long each answer is.
        notes: what else is to be known of them.
    """

    sources: Texts
    truths: Texts
    predictions: Texts
    source_tokens: Tokenizer
    target_tokens: Tokenizer
    features: Texts | None = None
    nats: Floats | None = None
    unseen_sources: Index | None = None
    unseen_truths: Index | None = None
    symbols: int = 0
    guesses: Mapping[str, Texts] = field(default_factory=dict)
    truncated: Index | None = None
    lengths_given: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.truths)

    @cached_property
    def outcome(self) -> Outcome:
        """The rows as ids; symbols are numbered as they come."""
        sources = numbered(self.asked)
        return Outcome(self._ids(self.truths), self._ids(self.predictions), self.nats, sources)

    def guessed(self, name: str) -> Outcome:
        """Return the rows with a rule's guesses in the place of the model's answers."""
        mine = self.outcome
        return Outcome(mine.truths, self._ids(self.guesses[name]), None, mine.sources)

    @property
    def asked(self) -> Texts:
        """The sources with their features behind a tab: what a model is asked."""
        if self.features is None:
            return self.sources
        return ["\t".join(pair) for pair in zip(self.sources, self.features, strict=True)]

    @cached_property
    def source_lengths(self) -> Index:
        """(N,) in symbols."""
        split = self.source_tokens.split
        return np.array([len(split(text)) for text in self.sources], np.int64)

    @cached_property
    def known(self) -> dict[str, int]:
        """The id of every target symbol met so far."""
        return {}

    def _ids(self, texts: Texts) -> Ragged:
        known, split, first = self.known, self.target_tokens.split, len(SPECIALS)
        ids, lengths = [], []
        for text in texts:
            symbols = split(text)
            ids += [known.setdefault(symbol, len(known) + first) for symbol in symbols]
            lengths.append(len(symbols))
        return Ragged(np.array(ids, np.int32), offsets_of(lengths))


def numbered(texts: Texts) -> Index:
    """Return (N,) a number for each different text, from 0 as they come."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)


@dataclass(frozen=True)
class Nearest:
    """What N rows score against any reference of their sources.

    ``right`` (N,): 1 where the prediction is one of the references. ``edits``, ``lengths`` (N,): to
    and of the nearest reference, of equally near ones the longest. ``first`` (N,): 1 for the first
    row of each source, which stands for the source; the others are 0.
    """

    right: Floats
    edits: Floats
    lengths: Floats
    first: Floats


def ids_of_rows(rows: Ragged) -> Index:
    """Return (N,) numbers from 0, the same for rows that are alike."""
    return np.unique(row_hashes(rows), return_inverse=True)[1].astype(np.int64)


def references_of(sources: Index, truths: Ragged) -> Index:
    """Return (S,), how many different references each source has."""
    pairs, _ = _distinct(sources, ids_of_rows(truths))
    return np.bincount(sources[pairs])


def ceiling(sources: Index, truths: Ragged) -> float:
    """Return the sequence accuracy, row by row, that one answer to each source can reach."""
    pairs, of_row = _distinct(sources, ids_of_rows(truths))
    best = np.zeros(int(sources.max(initial=-1)) + 1, np.int64)
    np.maximum.at(best, sources[pairs], np.bincount(of_row))
    return float(best.sum() / len(sources)) if len(sources) else 0.0


def nearest(sources: Index, truths: Ragged, predictions: Ragged) -> Nearest:
    """Score each of N rows against every reference of its source.

    Args:
        sources: (N,) which source each row has, from 0 without gaps.
        truths, predictions: N rows of ids.
    """
    asked, row_of = _distinct(sources, ids_of_rows(predictions))  # (A,), (N,)
    given, _ = _distinct(sources, ids_of_rows(truths))  # (G,)
    answer, reference = _meet(sources[asked], sources[given])  # (X,) each: every one with every one
    wanted, guesses = truths.take(given[reference]), predictions.take(asked[answer])
    edits, lengths = edit_distances(wanted, guesses), wanted.lengths
    order = np.lexsort((-lengths, edits, answer))
    best = order[np.diff(answer[order], prepend=-1) != 0]  # (A,) the nearest of each
    right = np.bincount(answer, same_rows(wanted, guesses)) > 0
    first = np.zeros(len(sources))
    first[np.unique(sources, return_index=True)[1]] = 1
    return Nearest(
        _mean_of_source(right[row_of], sources),
        _mean_of_source(edits[best][row_of], sources),
        _mean_of_source(lengths[best][row_of], sources),
        first,
    )


def _distinct(sources: Index, answers: Index) -> tuple[Index, Index]:
    """Return the first row of each different (source, answer), and which of those each row is."""
    codes = sources * (int(answers.max(initial=0)) + 1) + answers
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first, inverse.astype(np.int64)


def _meet(left: Index, right: Index) -> tuple[Index, Index]:
    """Return the places of all pairs of equal numbers in two sorted arrays."""
    start, end = (np.searchsorted(right, left, side=side) for side in ("left", "right"))
    counts = end - start
    one = np.repeat(np.arange(len(left)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return one, np.arange(len(one)) - before + np.repeat(start, counts)


def _mean_of_source(values: NDArray[Any], sources: Index) -> Floats:
    """Return (N,) for each row the mean over the rows of its source."""
    means: Floats = np.bincount(sources, values) / np.bincount(sources)
    return means[sources]
