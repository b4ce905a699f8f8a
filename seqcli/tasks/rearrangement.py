"""Tasks whose target is the source in another order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli import registry
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import check_between
from seqcli.tasks.space import SequenceSpace, SequenceTask, TokenArray

KINDS = ("any", "distinct", "single")
MARKS = ("<", ">")


@dataclass(frozen=True)
class Rearrangement(SequenceTask):
    """Base class of tasks whose target is a rearrangement of random integers.

    Sources are all sequences of the integers 1 .. vocab-1, equally likely for each length. Lengths
    are equally frequent, except for lengths with fewer than three sequences, which are only in
    train.
    """

    vocab: int = 20
    """The tokens are the integers from 1 to vocab-1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("vocab", self.vocab, 2, 100_000)

    def source_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return tuple(map(str, range(1, self.vocab)))

    def target_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return self.source_tokens()


@dataclass(frozen=True)
class Reverse(Rearrangement):
    """Reverse the source: 3 1 4 -> 4 1 3.

    A common task in the literature: binary, lengths 1-40 and 41-500, in Delétang et al., "Neural
    networks and the Chomsky hierarchy" (2023); ten tokens, length 16, in the UvA deep learning
    tutorials (lesson 6), where a one-layer Transformer predicts every row correctly.
    """

    name: ClassVar[str] = "reverse"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source in reverse order"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "5 1 4 1 3")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the columns in reverse order, (n, L)."""
        return sources[:, ::-1]


@dataclass(frozen=True)
class Copy(Rearrangement):
    """Copy the source: 3 1 4 -> 3 1 4; with ``duplicate=2`` twice: 3 1 4 3 1 4.

    The identity task of Tensor2Tensor's algorithmic problems, and the first example of the
    Annotated Transformer (vocabulary 11, length 10). With ``duplicate=2``, binary, lengths 1-40 and
    41-500, it is duplicate_string in Delétang et al. (2023).

    With 100 tokens (``vocab=101``) it is ``cmc`` of Kazemnejad et al., "The impact of positional
    encoding on length generalization in Transformers" (2023); with ``tokens=single`` it is their
    ``rsc``. Both train on lengths up to 20 and test on 21-40. If the tokens of a row are distinct,
    the previous token determines the next one, without counting positions.
    """

    duplicate: int = 1
    """Number of copies of the source."""
    tokens: str = "any"
    """any: independent tokens. distinct: no token is repeated in a row. single: one token,
    repeated."""
    marks: bool = False
    """Whether to put < before and > after each source; they do not count in its length."""

    name: ClassVar[str] = "copy"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "a copy of the source, or several copies"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "3 1 4 1 5")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("duplicate", self.duplicate, 1, 100)
        registry.check("kind of tokens", self.tokens, KINDS)
        longest = max(self.lengths(split)[1] for split in ("train", "test"))
        if self.tokens == "distinct" and longest >= self.vocab:
            message = f"vocab={self.vocab} has too few tokens for rows of {longest} distinct ones"
            raise UsageError(message, f"use --vocab {longest + 1} or more")

    def source_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1", followed by the marks."""
        return (*self.target_tokens(), *(MARKS if self.marks else ()))

    def target_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return super().source_tokens()

    def space(self, split: str) -> SequenceSpace:
        """Return the space of a split; with single tokens only the first token is drawn."""
        count, lengths = self.vocab - 1, self.lengths(split)
        if self.tokens == "single":
            return SequenceSpace(1, *lengths, first=count)
        return SequenceSpace(count, *lengths, repeats=self.tokens == "any")

    def sources(self, drawn: TokenArray) -> TokenArray:
        """Return the sources (n, L), or (n, L + 2) with marks."""
        if self.tokens == "single":
            drawn = np.repeat(drawn[:, :1], drawn.shape[1], axis=1)
        if not self.marks:
            return drawn
        framed = np.pad(drawn.astype(np.int32), ((0, 0), (1, 1)))  # (n, L + 2)
        framed[:, 0], framed[:, -1] = self.vocab - 1, self.vocab
        return framed

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the repeated columns without marks, (n, L * duplicate)."""
        inner = sources[:, 1:-1] if self.marks else sources
        return np.tile(inner, (1, self.duplicate))


@dataclass(frozen=True)
class Sort(Rearrangement):
    """Sort the source in ascending order: 3 1 4 1 -> 1 1 3 4.

    The demonstration of minGPT (length 6, three tokens: ``--length 6 --vocab 4``), and bucket_sort
    in Delétang et al. (2023), with ``--vocab 6``. Early tokens are small and late ones large, so
    many tokens can be predicted from the length alone.

    Heuristic: ``equal_shares`` predicts all tokens equally often in ascending order, which is the
    most likely token at each position for a given length. With five tokens and lengths 41 to 500,
    90% of its tokens are correct.
    """

    name: ClassVar[str] = "sort"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source in ascending order"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "1 1 3 4 5")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return each row sorted, (n, L)."""
        return np.sort(sources, axis=1)

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Predict from the length alone."""
        offsets = offsets_of(target_lengths)
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], target_lengths)
        lengths = np.repeat(target_lengths, target_lengths)
        guess = (2 * places + 1) * (self.vocab - 1) // (2 * lengths)
        return {"equal_shares": Ragged(guess.astype(np.int32), offsets)}


@dataclass(frozen=True)
class OddsFirst(Rearrangement):
    """Write the tokens at odd positions, then those at even positions: 3 1 4 1 5 -> 3 4 5 1 1.

    Positions are counted from 1. From Delétang et al. (2023), binary, lengths 1-40 and 41-500. The
    order is that of the paper; its published code puts even positions first.
    """

    name: ClassVar[str] = "odds_first"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the tokens at odd positions, then those at even positions"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "3 4 5 1 1")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return columns 1, 3 ..., followed by columns 2, 4 ..., (n, L)."""
        return np.concatenate([sources[:, ::2], sources[:, 1::2]], axis=1)
