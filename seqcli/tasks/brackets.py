"""Tasks with nested brackets: closing brackets, and evaluating expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.tasks.base import check_between
from seqcli.tasks.drawn import FILLS, Codes, DrawnTask, digits_for

MODES = ("next", "all")
_PAIRS = ("()", "[]", "{}", "<>")


@dataclass(frozen=True)
class Dyck(DrawnTask):
    """Predict the bracket that must close next: ( [ ] { -> }; with ``mode=all`` all of them, } ).

    The source is a prefix of a well-formed word over several types of brackets, nested at most
    ``depth`` deep, with at least one open bracket at its end. If both are possible, each step opens
    or closes a bracket with equal probability. The last step closes one if possible, so that the
    target is rarely the type of the last token. This is the closing-bracket accuracy of Hewitt et
    al., "RNNs can generate bounded hierarchical languages with optimal memory" (2020). FLaRe has
    two types, depth 3 and up to 40 tokens, and tests up to 500 tokens.

    Heuristic: ``last_open`` closes the last bracket that was opened, even if it is closed already.
    """

    length: str = "2:40"
    """Tokens per row: a number, or a range such as 5:20."""
    types: int = 2
    """Number of bracket types."""
    depth: int = 4
    """Maximum nesting depth."""
    mode: str = "next"
    """next: the bracket that must close next. all: all that must close, in order."""

    name: ClassVar[str] = "dyck"
    version: ClassVar[int] = 3
    summary: ClassVar[str] = "which bracket must close next"
    example: ClassVar[tuple[str, str]] = ("( [ ] ( [", "]")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("types", self.types, 1, 100)
        check_between("depth", self.depth, 2, 1000)
        registry.check("mode of dyck", self.mode, MODES)

    def source_tokens(self) -> tuple[str, ...]:
        """Return opening and closing brackets, type by type: ( ) [ ] { } < > (5 )5 ..."""
        more = [(f"({number}", f"){number}") for number in range(len(_PAIRS) + 1, self.types + 1)]
        pairs = [*map(tuple, _PAIRS), *more][: self.types]
        return tuple(bracket for pair in pairs for bracket in pair)

    def target_tokens(self) -> tuple[str, ...]:
        """Return the closing brackets."""
        return self.source_tokens()[1::2]

    @property
    def fills(self) -> int:
        """Number of words drawn from one shape, with different types of brackets."""
        return 1 if self.types == 1 else FILLS

    def shape(self, starts: Hashes, lengths: Index, width: int) -> NDArray[Any]:
        """Return the shapes (n, W) of words: the position where each bracket was opened.

        A value is 4q + 1 where a bracket opens at q, 4q + 2 where it closes, and 4W for no token.
        """
        rows: Index = np.arange(len(starts))
        opened = np.zeros((self.depth, len(rows)), np.uint16)  # (D, n) places
        depths = np.zeros(len(rows), np.int64)
        shapes = np.empty((width, len(rows)), np.uint16)  # (W, n)
        for place in range(width):
            if place % 64 == 0:
                coins = hashing.draw(starts, 1 + place // 64)
            heads = coins >> np.uint64(place % 64) & np.uint64(1) == 1
            last = place == lengths - 1
            must_open = (depths == 0) | (last & (depths == 1))
            must_close = (depths == self.depth) | (last & (depths > 1))
            opens = must_open | (~must_close & heads)
            level = depths - ~opens
            where = np.where(opens, np.uint16(place), opened[level, rows])
            opened[level, rows] = where
            shapes[place] = np.where(place < lengths, 4 * where + 2 - opens, 4 * width)
            depths = level + opens
        return np.ascontiguousarray(shapes.T)  # (n, W)

    def fill(self, shapes: NDArray[Any], starts: Hashes) -> Codes:
        """Return words (n, W) with types of brackets."""
        types = np.zeros((len(shapes), shapes.shape[1] + 1), np.uint8)  # (n, W + 1)
        types[:, :-1] = hashing.small(starts, shapes.shape[1], self.types)
        words = 2 * np.take_along_axis(types, shapes >> 2, axis=1)
        words += (shapes & 3).astype(np.uint8)
        return words

    def targets(self, sources: Codes) -> Codes:
        """Return the next closing bracket (n, 1), or all of them (n, depth)."""
        depths, open_types = self._open(sources)
        levels = depths[:, None] - 1 - np.arange(1 if self.mode == "next" else self.depth)
        rows = np.arange(len(sources))[:, None]
        return np.where(levels < 0, 0, 1 + open_types[levels, rows])  # (n, T)

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Predict the closing bracket of the last opened one."""
        places = np.arange(len(sources.tokens))
        opened = np.maximum.accumulate(np.where(sources.tokens % 2 == 0, places, 0))
        types = sources.tokens[opened[sources.offsets[1:] - 1]] // 2  # (N,)
        guess = Ragged(np.repeat(types, target_lengths), offsets_of(target_lengths))
        return {"last_open": guess}

    def _open(self, sources: Codes) -> tuple[Index, NDArray[np.int64]]:
        """Return the number of open brackets at the end (n,) and their types (D, n)."""
        rows = np.arange(len(sources))
        open_types = np.zeros((self.depth, len(rows)), np.int64)
        depths = np.zeros(len(rows), np.int64)
        for codes in sources.T.astype(np.int64):
            opens = np.flatnonzero(codes % 2)
            open_types[depths[opens], rows[opens]] = codes[opens] // 2
            depths += np.where(codes == 0, 0, 2 * (codes % 2) - 1)
        return depths, open_types


@dataclass(frozen=True)
class ModArithBrackets(DrawnTask):
    """Evaluate an expression with brackets modulo 5: ( ( 1 - 3 ) * - 2 ) -> 4.

    An expression of length 1 to 4 is d, - d, ( d ) or ( - d ); a longer one is ( left sign right ),
    with all lengths of the left side equally likely. This is modular_arithmetic_brackets in
    Delétang et al. (2023), with multiplication as in the registry of its code. Because of the
    products, 30% of long rows have the value 0, so always predicting 0 has this accuracy.
    """

    length: str = "1:40"
    """Tokens per row: a number, or a range such as 5:20."""
    modulus: int = 5
    """Modulus of the value; digits are below it."""
    products: bool = True
    """Whether expressions contain products in addition to sums and differences."""

    name: ClassVar[str] = "mod_arith_brackets"
    version: ClassVar[int] = 3
    summary: ClassVar[str] = "the value of an expression in brackets, modulo 5"
    example: ClassVar[tuple[str, str]] = ("( ( 1 - 3 ) * - 2 )", "4")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("modulus", self.modulus, 2, 100)

    def source_tokens(self) -> tuple[str, ...]:
        """Return the digits, the signs and the brackets."""
        signs = ("+", "-", "*") if self.products else ("+", "-")
        return (*self.target_tokens(), "(", ")", *signs)

    def target_tokens(self) -> tuple[str, ...]:
        """Return "0" .. "modulus-1"."""
        return tuple(map(str, range(self.modulus)))

    def shape(self, starts: Hashes, lengths: Index, width: int) -> Codes:
        """Return expressions (n, W) with 0 for all digits."""
        opening, closing, plus = self.modulus + 1, self.modulus + 2, self.modulus + 3
        out = np.zeros((len(starts), width), np.uint8)
        rows: Index = np.arange(len(starts))
        firsts, sizes = np.zeros_like(rows), lengths
        while rows.size:  # expressions of `sizes` tokens from position `firsts`
            numbers = hashing.draw_each(starts[rows], firsts + 1)
            short, pairs = sizes <= 2, sizes >= 5
            out[rows[short], firsts[short]] = np.where(sizes[short] == 2, plus + 1, 0)
            out[rows[short], (firsts + sizes - 1)[short]] = 1
            out[rows[~short], firsts[~short]] = opening
            out[rows[~short], (firsts + sizes - 1)[~short]] = closing
            free = np.maximum(sizes - 4, 1).astype(np.uint64)
            left = np.where(pairs, 1 + hashing.below(numbers, free).astype(np.int64), sizes - 2)
            signs = hashing.below(hashing.mix(numbers[pairs]), 3 if self.products else 2)
            out[rows[pairs], (firsts + 1 + left)[pairs]] = plus + signs
            rows, firsts, sizes = (
                np.concatenate([rows[~short], rows[pairs]]),
                np.concatenate([firsts[~short] + 1, (firsts + left + 2)[pairs]]),
                np.concatenate([left[~short], (sizes - left - 3)[pairs]]),
            )
        return out

    def fill(self, shapes: Codes, starts: Hashes) -> Codes:
        """Return expressions (n, W) with digits."""
        return digits_for(shapes, starts, self.modulus)

    def targets(self, sources: Codes) -> Codes:
        """Return the value, (n, 1)."""
        reader = _Reader(len(sources), sources.shape[1] // 4 + 2, self.modulus)
        for codes in sources.T.astype(np.int64):  # one position of all rows at a time
            reader.read(codes)
        values: Codes = reader.totals[0][:, None]  # (n, 1)
        return 1 + values


class _Reader:
    """Evaluate n expressions from left to right; each open bracket has a total and a sign."""

    def __init__(self, count: int, levels: int, modulus: int) -> None:
        self.totals = np.zeros((levels, count), np.int64)  # (D, n)
        self._signs = np.zeros(
            (levels, count), np.int64
        )  # sign before the next operand: 0 +, 1 -, 2 *
        self._depths = np.zeros(count, np.int64)
        self._needs_operand = np.ones(count, np.bool_)  # an operand is expected, so a - is unary
        self._negative = np.zeros(count, np.bool_)
        self._modulus = modulus

    def read(self, codes: Index) -> None:
        """Read one token (n,) of each expression."""
        kinds = codes - self._modulus  # digits to 0, then ( ) + - *
        self._open(np.flatnonzero(kinds == 1))
        self._close(np.flatnonzero(kinds == 2))
        self._take(rows := np.flatnonzero((kinds <= 0) & (codes > 0)), codes[rows] - 1)
        self._sign(rows := np.flatnonzero(kinds >= 3), kinds[rows] - 3)

    def _open(self, rows: Index) -> None:
        self._depths[rows] += 1
        self.totals[self._depths[rows], rows] = 0
        self._signs[self._depths[rows], rows] = 0

    def _close(self, rows: Index) -> None:
        inner = self.totals[self._depths[rows], rows]
        self._depths[rows] -= 1
        self._take(rows, inner)

    def _take(self, rows: Index, values: Index) -> None:
        """Add, subtract or multiply the values (n,) in the innermost open brackets."""
        where = self._depths[rows], rows
        values = np.where(self._negative[rows], -values, values)
        total, sign = self.totals[where], self._signs[where]
        total = np.where(sign == 2, total * values, total + (1 - 2 * (sign == 1)) * values)
        self.totals[where] = total % self._modulus
        self._needs_operand[rows] = self._negative[rows] = False

    def _sign(self, rows: Index, signs: Index) -> None:
        between = ~self._needs_operand[rows]
        self._negative[rows[~between]] = True
        joining = rows[between]
        self._signs[self._depths[joining], joining] = signs[between]
        self._needs_operand[joining] = True
