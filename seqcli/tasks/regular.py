"""Regular tasks, which a finite automaton solves for sources of any length.

The tasks, lengths 1-40 for training and 41-500 for testing, are those of Delétang et al., "Neural
networks and the Chomsky hierarchy" (2023), where recurrent networks generalize to the longer
lengths and Transformers do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli import registry
from seqcli.errors import UsageError
from seqcli.tasks.base import check_between
from seqcli.tasks.sequences import SequenceTask
from seqcli.tasks.space import SequenceSpace, TokenArray

MODES = ("final", "prefix")


@dataclass(frozen=True)
class BinaryTask(SequenceTask):
    """A task on sources of 0s and 1s."""

    length: str = "1:40"
    """Tokens per row: a number, or a range such as 5:20."""

    def source_tokens(self) -> tuple[str, ...]:
        """Return 0 and 1."""
        return ("0", "1")

    def target_tokens(self) -> tuple[str, ...]:
        """Return 0 and 1."""
        return ("0", "1")


@dataclass(frozen=True)
class Parity(BinaryTask):
    """Predict whether the number of 1s is odd: 1 0 1 1 -> 1; ``mode=prefix`` 1 1 0 1.

    With ``mode=prefix`` there is one target token for each prefix. ``final`` is parity_check in
    Delétang et al. (2023) and the parity of xLSTM (trained on 3-40, tested on 40-256); ``prefix``
    is cumulative parity in zoology and x-transformers.
    """

    mode: str = "final"
    """final: one target for the whole source. prefix: one for each prefix."""

    name: ClassVar[str] = "parity"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "whether the number of 1s is odd"
    example: ClassVar[tuple[str, str]] = ("1 0 1 1", "1")

    def __post_init__(self) -> None:
        super().__post_init__()
        registry.check("mode of parity", self.mode, MODES)

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the parity of the source (n, 1), or of every prefix (n, L)."""
        parities: TokenArray = np.bitwise_xor.accumulate(sources, axis=1)  # (n, L)
        return parities if self.mode == "prefix" else parities[:, -1:]


@dataclass(frozen=True)
class EvenPairs(BinaryTask):
    """Predict whether the number of 0 1 and 1 0 is odd: 0 1 0 1 0 0 1 -> 1; 0 0 1 1 1 0 -> 0.

    The number is even if and only if the first and the last token are equal. This is even_pairs in
    Delétang et al. (2023).
    """

    name: ClassVar[str] = "even_pairs"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "whether the total number of 0 1 and 1 0 is odd"
    example: ClassVar[tuple[str, str]] = ("0 1 0 1 0 0 1", "1")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return whether the first and the last token differ, (n, 1)."""
        return sources[:, :1] ^ sources[:, -1:]


@dataclass(frozen=True)
class CycleNav(SequenceTask):
    """Predict the position after steps around a circle: +1 +1 0 +1 -1 -> 2.

    The circle has ``positions`` positions and the walk starts at 0. This is cycle_navigation in
    Delétang et al. (2023), with 5 positions. Chance is 1/5, but 1/3 for the shortest lengths.
    """

    length: str = "1:40"
    """Tokens per row: a number, or a range such as 5:20."""
    positions: int = 5
    """Positions on the circle."""

    name: ClassVar[str] = "cycle_nav"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the position after steps around a circle"
    example: ClassVar[tuple[str, str]] = ("+1 +1 0 +1 -1", "2")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("positions", self.positions, 2, 1000)

    def source_tokens(self) -> tuple[str, ...]:
        """Return the steps: stay, forward, back."""
        return ("0", "+1", "-1")

    def target_tokens(self) -> tuple[str, ...]:
        """Return "0" .. "positions-1"."""
        return tuple(map(str, range(self.positions)))

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the final position, (n, 1)."""
        steps = np.array([0, 1, -1])[sources]  # (n, L)
        place: TokenArray = steps.sum(axis=1, keepdims=True) % self.positions  # (n, 1)
        return place


@dataclass(frozen=True)
class ModArith(SequenceTask):
    """Evaluate an expression modulo 5: 4 - 3 * 2 + 1 -> 4.

    Multiplication has precedence over + and -. The length counts digits and signs, so it is odd;
    even lengths of a range are skipped. This is modular_arithmetic in Delétang et al. (2023).
    """

    length: str = "1:39"
    """Digits and signs per row, an odd number or a range such as 1:39."""
    modulus: int = 5
    """Modulus of the value; digits are below it."""

    name: ClassVar[str] = "mod_arith"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the value of a sum of products, modulo 5"
    example: ClassVar[tuple[str, str]] = ("4 - 3 * 2 + 1", "4")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("modulus", self.modulus, 2, 100)

    def lengths(self, split: str) -> tuple[int, int]:
        """Return the minimum and maximum odd length of a split's rows."""
        low, high = super().lengths(split)
        if low == high and low % 2 == 0:
            raise UsageError(f"no expression has {low} tokens", f"did you mean {low + 1}?")
        return low + (low + 1) % 2, high - (high + 1) % 2

    def source_tokens(self) -> tuple[str, ...]:
        """Return the digits, then the three signs."""
        return (*self.target_tokens(), "+", "-", "*")

    def target_tokens(self) -> tuple[str, ...]:
        """Return "0" .. "modulus-1"."""
        return tuple(map(str, range(self.modulus)))

    def space(self, split: str) -> SequenceSpace:
        """Return the space of a digit followed by pairs of a sign and a digit."""
        low, high = self.lengths(split)
        return SequenceSpace(3 * self.modulus, low // 2 + 1, high // 2 + 1, self.modulus)

    def sources(self, drawn: TokenArray) -> TokenArray:
        """Return the expressions (n, 2k - 1) of k terms (n, k)."""
        sources = np.empty((len(drawn), 2 * drawn.shape[1] - 1), np.int32)  # (n, L)
        sources[:, ::2] = drawn % self.modulus
        sources[:, 1::2] = drawn[:, 1:] // self.modulus + self.modulus
        return sources

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the value, (n, 1)."""
        product: TokenArray = sources[:, 0].astype(np.int64)  # (n,)
        total = np.zeros_like(product)
        for place in range(1, sources.shape[1], 2):
            sign, digit = sources[:, place] - self.modulus, sources[:, place + 1]
            goes_on = sign == 2
            total += np.where(goes_on, 0, product)
            product = np.where(goes_on, product, 1 - 2 * sign) * digit % self.modulus
        return (total + product)[:, None] % self.modulus  # (n, 1)
