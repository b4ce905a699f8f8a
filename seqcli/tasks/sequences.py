"""Base classes for tasks with lengths, and for tasks over all sequences of some tokens."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from seqcli.arrays.ragged import Index
from seqcli.tasks.base import Rows, Task, parse_range
from seqcli.tasks.space import Group, SequenceSpace, TokenArray, assemble


@dataclass(frozen=True)
class LengthTask(Task):
    """A task whose rows have a length; test may have other lengths (``test_length``)."""

    length: str = "5:20"
    """Tokens per row: a number, or a range such as 5:20."""
    test_length: str = ""
    """Tokens per test row, if different from length: a number, or a range such as 21:40."""

    least_length: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.lengths("train")
        self.lengths("test")

    @abstractmethod
    def source_tokens(self) -> tuple[str, ...]:
        """Return the source alphabet."""

    def lengths(self, split: str) -> tuple[int, int]:
        """Return the minimum and maximum length of a split's rows."""
        option = "test_length" if split == "test" and self.test_length else "length"
        return parse_range(option, getattr(self, option), self.least_length)


@dataclass(frozen=True)
class SequenceTask(LengthTask):
    """A task whose sources are all sequences of some tokens, uniform for each length.

    Lengths are equally frequent. Lengths with fewer than three sequences, such as length 1 over two
    tokens, only occur in train; val and test have the nearest length instead.
    """

    @abstractmethod
    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the targets (n, T) of sources (n, L) of one length."""

    def space(self, split: str) -> SequenceSpace:
        """Return the space of the sources of a split."""
        return SequenceSpace(len(self.source_tokens()), *self.lengths(split))

    def sources(self, drawn: TokenArray) -> TokenArray:
        """Convert sequences of the space to sources (n, L)."""
        return drawn

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        drawn = self.space(split).draw(seed, split, index)
        sources = [Group(group.rows, self.sources(group.tokens)) for group in drawn]
        targets = [Group(group.rows, self.targets(group.tokens)) for group in sources]
        return Rows(assemble(sources, len(index)), assemble(targets, len(index)))
