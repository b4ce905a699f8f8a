"""Continuation of digit patterns, with held-out motifs in test for two kinds.

Every pattern is a motif repeated indefinitely (a progression modulo 10 is a motif of at most ten
digits). No source belongs to two kinds: ``digit`` excludes 0 and 1 (``zeros`` and ``ones``),
progressions exclude step 0 (constant) and step 5 (alternating), and a periodic motif is neither a
repetition of a shorter one nor a progression. A source contains two periods, so it matches only one
motif (Fine and Wilf's theorem).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import SPLIT_SHARES, Rows, Task, check_between, parse_range
from seqcli.tasks.space import permute, shares

Digits = NDArray[np.int64]

LEAST_LENGTH = 4  # two periods of alternating, four terms of a progression
LONGEST_PERIOD = 16  # maximum period: the digits of a motif, as one number, must fit in 64 bits
_PAIRS = np.array([(low, high) for high in range(10) for low in range(high)])  # (45, 2)
_STEPS = np.array([1, 2, 3, 4, 6, 7, 8, 9])


@dataclass(frozen=True)
class Shape:
    """The lengths of the source and of the motif of ``periodic``."""

    shortest: int
    longest: int
    least_period: int
    greatest_period: int

    @property
    def lengths(self) -> int:
        """The number of lengths."""
        return self.longest - self.shortest + 1


@dataclass(frozen=True)
class Drawn:
    """Patterns: motifs (n, P), their periods (n,) up to P, and source lengths (n,)."""

    motifs: Digits
    periods: Index
    lengths: Index

    @classmethod
    def empty(cls, count: int, shape: Shape) -> Drawn:
        """Return arrays for ``count`` patterns of any kind."""
        motifs = np.zeros((count, max(10, shape.greatest_period)), np.int64)
        return cls(motifs, np.ones(count, np.int64), np.zeros(count, np.int64))

    def put(self, rows: Index, drawn: Drawn) -> None:
        """Write patterns (n,) to the given rows (n,)."""
        self.motifs[rows, : drawn.motifs.shape[1]] = drawn.motifs
        self.periods[rows] = drawn.periods
        self.lengths[rows] = drawn.lengths


def unroll(motifs: Digits, periods: Index, firsts: Index, counts: Index) -> Ragged:
    """Return ``counts`` (n,) tokens of each repeated motif, from position ``firsts`` (n,)."""
    offsets = offsets_of(counts)
    rows = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - firsts, counts)
    return Ragged(motifs[rows, places % periods[rows]].astype(np.int32), offsets)


def smallest_periods(rows: Ragged) -> Index:
    """Return the smallest period (N,) of each row, at most its length."""
    padded, lengths = rows.padded(np.arange(len(rows)), fill=-1)  # (N, L)
    periods = lengths.copy()
    for period in range(padded.shape[1] - 1, 0, -1):
        beyond = np.arange(period, padded.shape[1]) >= lengths[:, None]  # (N, L - period)
        fits = ((padded[:, period:] == padded[:, :-period]) | beyond).all(axis=1)  # (N,)
        periods[fits & (lengths > period)] = period
    return periods


@dataclass(frozen=True)
class Constant:
    """One digit repeated; split by digit and length."""

    digits: tuple[int, ...]

    def owned(self, shape: Shape, split: str) -> int:
        """Return the number of sequences in the split."""
        return len(shares(len(self.digits) * shape.lengths)[split])

    def draw(self, starts: Hashes, seed: int, split: str, shape: Shape) -> Drawn:
        """Return patterns (n,) of the split."""
        count = len(self.digits) * shape.lengths
        digit, extra = np.divmod(_item(starts, seed, split, count, str(self)), shape.lengths)
        motifs = np.array(self.digits)[digit][:, None]  # (n, 1)
        return Drawn(motifs, np.ones_like(digit), shape.shortest + extra)


@dataclass(frozen=True)
class Alternating:
    """Two alternating digits; split by the pair, for either order and all lengths."""

    def owned(self, shape: Shape, split: str) -> int:
        """Return the number of pairs in the split."""
        return len(shares(len(_PAIRS))[split])

    def draw(self, starts: Hashes, seed: int, split: str, shape: Shape) -> Drawn:
        """Return patterns (n,) of the split."""
        pairs = _PAIRS[_item(starts, seed, split, len(_PAIRS), "pairs")]  # (n, 2)
        turned = hashing.draw(starts, 1) & np.uint64(1) == 1
        motifs = np.where(turned[:, None], pairs[:, ::-1], pairs)  # (n, 2)
        return Drawn(motifs, np.full(len(starts), 2), _lengths(starts, shape))


@dataclass(frozen=True)
class Progression:
    """Steps of 1-4 or 6-9 modulo 10; split by step, start and length."""

    def owned(self, shape: Shape, split: str) -> int:
        """Return the number of sequences in the split."""
        return len(shares(10 * len(_STEPS) * shape.lengths)[split])

    def draw(self, starts: Hashes, seed: int, split: str, shape: Shape) -> Drawn:
        """Return patterns (n,) of the split."""
        count = 10 * len(_STEPS) * shape.lengths
        item, extra = np.divmod(_item(starts, seed, split, count, "progressions"), shape.lengths)
        step, first = _STEPS[item // 10], item % 10
        motifs = (first[:, None] + step[:, None] * np.arange(10)) % 10  # (n, 10)
        return Drawn(motifs, np.full(len(starts), 10), shape.shortest + extra)


@dataclass(frozen=True)
class Periodic:
    """A longer motif repeated; split by the motif up to rotation, for all lengths.

    There are too many motifs to enumerate, so a hash of the motif determines its split, and motifs
    of other splits are drawn again.
    """

    def owned(self, shape: Shape, split: str) -> int:
        """Return a lower bound of the number of motifs of the shortest period in the split."""
        return len(shares(len(_PAIRS))[split])

    def draw(self, starts: Hashes, seed: int, split: str, shape: Shape) -> Drawn:
        """Return patterns (n,) of the split."""
        lengths = _lengths(starts, shape)
        most = np.minimum(shape.greatest_period, lengths // 2)
        choices = (most - shape.least_period + 1).astype(np.uint64)
        periods = hashing.below(hashing.draw(starts, 1), choices).astype(np.int64)
        periods += shape.least_period
        motifs = np.zeros((len(starts), shape.greatest_period), np.int64)  # (n, P)
        for period in range(shape.least_period, shape.greatest_period + 1):
            rows = np.flatnonzero(periods == period)
            motifs[rows, :period] = _motifs(starts[rows], seed, split, period)
        return Drawn(motifs, periods, lengths)


Kind = Constant | Alternating | Progression | Periodic

KINDS: Mapping[str, Kind] = {
    "ones": Constant((1,)),
    "zeros": Constant((0,)),
    "digit": Constant(tuple(range(2, 10))),
    "alternating": Alternating(),
    "periodic": Periodic(),
    "progression": Progression(),
}


@dataclass(frozen=True)
class Patterns(Task):
    """Continue the pattern: 3 1 4 3 1 4 3 1 -> 4 3 1 4 3 1 4 3.

    Kinds: ``ones``, ``zeros`` and ``digit`` (one of 2 .. 9) repeat one token; ``alternating``
    repeats two digits, ``periodic`` a longer motif; ``progression`` adds a step modulo 10. The
    source contains at least two periods (a progression: four terms); the target is the next
    ``horizon`` tokens.

    Splits share no source. All rotations and lengths of a motif of ``alternating`` or ``periodic``
    belong to one split, so test rows of these kinds, a third of all by default, have motifs that
    are not in the training rows. The other kinds have only 22 motifs, all of which are in the
    training rows; they are split by phase and length. Use ``kinds=alternating,periodic`` for
    held-out motifs only.

    Heuristics: ``copy_last`` repeats the last token, ``best_period`` the shortest period that fits
    the source. The latter is correct except for progressions of fewer than ten terms: for 99% of
    rows by default, and for all rows with held-out motifs.
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    """Kinds of patterns, equally likely: ones, zeros, digit, alternating, periodic,
    progression."""
    length: str = "8:24"
    """Tokens in the source: a number, or a range such as 8:24."""
    horizon: int = 8
    """Tokens in the target."""
    period: str = "2:6"
    """Tokens of the motif of periodic: a number, or a range such as 2:6."""

    name: ClassVar[str] = "patterns"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the continuation of a digit pattern (periodic, progression ...)"
    example: ClassVar[tuple[str, str]] = ("3 1 4 3 1 4 3 1", "4 3 1 4 3 1 4 3")

    def __post_init__(self) -> None:
        for kind in self.kinds:
            registry.check("kind of pattern", kind, KINDS)
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise UsageError("task.kinds must have one or more kinds, without duplicates")
        check_between("horizon", self.horizon, 1, 1000)
        shape = self._shape()
        if "periodic" in self.kinds and shape.shortest < 2 * shape.least_period:
            raise UsageError(
                f"{shape.shortest} tokens do not contain two periods of {shape.least_period}",
                "raise task.length or lower task.period",
            )

    def source_tokens(self) -> tuple[str, ...]:
        """Return the ten digits."""
        return tuple("0123456789")

    def target_tokens(self) -> tuple[str, ...]:
        """Return the ten digits."""
        return self.source_tokens()

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        starts = hashing.streams(hashing.key(seed, split, "patterns"), index)
        kinds = self._kinds_of(split)
        chosen = hashing.below(hashing.draw(starts, 0), len(kinds))
        drawn = Drawn.empty(len(index), self._shape())
        for number, kind in enumerate(kinds):
            rows = np.flatnonzero(chosen == number)
            drawn.put(rows, KINDS[kind].draw(starts[rows], seed, split, self._shape()))
        return self._rows_of(drawn)

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Predict by repeating the last token, and by the smallest period of the source."""
        ones = np.ones(len(sources), np.int64)
        return {
            "copy_last": _continuation(sources, ones, target_lengths),
            "best_period": _continuation(sources, smallest_periods(sources), target_lengths),
        }

    def _shape(self) -> Shape:
        lengths = parse_range("length", self.length, LEAST_LENGTH)
        return Shape(*lengths, *parse_range("period", self.period, 2, LONGEST_PERIOD))

    def _kinds_of(self, split: str) -> list[str]:
        """Return the kinds that have sequences in the split."""
        owned = [kind for kind in self.kinds if KINDS[kind].owned(self._shape(), split)]
        if not owned:
            total = sum(KINDS[kind].owned(self._shape(), "train") for kind in self.kinds)
            raise UsageError(
                f"there are only {total} distinct rows, too few for a {split} split",
                "choose a wider range of lengths, or more kinds",
            )
        return owned

    def _rows_of(self, drawn: Drawn) -> Rows:
        """Divide patterns (N,) into sources and their continuations."""
        none, horizon = np.zeros_like(drawn.lengths), np.full_like(drawn.lengths, self.horizon)
        sources = unroll(drawn.motifs, drawn.periods, none, drawn.lengths)
        return Rows(sources, unroll(drawn.motifs, drawn.periods, drawn.lengths, horizon))


def _continuation(sources: Ragged, periods: Index, counts: Index) -> Ragged:
    """Continue each row by ``counts`` (N,) tokens that repeat its last ``periods`` (N,) tokens."""
    offsets = offsets_of(counts)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    ends = np.repeat(sources.offsets[1:] - periods, counts)
    return Ragged(sources.tokens[ends + within % np.repeat(periods, counts)], offsets)


def owners(motifs: Digits, seed: int) -> Index:
    """Return the index of the split (n,) of each motif (n, p), p >= 2; the same for rotations."""
    period = motifs.shape[1]
    codes = _canonical(motifs)
    if period == 2:
        return _pair_owners(seed)[codes]
    ends = np.cumsum(tuple(SPLIT_SHARES.values())) * 2.0**64
    places = hashing.streams(hashing.key(seed, "motifs", period), codes).astype(np.float64)
    return np.searchsorted(ends[:-1], places, side="right")


def _item(starts: Hashes, seed: int, split: str, count: int, what: str) -> Index:
    """Draw (n,) of the split's share of ``count`` numbered items."""
    own = shares(count)[split]
    place = hashing.below(hashing.draw(starts, 2), len(own)) + np.uint64(own.start)
    return permute(place.astype(np.uint32), count, hashing.key(seed, what)).astype(np.int64)


def _lengths(starts: Hashes, shape: Shape) -> Index:
    extra = hashing.below(hashing.draw(starts, 0), shape.lengths)
    return shape.shortest + extra.astype(np.int64)


def _motifs(starts: Hashes, seed: int, split: str, period: int) -> Digits:
    """Draw motifs (n, period) that belong to the split."""
    motifs = np.empty((len(starts), period), np.int64)
    missing: Index = np.arange(len(starts))
    counter = 3
    while missing.size:
        for column in range(period):
            digits = hashing.below(hashing.draw(starts[missing], counter + column), 10)
            motifs[missing, column] = digits
        counter += period
        fresh = motifs[missing]
        mine = owners(fresh, seed) == tuple(SPLIT_SHARES).index(split)
        missing = missing[~(mine & _is_motif(fresh))]
    return motifs


def _is_motif(digits: Digits) -> NDArray[np.bool_]:
    """Return whether each (n,) is neither a repetition of a shorter motif nor a progression."""
    period = digits.shape[1]
    shorter = [part for part in range(1, period) if period % part == 0]
    repeated = [(digits == np.roll(digits, part, axis=1)).all(axis=1) for part in shorter]
    steps = (np.roll(digits, -1, axis=1) - digits) % 10  # (n, p)
    progression = (steps == steps[:, :1]).all(axis=1) & (period > 2)
    other: NDArray[np.bool_] = np.any([*repeated, progression], axis=0)  # (n,)
    return ~other


def _canonical(motifs: Digits) -> Index:
    """Return (n,) the smallest rotation of each motif (n, p), as a decimal number."""
    powers = 10 ** np.arange(motifs.shape[1])[::-1]
    rotations = np.stack([np.roll(motifs, turn, axis=1) @ powers for turn in range(len(powers))])
    smallest: Index = rotations.min(axis=0)  # (n,)
    return smallest


@lru_cache(maxsize=8)
def _pair_owners(seed: int) -> Index:
    """Return the index of the split of each pair, at index low * 10 + high."""
    count = len(_PAIRS)
    order = permute(np.arange(count, dtype=np.uint32), count, hashing.key(seed, "pairs"))
    owner = np.full(100, -1)
    for number, own in enumerate(shares(count).values()):
        pairs = _PAIRS[order[own.start : own.stop]]  # (n, 2)
        owner[pairs @ (10, 1)] = number
    return owner
