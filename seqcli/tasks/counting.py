"""Counting tasks, which no finite automaton solves for sources of all lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli.arrays import hashing
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import Rows, check_between
from seqcli.tasks.regular import BinaryTask
from seqcli.tasks.sequences import LengthTask
from seqcli.tasks.space import TokenArray, permute, shares


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
