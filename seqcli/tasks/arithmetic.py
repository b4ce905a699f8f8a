"""Arithmetic tasks: sums and products, digit by digit, and nested lists of digits (ListOps)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index, Ragged
from seqcli.tasks.base import Rows, Task, check_between, parse_range
from seqcli.tasks.drawn import Codes, DrawnTask, digits_for, ragged_of
from seqcli.tasks.space import SequenceSpace

Digits = NDArray[np.int64]

ORDERS = ("plain", "reversed")


@dataclass(frozen=True)
class Arithmetic(Task):
    """Base class of tasks that apply an operation to two numbers.

    The longer number has exactly ``digits`` digits, so different lengths share no rows. All such
    pairs of numbers are equally likely, and none is repeated before all have occurred. The pair of
    0 and 0 is omitted unless numbers are padded.
    """

    digits: str = "3"
    """Digits of the longer number: a number, or a range such as 1:3 (equally likely)."""
    test_digits: str = ""
    """Digits of the longer number in test rows, if different from digits."""
    base: int = 10
    """The base of the number system."""
    order: str = "plain"
    """plain: the result starts with its most significant digit. reversed: with its least."""
    padding: bool = False
    """Whether to pad numbers with zeros to the maximum length for that number of digits."""

    sign: ClassVar[str]

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            self._digits(split)
        check_between("base", self.base, 2, 10)
        registry.check("order of digits", self.order, ORDERS)

    @abstractmethod
    def combine(self, left: Digits, right: Digits) -> Digits:
        """Return the result for two numbers (n, D), with leading zeros, highest digit first."""

    def source_tokens(self) -> tuple[str, ...]:
        """Return the digits and the sign."""
        return (*self.target_tokens(), self.sign)

    def target_tokens(self) -> tuple[str, ...]:
        """Return "0" .. "base-1"."""
        return tuple(map(str, range(self.base)))

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        low, high = self._digits(split)
        pairs = self.base**2
        space = SequenceSpace(pairs, low, high, pairs if self.padding else pairs - 1)
        sources = np.zeros((len(index), 2 * high + 1), np.uint8)
        targets = np.zeros((len(index), 2 * high + 1), np.uint8)
        for group in space.draw(seed, split, index):
            drawn = group.tokens.astype(np.int64)  # (n, D) pairs of digits
            drawn[:, 0] += not self.padding  # exclude the first pair of digits, 0 and 0
            left, right = np.divmod(drawn, self.base)  # (n, D)
            question = self._question(left, right)
            answer = self._codes(self.combine(left, right))
            turned = answer if self.order == "plain" else answer[:, ::-1]
            sources[group.rows, : question.shape[1]] = question
            targets[group.rows, : answer.shape[1]] = turned
        return Rows(ragged_of(sources), ragged_of(targets))

    def _digits(self, split: str) -> tuple[int, int]:
        option = "test_digits" if split == "test" and self.test_digits else "digits"
        low, high = parse_range(option, getattr(self, option))
        check_between(option, high, 1, 1000)
        return low, high

    def _question(self, left: Digits, right: Digits) -> Digits:
        sign = np.full((len(left), 1), self.base + 1)
        return np.concatenate([self._codes(left), sign, self._codes(right)], axis=1)  # (n, 2D + 1)

    def _codes(self, numbers: Digits) -> Digits:
        """Return 1 + each digit (n, D), and 0 for leading zeros unless numbers are padded."""
        begun = np.maximum.accumulate(numbers > 0, axis=1) | self.padding  # (n, D)
        begun[:, -1] = True
        return np.where(begun, numbers + 1, 0)


@dataclass(frozen=True)
class Addition(Arithmetic):
    """Compute the sum of two numbers: 8 5 + 5 0 -> 1 3 5; with ``order=reversed`` 5 3 1.

    With 3 digits and padding, this is the adder of minGPT. Without padding, it is the addition of
    Lee et al., "Teaching arithmetic to small transformers" (2023), where reversed results are
    learned from far fewer rows, and similar to Keras's addition_rnn (2-5 digits, 99% of characters
    correct). With ``base=2`` it is similar to binary_addition in Delétang et al. (2023), which
    writes all numbers with the lowest digit first.

    Heuristic: ``no_carry`` adds digit by digit without carries.
    """

    name: ClassVar[str] = "addition"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the sum of two numbers, digit by digit"
    example: ClassVar[tuple[str, str]] = ("8 5 + 5 0", "1 3 5")
    sign: ClassVar[str] = "+"

    def combine(self, left: Digits, right: Digits) -> Digits:
        """Return the sum, (n, D + 1)."""
        return _carried(np.pad(left + right, ((0, 0), (1, 0))), self.base)

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Predict the sum of the digits at each position, without carries."""
        ends = sources.offsets[:-1] + _places_of(sources, self.base), sources.offsets[1:]
        begins = sources.offsets[:-1], ends[0] + 1
        width = int(target_lengths.max(initial=0))
        guess = np.zeros((len(sources), width), np.int64)  # (N, T) lowest digit first
        for place in range(width):
            for begin, end in zip(begins, ends, strict=True):
                there = end - 1 - place >= begin
                guess[there, place] += sources.tokens[(end - 1 - place)[there]]
        inside = np.arange(width) < target_lengths[:, None]  # (N, T)
        codes = np.where(inside, guess % self.base + 1, 0)
        return {"no_carry": ragged_of(codes if self.order == "reversed" else codes[:, ::-1])}


@dataclass(frozen=True)
class Multiplication(Arithmetic):
    """Compute the product of two numbers: 1 2 * 1 3 -> 1 5 6; with ``order=reversed`` 6 5 1.

    The options are those of addition. Multiplication is far harder for every model: each digit of
    the result may depend on all digits of the numbers. With ``base=2`` it is similar to
    binary_multiplication in Delétang et al. (2023), which writes all numbers with the lowest digit
    first.
    """

    digits: str = "2"
    """Digits of the longer number: a number, or a range such as 1:3 (equally likely)."""

    name: ClassVar[str] = "multiplication"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the product of two numbers, digit by digit"
    example: ClassVar[tuple[str, str]] = ("1 2 * 1 3", "1 5 6")
    sign: ClassVar[str] = "*"

    def combine(self, left: Digits, right: Digits) -> Digits:
        """Return the product, (n, 2D)."""
        count, width = left.shape
        product = np.zeros((count, 2 * width), np.int64)  # (n, 2D)
        for place in range(width):
            product[:, place + 1 : place + 1 + width] += left[:, place : place + 1] * right
        return _carried(product, self.base)


def _carried(sums: Digits, base: int) -> Digits:
    """Propagate carries: return the digits (n, D) of places (n, D) above 9."""
    for place in range(sums.shape[1] - 1, 0, -1):
        carry, sums[:, place] = np.divmod(sums[:, place], base)
        sums[:, place - 1] += carry
    return sums


def _places_of(rows: Ragged, token: int) -> Index:
    """Return the position (N,) of a token that each row has exactly once."""
    return np.flatnonzero(rows.tokens == token) - rows.offsets[:-1]


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
