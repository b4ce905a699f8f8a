"""Continuation of digit patterns, with held-out motifs in test for two kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli import registry
from seqcli.arrays import hashing
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import Rows, Task, check_between, parse_range
from seqcli.tasks.motifs import (
    LEAST_LENGTH,
    LONGEST_PERIOD,
    Alternating,
    Constant,
    Drawn,
    Kind,
    Periodic,
    Progression,
    Shape,
    smallest_periods,
    unroll,
)

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
