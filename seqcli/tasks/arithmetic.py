"""Arithmetic tasks: sums and products, digit by digit."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.arrays.ragged import Index, Ragged
from seqcli.tasks.base import Rows, Task, check_between, parse_range
from seqcli.tasks.drawn import ragged_of
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
