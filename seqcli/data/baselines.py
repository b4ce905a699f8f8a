"""Baselines: predictions and losses that need no model, only the training rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ids, Index, Ragged
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import BOS, EOS

UNKNOWN = -1


def most_frequent(targets: Ragged) -> int:
    """Return the row with the most frequent target, the first of several."""
    _, first, counts = np.unique(row_hashes(targets), return_index=True, return_counts=True)
    return int(first[np.lexsort((first, -counts))[0]])


def memorized_rows(train: Pairs, sources: Ragged) -> Index:
    """Return (N,), for each source the training row with its most frequent target.

    ``UNKNOWN`` stands for a source that training does not have; of targets that are as frequent
    the first is taken.
    """
    assert train.sources is not None
    asked, known = row_hashes(sources), row_hashes(train.sources)
    rows = np.flatnonzero(np.isin(known, asked))
    if not len(rows):
        return np.full(len(sources), UNKNOWN)
    known, targets = known[rows], row_hashes(train.targets)[rows]
    order = np.lexsort((targets, known))  # stable: the first row of each pair comes first
    new = (np.diff(known[order], prepend=0) != 0) | (np.diff(targets[order], prepend=0) != 0)
    new[0] = True
    starts = np.flatnonzero(new)
    counts, first = np.diff(starts, append=len(order)), order[starts]
    best = np.lexsort((first, -counts, known[first]))
    best = best[np.unique(known[first][best], return_index=True)[1]]
    found = first[best]  # one row for each source, by rising hash
    place = np.searchsorted(known[found], asked).clip(max=len(found) - 1)
    return np.where(known[found][place] == asked, rows[found][place], UNKNOWN)


def measure_language(train: Ragged, reference: Ragged, vocabulary_size: int) -> dict[str, Scores]:
    """Return loss, bits per character and perplexity of each baseline; see `row_nats`."""
    tokens = max(len(reference.tokens) + len(reference), 1)
    found = row_nats(train, reference, vocabulary_size)
    return {name: scores(float(nats.sum()) / tokens) for name, nats in found.items()}


def row_nats(
    train: Ragged, reference: Ragged, vocabulary_size: int
) -> dict[str, NDArray[np.float64]]:
    """Return (N,) the loss of each row by each baseline, summed over its tokens and ``<eos>``.

    ``chance`` takes every token for equally likely, ``unigram`` knows how often each one is in
    train, ``bigram`` how often it follows the one before it; both counts begin at 1.

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


def scores(loss: float) -> Scores:
    """Return a loss in nats per token also as bits per character and as perplexity."""
    perplexity = math.exp(min(loss, 700.0))
    return {"loss": loss, "bits_per_character": loss / math.log(2), "perplexity": perplexity}


def _counted(train: Ragged, reference: Ragged, kinds: int, pairs: bool) -> NDArray[np.float64]:
    """Return (N,) the loss of each row by a table of counts, of tokens or of pairs of tokens."""
    before, after = _with_ends(train, pairs)
    wanted = _with_ends(reference, pairs)
    width = int(max(after.max(), wanted[1].max())) + 1
    codes, counts = np.unique(before * width + after, return_counts=True)
    totals = np.bincount(before, minlength=int(wanted[0].max(initial=0)) + 1)
    sought = wanted[0] * width + wanted[1]
    places = np.searchsorted(codes, sought).clip(max=len(codes) - 1)
    seen = np.where(codes[places] == sought, counts[places], 0)
    nats = -np.log((seen + 1) / (totals[wanted[0]] + kinds))
    ends = np.concatenate([[0.0], np.cumsum(nats)])[np.cumsum(reference.lengths + 1)]
    return np.diff(ends, prepend=0.0)


def _with_ends(rows: Ragged, pairs: bool) -> tuple[Index, Index]:
    """Return the previous token (0 unless ``pairs``) and the token, at each position."""
    tokens = rows.tokens.astype(np.int64)
    after = np.insert(tokens, rows.offsets[1:], EOS)
    before = np.insert(tokens, rows.offsets[:-1], BOS)
    return before if pairs else np.zeros_like(before), after


Scores = dict[str, float]


def measure(
    train: Ragged, reference: Ragged, vocabulary_size: int, guesses: Mapping[str, Ragged]
) -> dict[str, Scores]:
    """Return the scores of chance, the majority and other predictions, by name.

    Args:
        train: targets to learn the majority from.
        reference: the targets to score on.
        vocabulary_size: number of distinct target tokens.
        guesses: more guesses for the reference, by name.
    """
    found = {"chance": chance(reference, vocabulary_size), "majority": majority(train, reference)}
    return found | {name: score(guess, reference) for name, guess in guesses.items()}


def chance(reference: Ragged, vocabulary_size: int) -> Scores:
    """Return the expected scores of uniformly random tokens, given the lengths."""
    whole_rows = np.mean((1.0 / vocabulary_size) ** reference.lengths)
    return {"token_accuracy": 1.0 / vocabulary_size, "sequence_accuracy": float(whole_rows)}


def majority(train: Ragged, reference: Ragged) -> Scores:
    """Return the score of `majority_prediction`."""
    return score(majority_prediction(train, reference), reference)


def majority_prediction(train: Ragged, reference: Ragged) -> Ragged:
    """Predict the most frequent token at each position of rows of the same length, N rows.

    It looks at the length of the reference and at nothing else. Where train has no row of that
    length, the most frequent token at that place in any row stands in, then the one of all.
    """
    longest = int(max(train.lengths.max(initial=0), reference.lengths.max(initial=0)))
    known, places = _places(train), _places(reference)
    guess = np.full(len(places), np.bincount(train.tokens).argmax(), np.int32)
    for block in (0, longest):  # places alone, then (length, place) over them
        cells = known + block * np.repeat(train.lengths, train.lengths)
        found, tokens = _modes(cells, train.tokens)
        wanted = places + block * np.repeat(reference.lengths, reference.lengths)
        where = np.searchsorted(found, wanted).clip(max=len(found) - 1)
        guess = np.where(found[where] == wanted, tokens[where], guess)
    return Ragged(guess, reference.offsets)


def score(guess: Ragged, reference: Ragged) -> Scores:
    """Compare N predictions with N references, position by position.

    Returns:
        token_accuracy, the share of positions guessed right, where a row has as many positions as
        the longer of guess and reference (EOS is not one of them), and sequence_accuracy, the
        share of rows guessed right as a whole.
    """
    lengths = reference.lengths
    places = _places(reference)
    there = places < np.repeat(guess.lengths, lengths)
    where = np.where(there, np.repeat(guess.offsets[:-1], lengths) + places, -1)
    right = there & (np.append(guess.tokens, -1)[where] == reference.tokens)
    counts = np.concatenate([[0], np.cumsum(right)])
    positions = int(np.maximum(lengths, guess.lengths).sum())
    whole = counts[reference.offsets[1:]] - counts[reference.offsets[:-1]] == lengths
    whole &= guess.lengths == lengths
    return {
        "token_accuracy": float(right.sum() / positions) if positions else 0.0,
        "sequence_accuracy": float(whole.mean()) if whole.size else 0.0,
    }


def _places(rows: Ragged) -> Index:
    """Return the position of each token in its row."""
    return np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], rows.lengths)


def _modes(cells: Index, tokens: Ids) -> tuple[Index, Ids]:
    """Return the cells that occur, in order, and the most frequent token in each."""
    width = int(tokens.max()) + 1
    codes = np.sort(cells * width + tokens)
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    counts = np.diff(firsts, append=len(codes))
    found, token = np.divmod(codes[firsts], width)
    order = np.lexsort((-token, counts, found))  # the best of each cell comes last
    last = order[np.diff(found, append=-1) != 0]
    return found[last], token[last].astype(np.int32)


Baselines = dict[str, Scores]  # by name, of one split

_ROWS = 100_000  # looked at: more would take memory and change no baseline


def longest(splits: Mapping[str, Pairs]) -> dict[str, int]:
    """Return the maximum lengths of sources and targets of train, in tokens."""
    train = splits["train"]
    sources, targets = train.source_lengths, train.targets.lengths
    return {"max_source": int(sources.max()), "max_target": int(targets.max())}


def scored_splits(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the splits that baselines are measured on: val and test, or train without them."""
    return tuple(split for split in splits if split != "train") or ("train",)


def text_baselines(splits: Mapping[str, Pairs], vocabulary: int) -> dict[str, Baselines]:
    """Return chance and majority on each scored split."""
    train = _some(splits["train"])
    return {
        split: measure(train, _some(splits[split]), vocabulary, {})
        for split in scored_splits(splits)
    }


def language_baselines(splits: Mapping[str, Pairs], vocabulary: int) -> dict[str, Baselines]:
    """Return the losses of n-gram counts on each scored split."""
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
