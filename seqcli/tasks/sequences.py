"""Base classes of tasks with lengths, and of tasks over all sequences of some tokens."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from seqcli.arrays.ragged import Index
from seqcli.tasks.base import Rows, Task, parse_range
from seqcli.tasks.space import Group, SequenceSpace, TokenArray, assemble


@dataclass(frozen=True)
class LengthTask(Task):
    """A task whose rows have a length. Val is drawn like train, test as ``test_length`` says."""

    length: str = "5:20"
    """Tokens per row: a number, or a range such as 5:20."""
    test_length: str = ""
    """Tokens per test row, if not as length says: a number, or a range such as 21:40."""

    least_length: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.lengths("train")
        self.lengths("test")

    @abstractmethod
    def source_tokens(self) -> tuple[str, ...]:
        """Return the source alphabet."""

    def lengths(self, split: str) -> tuple[int, int]:
        """Return the least and the greatest length of a split's rows."""
        option = "test_length" if split == "test" and self.test_length else "length"
        return parse_range(option, getattr(self, option), self.least_length)


@dataclass(frozen=True)
class SequenceTask(LengthTask):
    """A task whose sources are all sequences of some tokens, uniform for each length.

    Lengths are exactly even. A length with fewer than three sequences, such as length 1 over two
    tokens, is in train alone; val and test have the nearest length more often instead.
    """

    @abstractmethod
    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the targets (n, T) of sources (n, L) of one length."""

    def space(self, split: str) -> SequenceSpace:
        """Return the space that the sources of a split are drawn from."""
        return SequenceSpace(len(self.source_tokens()), *self.lengths(split))

    def sources(self, drawn: TokenArray) -> TokenArray:
        """Return the sources (n, L) of sequences of the space."""
        return drawn

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        drawn = self.space(split).draw(seed, split, index)
        sources = [Group(group.rows, self.sources(group.tokens)) for group in drawn]
        targets = [Group(group.rows, self.targets(group.tokens)) for group in sources]
        return Rows(assemble(sources, len(index)), assemble(targets, len(index)))
