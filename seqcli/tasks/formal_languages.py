"""Tasks on formal languages: regular ones, and ones that require counting.

A finite automaton solves a regular task for sources of any length, and no counting task. The
regular tasks, lengths 1-40 for training and 41-500 for testing, are those of Delétang et al.,
"Neural networks and the Chomsky hierarchy" (2023), where recurrent networks generalize to the
longer lengths and Transformers do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli import registry
from seqcli.arrays import hashing
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import Rows, check_between
from seqcli.tasks.space import LengthTask, SequenceSpace, SequenceTask, TokenArray, permute, shares

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


@dataclass(frozen=True)
class Majority(BinaryTask):
    """Predict whether there are more 1s than 0s: 1 1 0 1 -> 1. Ties are 0.

    From the circuits of zoology (lengths from 16) and FLaRe (up to 40, tested up to 500). Because
    ties are 0, this is the more frequent target for short even lengths.
    """

    name: ClassVar[str] = "majority"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "whether there are more 1s than 0s"
    example: ClassVar[tuple[str, str]] = ("1 1 0 1", "1")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return whether more than half of the tokens are 1, (n, 1)."""
        ones: TokenArray = sources.sum(axis=1, keepdims=True, dtype=np.int64)  # (n, 1)
        more: TokenArray = (2 * ones > sources.shape[1]).astype(np.int32)  # (n, 1)
        return more


@dataclass(frozen=True)
class AnBnCn(LengthTask):
    """Write as many b and c as there are a: a a a -> b b b c c c.

    The target is the part of a word a^n b^n c^n that is determined by n. With 2, 3 or 4
    ``letters`` these are the languages of Suzgun et al. (lstm-eval), with n from 1 to 50 for
    training and greater n for testing; an LSTM learns to count on them and a GRU does not.

    There is one row for each n. Splits share no n, so train has only four fifths of them; values of
    ``test_length`` beyond ``length`` all belong to test.
    """

    length: str = "1:30"
    """Number of a: a number, or a range such as 1:30."""
    letters: int = 3
    """Number of letters: 2 is a^n b^n, 4 is a^n b^n c^n d^n."""

    name: ClassVar[str] = "anbncn"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "as many b and c as there are a"
    example: ClassVar[tuple[str, str]] = ("a a a", "b b b c c c")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("letters", self.letters, 2, 26)

    def source_tokens(self) -> tuple[str, ...]:
        """Return a."""
        return ("a",)

    def target_tokens(self) -> tuple[str, ...]:
        """Return the letters after a."""
        return tuple("bcdefghijklmnopqrstuvwxyz"[: self.letters - 1])

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split; all n occur before any is repeated."""
        own = self._owned(seed, split)
        turn, place = np.divmod(index, len(own))
        keys = hashing.streams(hashing.key(seed, split, "order"), turn)
        counts = own[permute(place.astype(np.uint32), len(own), keys)]  # (N,)
        letters = np.tile(np.arange(self.letters - 1, dtype=np.int32), len(index))
        targets = np.repeat(letters, np.repeat(counts, self.letters - 1))
        sources = np.zeros(counts.sum(), np.int32)
        offsets = offsets_of(counts)
        return Rows(Ragged(sources, offsets), Ragged(targets, offsets * (self.letters - 1)))

    def _owned(self, seed: int, split: str) -> Index:
        """Return the values of n that belong to a split."""
        low, high = self.lengths("train")
        count = high - low + 1
        order = permute(np.arange(count, dtype=np.uint32), count, hashing.key(seed, "counts"))
        parts = {part: low + order[own.start : own.stop] for part, own in shares(count).items()}
        own = parts[split].astype(np.int64)
        if split == "test" and self.test_length:
            low, high = self.lengths("test")
            known = np.concatenate([parts["train"], parts["val"]])
            own = np.setdiff1d(np.arange(low, high + 1), known)
        if not own.size:
            raise UsageError(
                f"there are only {count} distinct rows, too few for a {split} split",
                "choose a wider range of lengths",
            )
        return own
