"""Tasks whose target holds the source's symbols in another order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli.data.ragged import Index
from seqcli.tasks.base import Rows, Task, check_between, parse_range
from seqcli.tasks.space import Group, SequenceSpace, Symbols, assemble


@dataclass(frozen=True)
class Rearrangement(Task):
    """A source of random integers, and what a rearrangement makes of it.

    Sources are all sequences of the integers 1 .. vocab-1, every one as likely as another of its
    length; lengths are exactly even.
    """

    length: str = "5:20"
    """Symbols per row: a number, or a range such as 5:20."""
    vocab: int = 20
    """The symbols are the integers from 1 to vocab-1."""

    def __post_init__(self) -> None:
        parse_range("length", self.length)
        check_between("vocab", self.vocab, 2, 100_000)

    @abstractmethod
    def rearrange(self, symbols: Symbols) -> Symbols:
        """Return the targets (n, T) of sources (n, L) of one length."""

    def source_symbols(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return tuple(map(str, range(1, self.vocab)))

    def target_symbols(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return self.source_symbols()

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        space = SequenceSpace(self.vocab - 1, *parse_range("length", self.length))
        groups = space.draw(seed, split, index)
        turned = [Group(group.rows, self.rearrange(group.symbols)) for group in groups]
        return Rows(assemble(groups, len(index)), assemble(turned, len(index)))


@dataclass(frozen=True)
class Reverse(Rearrangement):
    """The source from back to front: 3 1 4 -> 4 1 3.

    Found throughout the literature: binary, lengths 1-40 and 41-500, in Delétang et al., "Neural
    networks and the Chomsky hierarchy" (2023); ten symbols, length 16, in the UvA deep learning
    tutorials (lesson 6), where a one-layer Transformer gets every row right.
    """

    name: ClassVar[str] = "reverse"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source from back to front"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "5 1 4 1 3")

    def rearrange(self, symbols: Symbols) -> Symbols:
        """Return the columns in the opposite order, (n, L)."""
        return symbols[:, ::-1]


@dataclass(frozen=True)
class Copy(Rearrangement):
    """The source as it is: 3 1 4 -> 3 1 4.

    The identity of Tensor2Tensor's algorithmic problems, and the first example of the Annotated
    Transformer (vocabulary 11, length 10).
    """

    name: ClassVar[str] = "copy"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source as it is"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "3 1 4 1 5")

    def rearrange(self, symbols: Symbols) -> Symbols:
        """Return the columns as they are, (n, L)."""
        return symbols


@dataclass(frozen=True)
class Sort(Rearrangement):
    """The source in rising order: 3 1 4 1 -> 1 1 3 4.

    minGPT's demonstration (length 6, three symbols: ``--length 6 --vocab 4``), and bucket_sort in
    Delétang et al. (2023). Its majority score is high: early symbols are small, late ones large.
    """

    name: ClassVar[str] = "sort"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source in rising order"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "1 1 3 4 5")

    def rearrange(self, symbols: Symbols) -> Symbols:
        """Return each row sorted, (n, L)."""
        return np.sort(symbols, axis=1)
