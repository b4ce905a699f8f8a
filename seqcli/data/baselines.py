"""Compute baselines: predictions and losses from the training rows, without a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ids, Index, Ragged
from seqcli.data.corpus import Pairs, Provenance
from seqcli.data.vocabulary import BOS, EOS

UNKNOWN = -1


def most_frequent(targets: Ragged) -> int:
    """Return the first row with the most frequent target."""
    _, first, counts = np.unique(row_hashes(targets), return_index=True, return_counts=True)
    return int(first[np.lexsort((first, -counts))[0]])


def memorized_rows(train: Pairs, sources: Ragged) -> Index:
    """Return, for each source, the training row with its most frequent target, (N,).

    Sources that are not in the training data get ``UNKNOWN``. Among equally frequent targets, the
    first is used.
    """
    assert train.sources is not None
    queries, train_sources = row_hashes(sources), row_hashes(train.sources)
    rows = np.flatnonzero(np.isin(train_sources, queries))
    if not len(rows):
        return np.full(len(sources), UNKNOWN)
    train_sources, targets = train_sources[rows], row_hashes(train.targets)[rows]
    order = np.lexsort((targets, train_sources))  # stable: the first row of each pair comes first
    new = (np.diff(train_sources[order], prepend=0) != 0) | (
        np.diff(targets[order], prepend=0) != 0
    )
    new[0] = True
    starts = np.flatnonzero(new)
    counts, first = np.diff(starts, append=len(order)), order[starts]
    best = np.lexsort((first, -counts, train_sources[first]))
    best = best[np.unique(train_sources[first][best], return_index=True)[1]]
    best_rows = first[best]  # one row per source, by increasing hash
    place = np.searchsorted(train_sources[best_rows], queries).clip(max=len(best_rows) - 1)
    return np.where(train_sources[best_rows][place] == queries, rows[best_rows][place], UNKNOWN)


def measure_language(
    train: Ragged, reference: Ragged, vocabulary_size: int
) -> dict[str, MetricScores]:
    """Return loss, bits per character and perplexity of each baseline; see `row_nats`."""
    tokens = max(len(reference.tokens) + len(reference), 1)
    losses = row_nats(train, reference, vocabulary_size)
    return {name: scores(float(nats.sum()) / tokens) for name, nats in losses.items()}


def row_nats(
    train: Ragged, reference: Ragged, vocabulary_size: int
) -> dict[str, NDArray[np.float64]]:
    """Return the loss (N,) of each row under each baseline, summed over tokens and ``<eos>``.

    ``chance`` assigns equal probability to every token. ``unigram`` uses the token counts of train,
    ``bigram`` the counts of pairs of consecutive tokens; both use add-one smoothing.

    Args:
        train: N rows of ids, without BOS and EOS.
        reference: the rows to score on.
        vocabulary_size: number of tokens in the data; ``<eos>`` is one more.
    """
    kinds = vocabulary_size + 1
    return {
        "chance": math.log(kinds) * (reference.lengths + 1).astype(np.float64),
        "unigram": _counted(train, reference, kinds, pairs=False),
        "bigram": _counted(train, reference, kinds, pairs=True),
    }


def scores(loss: float) -> MetricScores:
    """Convert a loss in nats per token to bits per character and perplexity."""
    perplexity = math.exp(min(loss, 700.0))
    return {"loss": loss, "bits_per_character": loss / math.log(2), "perplexity": perplexity}


def _counted(train: Ragged, reference: Ragged, kinds: int, pairs: bool) -> NDArray[np.float64]:
    """Return the loss (N,) of each row under counts of tokens or of pairs of tokens."""
    before, after = _with_ends(train, pairs)
    context, token = _with_ends(reference, pairs)
    width = int(max(after.max(), token.max())) + 1
    codes, counts = np.unique(before * width + after, return_counts=True)
    totals = np.bincount(before, minlength=int(context.max(initial=0)) + 1)
    reference_codes = context * width + token
    places = np.searchsorted(codes, reference_codes).clip(max=len(codes) - 1)
    seen = np.where(codes[places] == reference_codes, counts[places], 0)
    nats = -np.log((seen + 1) / (totals[context] + kinds))
    ends = np.concatenate([[0.0], np.cumsum(nats)])[np.cumsum(reference.lengths + 1)]
    return np.diff(ends, prepend=0.0)


def _with_ends(rows: Ragged, pairs: bool) -> tuple[Index, Index]:
    """Return the previous token (0 unless ``pairs``) and the token, at each position."""
    tokens = rows.tokens.astype(np.int64)
    after = np.insert(tokens, rows.offsets[1:], EOS)
    before = np.insert(tokens, rows.offsets[:-1], BOS)
    return before if pairs else np.zeros_like(before), after


MetricScores = dict[str, float]


def measure(
    train: Ragged, reference: Ragged, vocabulary_size: int, predictions: Mapping[str, Ragged]
) -> dict[str, MetricScores]:
    """Return the scores of chance, the majority and other predictions, by name.

    Args:
        train: targets from which the majority is computed.
        reference: the targets to score against.
        vocabulary_size: number of distinct target tokens.
        predictions: predictions of other baselines, by name.
    """
    results = {"chance": chance(reference, vocabulary_size), "majority": majority(train, reference)}
    return results | {
        name: score(prediction, reference) for name, prediction in predictions.items()
    }


def chance(reference: Ragged, vocabulary_size: int) -> MetricScores:
    """Return the expected scores of uniformly random tokens with known lengths."""
    whole_rows = np.mean((1.0 / vocabulary_size) ** reference.lengths)
    return {"token_accuracy": 1.0 / vocabulary_size, "sequence_accuracy": float(whole_rows)}


def majority(train: Ragged, reference: Ragged) -> MetricScores:
    """Return the score of `majority_prediction`."""
    return score(majority_prediction(train, reference), reference)


def majority_prediction(train: Ragged, reference: Ragged) -> Ragged:
    """Predict the most frequent token at each position of rows of the same length, N rows.

    The prediction depends on the length of the reference only. If train has no row of that length,
    it uses the most frequent token at that position in any row, else the most frequent token.
    """
    longest = int(max(train.lengths.max(initial=0), reference.lengths.max(initial=0)))
    known, places = _places(train), _places(reference)
    prediction = np.full(len(places), np.bincount(train.tokens).argmax(), np.int32)
    for block in (0, longest):  # by position, then overridden by (length, position)
        cells = known + block * np.repeat(train.lengths, train.lengths)
        known_cells, tokens = _modes(cells, train.tokens)
        reference_cells = places + block * np.repeat(reference.lengths, reference.lengths)
        where = np.searchsorted(known_cells, reference_cells).clip(max=len(known_cells) - 1)
        prediction = np.where(known_cells[where] == reference_cells, tokens[where], prediction)
    return Ragged(prediction, reference.offsets)


def score(prediction: Ragged, reference: Ragged) -> MetricScores:
    """Compare N predictions with N references, position by position.

    Returns:
        token_accuracy, the fraction of correct positions, where a row has as many positions as the
        longer of prediction and reference (without EOS), and sequence_accuracy, the fraction of
        rows that are entirely correct.
    """
    lengths = reference.lengths
    places = _places(reference)
    inside = places < np.repeat(prediction.lengths, lengths)
    where = np.where(inside, np.repeat(prediction.offsets[:-1], lengths) + places, -1)
    right = inside & (np.append(prediction.tokens, -1)[where] == reference.tokens)
    counts = np.concatenate([[0], np.cumsum(right)])
    positions = int(np.maximum(lengths, prediction.lengths).sum())
    whole = counts[reference.offsets[1:]] - counts[reference.offsets[:-1]] == lengths
    whole &= prediction.lengths == lengths
    return {
        "token_accuracy": float(right.sum() / positions) if positions else 0.0,
        "sequence_accuracy": float(whole.mean()) if whole.size else 0.0,
    }


def _places(rows: Ragged) -> Index:
    """Return the position of each token in its row."""
    return np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], rows.lengths)


def _modes(cells: Index, tokens: Ids) -> tuple[Index, Ids]:
    """Return the occurring cells, in order, and the most frequent token of each."""
    width = int(tokens.max()) + 1
    codes = np.sort(cells * width + tokens)
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    counts = np.diff(firsts, append=len(codes))
    occurring, token = np.divmod(codes[firsts], width)
    order = np.lexsort((-token, counts, occurring))  # the most frequent of each cell comes last
    last = order[np.diff(occurring, append=-1) != 0]
    return occurring[last], token[last].astype(np.int32)


Baselines = dict[str, MetricScores]  # by name, of one split

_ROWS = 100_000  # sample size; more would use memory and change no baseline


def with_max_lengths(provenance: Provenance, splits: Mapping[str, Pairs]) -> Provenance:
    """Return the provenance with the maximum lengths of the sources and targets of train."""
    train = splits["train"]
    source, target = train.source_lengths.max(), train.targets.lengths.max()
    return replace(provenance, max_source=int(source), max_target=int(target))


def scored_splits(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the splits on which baselines are computed: val and test, else train."""
    return tuple(split for split in splits if split != "train") or ("train",)


def text_baselines(splits: Mapping[str, Pairs], vocabulary: int) -> dict[str, Baselines]:
    """Compute chance and majority on each scored split."""
    train = _some(splits["train"])
    return {
        split: measure(train, _some(splits[split]), vocabulary, {})
        for split in scored_splits(splits)
    }


def language_baselines(splits: Mapping[str, Pairs], vocabulary: int) -> dict[str, Baselines]:
    """Compute the losses of n-gram counts on each scored split."""
    train = _some(splits["train"])
    return {
        split: measure_language(train, _some(splits[split]), vocabulary)
        for split in scored_splits(splits)
    }


def _some(pairs: Pairs) -> Ragged:
    """Return the targets, or an evenly spaced sample of them."""
    targets = pairs.targets
    if len(targets) <= _ROWS:
        return targets
    return targets.take(np.linspace(0, len(targets) - 1, _ROWS).astype(np.int64))
