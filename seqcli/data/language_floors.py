"""What a language model must beat: losses of counting, in nats per symbol, the stop symbol counted.

A loss means little without them: on a list of first names a bigram table already reaches 2.45.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seqcli.data.floors import Scores
from seqcli.data.ragged import Index, Ragged
from seqcli.data.vocabulary import BOS, EOS


def measure(train: Ragged, reference: Ragged, symbols: int) -> dict[str, Scores]:
    """Return loss, bits per character and perplexity of each baseline; see `row_nats`."""
    tokens = max(len(reference.tokens) + len(reference), 1)
    found = row_nats(train, reference, symbols)
    return {name: scores(float(nats.sum()) / tokens) for name, nats in found.items()}


def row_nats(train: Ragged, reference: Ragged, symbols: int) -> dict[str, NDArray[np.float64]]:
    """Return (N,) the loss of each row by each baseline, summed over its tokens and ``<eos>``.

    ``chance`` takes every symbol for equally likely, ``unigram`` knows how often each one is in
    train, ``bigram`` how often it follows the one before it; both counts begin at 1.

    Args:
        train: N rows of ids, without BOS and EOS.
        reference: the rows to score on.
        symbols: number of data symbols; the stop symbol is one more.
    """
    kinds = symbols + 1
    return {
        "chance": math.log(kinds) * (reference.lengths + 1).astype(np.float64),
        "unigram": _counted(train, reference, kinds, pairs=False),
        "bigram": _counted(train, reference, kinds, pairs=True),
    }


def scores(loss: float) -> Scores:
    """Return a loss in nats per symbol also as bits per character and as perplexity."""
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
    """Return the symbol before (0 unless ``pairs``) and the symbol, for each symbol and stop."""
    tokens = rows.tokens.astype(np.int64)
    after = np.insert(tokens, rows.offsets[1:], EOS)
    before = np.insert(tokens, rows.offsets[:-1], BOS)
    return before if pairs else np.zeros_like(before), after
