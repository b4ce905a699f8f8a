"""ListOps: evaluate nested lists of digits with the operators MIN, MAX, MED and SM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index
from seqcli.tasks.base import check_between
from seqcli.tasks.drawn import Codes, DrawnTask, digits_for

OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
_DIGIT, _LIST, _END = 1, 11, 15  # codes: 0 .. 9, then the operators, then ]
_LEAST_ARGUMENTS = 2


@dataclass(frozen=True)
class ListOps(DrawnTask):
    """Evaluate nested lists: [MAX 2 [MIN 8 3 ] 4 ] -> 4.

    The operators are MIN, MAX, MED (the median, rounded down) and SM (the sum modulo 10), with two
    or more arguments, which are digits or lists. Inside a list, one token in four opens another
    list and one in four closes it, where possible. Based on Nangia and Bowman, "ListOps" (2018),
    and the generator of the Long Range Arena, whose rows have 500 to 2000 tokens and a depth of 10;
    rows are shorter here. No constant prediction is correct in more than 17% of rows.
    """

    length: str = "10:40"
    """Tokens per row: a number, or a range such as 5:20."""
    depth: int = 5
    """Maximum nesting depth."""

    name: ClassVar[str] = "listops"
    version: ClassVar[int] = 3
    summary: ClassVar[str] = "the value of nested lists under MIN, MAX, MED and SM"
    example: ClassVar[tuple[str, str]] = ("[MAX 2 [MIN 8 3 ] 4 ]", "4")
    least_length: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("depth", self.depth, 1, 100)

    def source_tokens(self) -> tuple[str, ...]:
        """Return the digits, the operators and the end of a list."""
        return (*self.target_tokens(), *OPERATORS, "]")

    def target_tokens(self) -> tuple[str, ...]:
        """Return the ten digits."""
        return tuple("0123456789")

    def shape(self, starts: Hashes, lengths: Index, width: int) -> Codes:
        """Return expressions (n, W) with 0 for all digits."""
        writer = _Writer(len(starts), self.depth)
        out = np.empty((width, len(starts)), np.uint8)  # (W, n)
        for place in range(width):
            out[place] = writer.write(hashing.draw(starts, place + 1), lengths - place)
        return out.T  # (n, W)

    def fill(self, shapes: Codes, starts: Hashes) -> Codes:
        """Return expressions (n, W) with digits."""
        return digits_for(shapes, starts, 10)

    def targets(self, sources: Codes) -> Codes:
        """Return the value, (n, 1)."""
        reader = _Reader(len(sources), self.depth)
        for codes in sources.T.astype(np.int64):  # one position of all rows at a time
            reader.read(codes)
        values: Codes = reader.counts[0].argmax(axis=1)[:, None]  # (n, 1)
        return 1 + values


class _Writer:
    """Generate n expressions from left to right, each of exactly the given length."""

    def __init__(self, count: int, depth: int) -> None:
        self._rows = np.arange(count)
        self._deepest = depth
        self._depths = np.zeros(count, np.int64)
        self._arguments = np.zeros((depth + 1, count), np.int16)  # (D + 1, n) of each open list
        self._needed = np.ones(count, np.int16)  # number of tokens needed to close all open lists

    def write(self, numbers: Hashes, left: Index) -> NDArray[np.uint64]:
        """Return the next token (n,); ``left`` (n,) tokens remain, including this one."""
        arguments = self._arguments[self._depths, self._rows]
        lacking = (arguments < _LEAST_ARGUMENTS) & (self._depths > 0)
        choice = numbers & np.uint64(3)
        after_list = self._needed - lacking + _LEAST_ARGUMENTS + 1
        opens = (choice == 0) & (self._depths < self._deepest) & (after_list < left)
        opens |= self._depths == 0
        may_end = ~lacking & ((self._depths > 1) | (left == 1))
        ends = ~opens & may_end & ((choice == 1) | (self._needed >= left))
        self._step(opens, ends, lacking)
        values = np.where(opens, hashing.below(numbers, len(OPERATORS)), np.uint64(0))
        kinds = np.where(opens, _LIST, np.where(ends, _END, _DIGIT)).astype(np.uint64)
        return np.where(left > 0, kinds + values, np.uint64(0))

    def _step(
        self, opens: NDArray[np.bool_], ends: NDArray[np.bool_], lacking: NDArray[np.bool_]
    ) -> None:
        """Update the counts after opened lists (n,), closed lists (n,) and digits."""
        self._needed -= ends | lacking
        self._needed += opens * np.int16(_LEAST_ARGUMENTS + 1)
        self._arguments[self._depths, self._rows] += ~ends
        self._depths += opens
        self._depths -= ends
        started = np.flatnonzero(opens)
        self._arguments[self._depths[started], started] = 0


class _Reader:
    """Evaluate n expressions by counting the digits of each open list."""

    def __init__(self, count: int, depth: int) -> None:
        self.counts = np.zeros((depth + 1, count, 10), np.int16)  # (D + 1, n, 10)
        self._operators = np.zeros((depth + 1, count), np.int64)
        self._depths = np.zeros(count, np.int64)

    def read(self, codes: Index) -> None:
        """Read one token (n,) of each expression."""
        self._add(rows := np.flatnonzero((codes > 0) & (codes < _LIST)), codes[rows] - _DIGIT)
        self._open(rows := np.flatnonzero((codes >= _LIST) & (codes < _END)), codes[rows] - _LIST)
        rows = np.flatnonzero(codes == _END)
        values = self._values(rows)
        self._depths[rows] -= 1
        self._add(rows, values)

    def _add(self, rows: Index, digits: Index) -> None:
        self.counts[self._depths[rows], rows, digits] += 1

    def _open(self, rows: Index, operators: Index) -> None:
        self._depths[rows] += 1
        self.counts[self._depths[rows], rows] = 0
        self._operators[self._depths[rows], rows] = operators

    def _values(self, rows: Index) -> Index:
        """Return the values (k,) of the innermost open lists of k rows."""
        where = self._depths[rows], rows
        counts = self.counts[where].astype(np.int32)  # (k, 10)
        up_to = counts.cumsum(axis=1)  # (k, 10)
        total = up_to[:, -1:]
        least = (up_to > 0).argmax(axis=1)
        greatest = (up_to == total).argmax(axis=1)
        low, high = ((up_to > half).argmax(axis=1) for half in ((total - 1) // 2, total // 2))
        choices = [least, greatest, (low + high) // 2, counts @ np.arange(10) % 10]
        return np.choose(self._operators[where], choices)
