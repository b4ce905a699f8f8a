"""Tasks whose target is the source in another order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqcli import registry
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import check_between
from seqcli.tasks.sequences import SequenceTask
from seqcli.tasks.space import SequenceSpace, TokenArray

KINDS = ("any", "distinct", "single")
MARKS = ("<", ">")


@dataclass(frozen=True)
class Rearrangement(SequenceTask):
    """A source of random integers and its rearrangement.

    Sources are all sequences of the integers 1 .. vocab-1, every one as likely as another of its
    length. Lengths are exactly even, but for those with fewer than three sequences: these are in
    train alone.
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
    """The source from back to front: 3 1 4 -> 4 1 3.

    Found throughout the literature: binary, lengths 1-40 and 41-500, in Delétang et al., "Neural
    networks and the Chomsky hierarchy" (2023); ten tokens, length 16, in the UvA deep learning
    tutorials (lesson 6), where a one-layer Transformer gets every row right.
    """

    name: ClassVar[str] = "reverse"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source from back to front"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "5 1 4 1 3")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the columns in the opposite order, (n, L)."""
        return sources[:, ::-1]


@dataclass(frozen=True)
class Copy(Rearrangement):
    """The source as it is: 3 1 4 -> 3 1 4; with ``duplicate=2`` twice: 3 1 4 3 1 4.

    The identity of Tensor2Tensor's algorithmic problems, and the first example of the Annotated
    Transformer (vocabulary 11, length 10). Twice, binary, lengths 1-40 and 41-500, it is
    duplicate_string in Delétang et al. (2023).

    With 100 tokens (``vocab=101``) it is ``cmc`` of Kazemnejad et al., "The impact of positional
    encoding on length generalization in Transformers" (2023), with ``tokens=single`` it is their
    ``rsc``, trained on lengths to 20 and tested on 21-40. In rows of distinct tokens what comes
    next can be told by what has been written, without counting places.
    """

    duplicate: int = 1
    """How many times the source is repeated."""
    tokens: str = "any"
    """any: each token drawn by itself. distinct: none comes twice in a row. single: one token,
    again and again."""
    marks: bool = False
    """Whether < stands before each source and > after it, not counted in its length."""

    name: ClassVar[str] = "copy"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source as it is, once or more often"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "3 1 4 1 5")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("duplicate", self.duplicate, 1, 100)
        registry.check("kind of tokens", self.tokens, KINDS)
        longest = max(self.lengths(split)[1] for split in ("train", "test"))
        if self.tokens == "distinct" and longest >= self.vocab:
            message = f"no rows of {longest} distinct tokens can be made with vocab={self.vocab}"
            raise UsageError(message, f"say --vocab {longest + 1}, or more")

    def source_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1", and then the marks."""
        return (*self.target_tokens(), *(MARKS if self.marks else ()))

    def target_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return super().source_tokens()

    def space(self, split: str) -> SequenceSpace:
        """Return what is drawn from for a split; of single tokens the first alone counts."""
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
        """Return the columns without marks, again and again, (n, L * duplicate)."""
        inner = sources[:, 1:-1] if self.marks else sources
        return np.tile(inner, (1, self.duplicate))


@dataclass(frozen=True)
class Sort(Rearrangement):
    """The source in rising order: 3 1 4 1 -> 1 1 3 4.

    minGPT's demonstration (length 6, three tokens: ``--length 6 --vocab 4``), and bucket_sort in
    Delétang et al. (2023), with ``--vocab 6``. Early tokens are small, late ones large, so much of
    a row is known by its length alone.

    Heuristic: ``equal_shares`` writes every token as often as the others, the small ones first:
    the likeliest one at each place of a row of that length. Nine in ten are right where there are
    five tokens and 41 to 500 in a row.
    """

    name: ClassVar[str] = "sort"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source in rising order"
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
    """The tokens at odd positions, counted from 1, then the others: 3 1 4 1 5 -> 3 4 5 1 1.

    Delétang et al. (2023), binary, lengths 1-40 and 41-500. The order is the paper's; the code
    published with it puts the even places first.
    """

    name: ClassVar[str] = "odds_first"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the tokens at odd positions, then those at even positions"
    example: ClassVar[tuple[str, str]] = ("3 1 4 1 5", "3 4 5 1 1")

    def targets(self, sources: TokenArray) -> TokenArray:
        """Return the first, third ... and then the second, fourth ... columns, (n, L)."""
        return np.concatenate([sources[:, ::2], sources[:, 1::2]], axis=1)
