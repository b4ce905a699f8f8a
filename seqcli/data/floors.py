"""Scores that need no model: without them beside it, an accuracy means little.

Sorting numbers of five symbols scores 0.90 with no look at the input (lengths 41-500).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seqcli.data.ragged import Ids, Index, Ragged

Scores = dict[str, float]


def measure(
    train: Ragged, reference: Ragged, symbols: int, guesses: Mapping[str, Ragged]
) -> dict[str, Scores]:
    """Return the scores of chance, of the majority and of other guesses, by name.

    Args:
        train: targets to learn the majority from.
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
    """Return the score of `majority_guess`."""
    return score(majority_guess(train, reference), reference)


def majority_guess(train: Ragged, reference: Ragged) -> Ragged:
    """Return the most frequent symbol at each place of rows of each length, N rows.

    It looks at the length of the reference and at nothing else. Where train has no row of that
    length, the most frequent symbol at that place in any row stands in, then the one of all.
    """
    longest = int(max(train.lengths.max(initial=0), reference.lengths.max(initial=0)))
    known, places = _places(train), _places(reference)
    guess = np.full(len(places), np.bincount(train.tokens).argmax(), np.int32)
    for block in (0, longest):  # places alone, then (length, place) over them
        cells = known + block * np.repeat(train.lengths, train.lengths)
        found, symbols = _modes(cells, train.tokens)
        wanted = places + block * np.repeat(reference.lengths, reference.lengths)
        where = np.searchsorted(found, wanted).clip(max=len(found) - 1)
        guess = np.where(found[where] == wanted, symbols[where], guess)
    return Ragged(guess, reference.offsets)


def score(guess: Ragged, reference: Ragged) -> Scores:
    """Compare N guesses with N references, position by position.

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
    """Return where in its row each token stands."""
    return np.arange(len(rows.tokens)) - np.repeat(rows.offsets[:-1], rows.lengths)


def _modes(cells: Index, symbols: Ids) -> tuple[Index, Ids]:
    """Return the cells that occur, in order, and the most frequent symbol in each."""
    width = int(symbols.max()) + 1
    codes = np.sort(cells * width + symbols)
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    counts = np.diff(firsts, append=len(codes))
    found, symbol = np.divmod(codes[firsts], width)
    order = np.lexsort((-symbol, counts, found))  # the best of each cell comes last
    last = order[np.diff(found, append=-1) != 0]
    return found[last], symbol[last].astype(np.int32)
