"""Predictions with their truths, as token ids and as tokens, and their edit distances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.data.vocabulary import SPECIALS, UNK, Tokenizer
from seqcli.metrics.classification import Labels, labels_of
from seqcli.statistics import Floats

Flags: TypeAlias = NDArray[np.bool_]
Texts: TypeAlias = Sequence[str]
TokenRows: TypeAlias = Sequence[Sequence[str]]  # the tokens of each row


@dataclass(frozen=True)
class Outcome:
    """N rows with their predictions, as token ids.

    Args:
        truths, predictions: ids without BOS and EOS. UNK in a truth matches no token.
        nats: (N,) loss of each row, teacher forced, summed over its tokens and ``<eos>``.
        sources: (N,) the source of each row, numbered from 0 without gaps; by default all rows
            have different sources.
        truncated: (N,) whether predictions were truncated at the maximum length; None if unknown.
    """

    truths: Ragged
    predictions: Ragged
    nats: Floats | None = None
    sources: Index | None = None
    truncated: Flags | None = None

    def __len__(self) -> int:
        return len(self.truths)

    def take(self, rows: Index) -> Outcome:
        """Return the given rows, with their sources numbered anew."""
        return Outcome(
            self.truths.take(rows),
            self.predictions.take(rows),
            None if self.nats is None else self.nats[rows],
            np.unique(self.source_of_row[rows], return_inverse=True)[1].astype(np.int64),
            None if self.truncated is None else self.truncated[rows],
        )

    @cached_property
    def right_tokens(self) -> Index:
        """(N,) number of positions where the prediction has the token of the truth."""
        lengths, predictions = self.truths.lengths, self.predictions
        positions = np.arange(len(self.truths.tokens))
        positions -= np.repeat(self.truths.offsets[:-1], lengths)
        inside = positions < np.repeat(predictions.lengths, lengths)
        starts = np.repeat(predictions.offsets[:-1], lengths)
        predicted = np.append(predictions.tokens, -1)[np.where(inside, starts + positions, -1)]
        right = inside & (predicted == self.truths.tokens) & (predicted != UNK)
        return np.diff(np.concatenate([[0], np.cumsum(right)])[self.truths.offsets])

    @cached_property
    def positions(self) -> Index:
        """(N,) number of positions: the longer of truth and prediction, in tokens."""
        return np.maximum(self.truths.lengths, self.predictions.lengths)

    @cached_property
    def right_rows(self) -> Flags:
        """(N,) whether the prediction equals the truth."""
        return same_rows(self.truths, self.predictions)

    @cached_property
    def edits(self) -> Index:
        """(N,) Levenshtein distances in tokens."""
        return edit_distances(self.truths, self.predictions)

    @cached_property
    def source_of_row(self) -> Index:
        """(N,) the source of each row."""
        return np.arange(len(self)) if self.sources is None else self.sources

    @cached_property
    def nearest(self) -> Nearest | None:
        """The scores against the nearest reference; None if no source has several references."""
        if self.sources is None or references_of(self.sources, self.truths).max(initial=0) < 2:
            return None
        return nearest(self.sources, self.truths, self.predictions)

    @cached_property
    def labels(self) -> Labels | None:
        """The rows as labels; None if a truth is not exactly one token."""
        return labels_of(self.truths, self.predictions)


@dataclass(frozen=True)
class PredictionTable:
    """N rows with their predictions, and the information needed to score them.

    Truths, predictions and baselines are tokens, not texts: joining tokens and tokenizing the text
    again may give different tokens.

    Args:
        sources: texts.
        truths: tokens; unknown tokens are spelled as in the data.
        predictions: tokens.
        source_tokens, target_tokens: how texts are tokenized.
        features: (N,) features of the sources, such as ``N;ACC;PL``; None without features.
        nats: (N,) loss of each row, summed over its tokens and ``<eos>``.
        unseen_sources, unseen_truths: (N,) tokens of each row not in the training data.
        vocabulary: target tokens that the model knows, for the chance baseline; 0 if unknown.
        baselines: name -> tokens predicted by a baseline.
        truncated: (N,) 1 where the prediction was truncated at the maximum length.
        oracle_length: whether the reference lengths were given to the model.
        notes: notes for the user.
    """

    sources: Texts
    truths: TokenRows
    predictions: TokenRows
    source_tokens: Tokenizer
    target_tokens: Tokenizer
    features: Texts | None = None
    nats: Floats | None = None
    unseen_sources: Index | None = None
    unseen_truths: Index | None = None
    vocabulary: int = 0
    baselines: Mapping[str, TokenRows] = field(default_factory=dict)
    truncated: Index | None = None
    oracle_length: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for rows in (self.truths, self.predictions, *self.baselines.values()):
            if any(isinstance(row, str) for row in rows[:1]):
                raise TypeError("truths, predictions and baselines are rows of tokens, not texts")

    def __len__(self) -> int:
        return len(self.truths)

    @cached_property
    def outcome(self) -> Outcome:
        """The rows as ids, assigned in order of appearance."""
        sources = numbered(self.inputs)
        return Outcome(self._ids(self.truths), self._ids(self.predictions), self.nats, sources)

    def baseline(self, name: str) -> Outcome:
        """Return the rows with the predictions of a baseline in place of the model's."""
        return Outcome(
            self.outcome.truths, self._ids(self.baselines[name]), None, self.outcome.sources
        )

    @property
    def inputs(self) -> Texts:
        """The sources, each with its features after a tab: the input of the model."""
        if self.features is None:
            return self.sources
        return ["\t".join(pair) for pair in zip(self.sources, self.features, strict=True)]

    @cached_property
    def source_lengths(self) -> Index:
        """(N,) in tokens."""
        split = self.source_tokens.split
        return np.array([len(split(text)) for text in self.sources], np.int64)

    @cached_property
    def known(self) -> dict[str, int]:
        """The ids of the target tokens so far."""
        return {}

    def _ids(self, rows: TokenRows) -> Ragged:
        known, first = self.known, len(SPECIALS)
        ids = [known.setdefault(token, len(known) + first) for row in rows for token in row]
        return Ragged(np.array(ids, np.int32), offsets_of([len(row) for row in rows]))


def numbered(texts: Texts) -> Index:
    """Return (N,) numbers from 0, the same for equal texts, in order of appearance."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)


@dataclass(frozen=True)
class Nearest:
    """The scores of N rows against the nearest reference of their sources.

    ``right`` (N,): 1 where the prediction is one of the references. ``edits``, ``lengths`` (N,):
    edits to the nearest reference and its length; the longest one in case of ties. ``first`` (N,):
    1 for the first row of each source, 0 for the others.
    """

    right: Floats
    edits: Floats
    lengths: Floats
    first: Floats


def ids_of_rows(rows: Ragged) -> Index:
    """Return (N,) numbers from 0, the same for equal rows."""
    return np.unique(row_hashes(rows), return_inverse=True)[1].astype(np.int64)


def references_of(sources: Index, truths: Ragged) -> Index:
    """Return (S,) the number of different references of each source."""
    pairs, _ = _distinct(sources, ids_of_rows(truths))
    return np.bincount(sources[pairs])


def ceiling(sources: Index, truths: Ragged) -> float:
    """Return the highest sequence accuracy per row with one prediction for each source."""
    pairs, of_row = _distinct(sources, ids_of_rows(truths))
    best = np.zeros(int(sources.max(initial=-1)) + 1, np.int64)
    np.maximum.at(best, sources[pairs], np.bincount(of_row))
    return float(best.sum() / len(sources)) if len(sources) else 0.0


def nearest(sources: Index, truths: Ragged, predictions: Ragged) -> Nearest:
    """Score each of N rows against every reference of its source.

    Args:
        sources: (N,) the source of each row, numbered from 0 without gaps.
        truths, predictions: N rows of ids.
    """
    predicted, prediction_of_row = _distinct(sources, ids_of_rows(predictions))  # (P,), (N,)
    references, _ = _distinct(sources, ids_of_rows(truths))  # (G,)
    prediction, reference = _matches(sources[predicted], sources[references])  # (X,) all pairs
    left, right_side = truths.take(references[reference]), predictions.take(predicted[prediction])
    edits, lengths = edit_distances(left, right_side), left.lengths
    order = np.lexsort((-lengths, edits, prediction))
    best = order[np.diff(prediction[order], prepend=-1) != 0]  # (P,) the nearest of each
    right = np.bincount(prediction, same_rows(left, right_side)) > 0
    first = np.zeros(len(sources))
    first[np.unique(sources, return_index=True)[1]] = 1
    return Nearest(
        _mean_of_source(right[prediction_of_row], sources),
        _mean_of_source(edits[best][prediction_of_row], sources),
        _mean_of_source(lengths[best][prediction_of_row], sources),
        first,
    )


def _distinct(sources: Index, targets: Index) -> tuple[Index, Index]:
    """Return the first row of each distinct (source, target), and each row's index among these."""
    codes = sources * (int(targets.max(initial=0)) + 1) + targets
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first, inverse.astype(np.int64)


def _matches(left: Index, right: Index) -> tuple[Index, Index]:
    """Return the positions of all pairs of equal numbers in two sorted arrays."""
    start, end = (np.searchsorted(right, left, side=side) for side in ("left", "right"))
    counts = end - start
    one = np.repeat(np.arange(len(left)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return one, np.arange(len(one)) - before + np.repeat(start, counts)


def _mean_of_source(values: NDArray[Any], sources: Index) -> Floats:
    """Return (N,) the mean over the rows of each row's source."""
    means: Floats = np.bincount(sources, values) / np.bincount(sources)
    return means[sources]


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
