"""Scores that need no model: without them beside it, an accuracy means little.

Sorting numbers of five symbols scores 0.90 with no look at the input (lengths 41-500).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seqcli.data.ragged import Ragged

Scores = dict[str, float]

LEARN_ROWS = 100_000  # more would not change which symbol is the most frequent


def measure(
    train: Ragged, reference: Ragged, symbols: int, guesses: Mapping[str, Ragged]
) -> dict[str, Scores]:
    """Return the scores of chance, of the majority and of other guesses, by name.

    Args:
        train: targets to learn the majority from (its first 100,000 rows).
        reference: the targets to score on.
        symbols: number of target symbols.
        guesses: more guesses for the reference, by name.
    """
    found = {"chance": chance(reference, symbols), "majority": majority(train, reference)}
    return found | {name: score(guess, reference) for name, guess in guesses.items()}


def chance(reference: Ragged, symbols: int) -> Scores:
    """Return what drawing each symbol evenly is expected to score, knowing the lengths."""
    whole_rows = np.mean((1.0 / symbols) ** reference.lengths)
    return {"token_accuracy": 1.0 / symbols, "sequence_accuracy": float(whole_rows)}


def majority(train: Ragged, reference: Ragged) -> Scores:
    """Return the score of the most frequent symbol at each place, knowing the lengths.

    Places beyond any in train are given train's most frequent symbol.
    """
    longest = int(reference.lengths.max(initial=0))
    best = _most_frequent(train, longest)
    offsets = reference.offsets
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], reference.lengths)
    return score(Ragged(best[places], offsets), reference)


def score(guess: Ragged, reference: Ragged) -> Scores:
    """Compare N guesses with N references, place by place over the places of the reference.

    Returns:
        token_accuracy, the share of places guessed right (EOS is not one of them), and
        sequence_accuracy, the share of rows guessed right as a whole, length included.
    """
    lengths = reference.lengths
    places = np.arange(len(reference.tokens)) - np.repeat(reference.offsets[:-1], lengths)
    there = places < np.repeat(guess.lengths, lengths)
    where = np.where(there, np.repeat(guess.offsets[:-1], lengths) + places, -1)
    right = there & (np.append(guess.tokens, -1)[where] == reference.tokens)
    counts = np.concatenate([[0], np.cumsum(right)])
    whole = counts[reference.offsets[1:]] - counts[reference.offsets[:-1]] == lengths
    whole &= guess.lengths == lengths
    return {
        "token_accuracy": float(right.mean()) if right.size else 0.0,
        "sequence_accuracy": float(whole.mean()) if whole.size else 0.0,
    }


def _most_frequent(train: Ragged, longest: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return train's most frequent symbol at each place (T,)."""
    offsets = train.offsets[: LEARN_ROWS + 1]
    starts, lengths = offsets[:-1], np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")
    starts, reaching = starts[order], np.searchsorted(np.sort(lengths), np.arange(longest), "right")
    best = np.full(longest, np.bincount(train.tokens[: offsets[-1]]).argmax(), np.int32)  # (T,)
    for place, shorter in enumerate(reaching):
        symbols = train.tokens[starts[: len(starts) - shorter] + place]
        if symbols.size:
            best[place] = np.bincount(symbols).argmax()
    return best
