"""Plausible names of chemical compounds: a language, not a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Index, Ragged
from seqcli.errors import UsageError
from seqcli.tasks.base import SPLIT_SHARES, Rows, Task, parse_range
from seqcli.tasks.morphemes import PATTERNS, SLOTS, morphemes

TOKENS = (" ", *"abcdefghijklmnopqrstuvwxyz")
LONGEST = 60  # of the option; no name is longer
_SHARES = 10  # how fine the content hash cuts the splits
_FLATTENING = 8  # the commonest morpheme of a slot is not much commoner than the second
_TRIED = 4096  # names drawn to see whether a range of lengths has any
_RARE = _TRIED // 100


@dataclass(frozen=True)
class Names(Task):
    """Names such as ``chloropropanol`` or ``ralotinib``, for language models: there is no source.

    A pattern is drawn, then a morpheme for each of its places (`seqcli.tasks.morphemes`). A name
    belongs to the split that a hash of its letters says, whatever the seed: row i of a split is the
    first of its draws that falls there. Rows may repeat within a split, common names more often.
    """

    name: ClassVar[str] = "names"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "invented names of chemical compounds, for language models"
    example: ClassVar[tuple[str, str]] = ("", "chloropropanol")

    length: str = "5:30"
    """Characters of a name: a number, or a range such as 5:30."""

    def __post_init__(self) -> None:
        low, high = parse_range("length", self.length)
        if high > LONGEST or _fitting(low, high) < _RARE:
            raise UsageError(
                f"task.length cannot be {self.length!r}: hardly any name has so many characters",
                "most have from 8 to 25",
            )

    def source_tokens(self) -> tuple[str, ...] | None:
        """Return None: there are no sources."""
        return None

    def target_tokens(self) -> tuple[str, ...]:
        """Return space and a .. z."""
        return TOKENS

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the names at ``index`` (N,) of a split."""
        chosen = np.zeros((len(index), _PLACES), np.int64)  # (N, K) morphemes
        starts = hashing.streams(hashing.key(seed, split, "names"), index)
        pending, draw = np.arange(len(index)), 0
        while pending.size:
            tried = _draw(starts[pending], draw)  # (n, K)
            fits = self._belongs(_written(tried), split)
            chosen[pending[fits]] = tried[fits]
            pending, draw = pending[~fits], draw + 1
        return Rows(None, _written(chosen))

    def _belongs(self, names: Ragged, split: str) -> NDArray[np.bool_]:
        """Say (n,) which names are of this split and of a length that is asked for."""
        low, high = parse_range("length", self.length)
        place = hashing.below(hashing.mix(row_hashes(names)), _SHARES)
        first, end = _stretch(split)
        inside = (place >= first) & (place < end)
        return inside & (low <= names.lengths) & (names.lengths <= high)


def _stretch(split: str) -> tuple[int, int]:
    """Return which values of the content hash, of 0 .. 9, a split owns."""
    ends = np.cumsum([round(share * _SHARES) for share in SPLIT_SHARES.values()]).tolist()
    at = list(SPLIT_SHARES).index(split)
    return (0, *ends)[at], ends[at]


@cache
def _morphemes() -> tuple[Ragged, dict[str, int]]:
    """Return all morphemes as rows of tokens, row 0 empty, and the first row of each slot."""
    texts, firsts = [""], {}
    for slot in SLOTS:
        firsts[slot] = len(texts)
        texts += morphemes(slot)
    places = {token: place for place, token in enumerate(TOKENS)}
    return Ragged.from_rows([[places[s] for s in text] for text in texts]), firsts


_PLACES = max(map(len, PATTERNS))


def _draw(starts: Hashes, number: int) -> Index:
    """Return draw ``number`` of each stream (N,): the morphemes (N, K) of a name."""
    _, firsts = _morphemes()
    counter = number * (_PLACES + 1)
    pattern = _weighted(hashing.draw(starts, counter), list(PATTERNS.values()))
    drawn = np.zeros((len(starts), _PLACES), np.int64)
    for kind, slots in enumerate(PATTERNS):
        rows = np.flatnonzero(pattern == kind)
        for place, slot in enumerate(slots):
            hashes = hashing.draw(starts[rows], counter + 1 + place)
            drawn[rows, place] = firsts[slot] + _weighted(hashes, _weights(slot))
    return drawn


@cache
def _weights(slot: str) -> list[int]:
    """Return how common each morpheme of a slot is: it falls like one over its rank (Zipf)."""
    return [100_000 // (rank + _FLATTENING) for rank in range(len(morphemes(slot)))]


def _weighted(hashes: Hashes, weights: list[int]) -> Index:
    """Map hashes (N,) to 0 .. len(weights)-1, as often as the weights say."""
    ends = np.cumsum(weights)
    return np.searchsorted(ends, hashing.below(hashes, int(ends[-1])).astype(np.int64), "right")


def _written(morphemes: Index) -> Ragged:
    """Return the names (N rows) that morphemes (N, K) make."""
    parts = _morphemes()[0].take(morphemes.reshape(-1))  # N * K rows
    return Ragged(parts.tokens, parts.offsets[:: morphemes.shape[1]])


@cache
def _fitting(low: int, high: int) -> int:
    """Return how many of some names have a length in a range."""
    names = _written(_draw(hashing.streams(hashing.key("lengths"), np.arange(_TRIED)), 0))
    return int(((low <= names.lengths) & (names.lengths <= high)).sum())
