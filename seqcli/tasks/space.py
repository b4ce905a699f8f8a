"""Instance spaces divided into disjoint splits by construction, and base classes of their tasks.

A keyed permutation puts the N instances of a space into a random order, and each split owns a
contiguous range of that order. Instance r of a split can then be computed directly, without memory
or rejection, and no instance of a split is repeated before all have occurred.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.messages import plural
from seqcli.tasks.base import SPLIT_SHARES, Rows, Task, parse_range

Words = NDArray[np.uint32]
TokenArray = NDArray[np.integer]

_LARGEST = 1 << 32  # maximum width of a permuted word
_ROUNDS = 4


def shares(count: int) -> dict[str, range]:
    """Divide 0 .. count-1 into one range per split, not empty if there are 3 or more instances."""
    tenth = max(1, round(count * SPLIT_SHARES["test"])) if count >= len(SPLIT_SHARES) else 0
    first = count - 2 * tenth
    ends = {"train": (0, first), "val": (first, first + tenth), "test": (first + tenth, count)}
    return {split: range(*ends[split]) for split in SPLIT_SHARES}


def permute(values: Words, count: int, key: int | Hashes) -> Words:
    """Return a keyed permutation of 0 .. count-1, applied to each value (N,).

    Rounds of add, multiply by an odd number and xor-shift are invertible on words of w bits.
    Results beyond ``count`` are permuted again until they are below it ("cycle walking": Black and
    Rogaway, "Ciphers with arbitrary finite domains", 2002).

    Args:
        values: numbers below ``count``.
        count: at most 2**32.
        key: one key for all values, or one for each (N,).
    """
    keys = np.atleast_1d(np.asarray(key, np.uint64))
    bits = max(1, (count - 1).bit_length())
    placed = _shuffle(values, keys, bits)
    beyond = np.flatnonzero(placed >= count)
    while beyond.size:
        placed[beyond] = _shuffle(placed[beyond], keys if keys.size == 1 else keys[beyond], bits)
        beyond = beyond[placed[beyond] >= count]
    return placed


def _shuffle(values: Words, keys: Hashes, bits: int) -> Words:
    mask, shift = np.uint32((1 << bits) - 1), np.uint32((bits + 1) // 2)
    for turn in range(_ROUNDS):
        secret = hashing.draw(keys, turn)
        addend = secret.astype(np.uint32)
        factor = (secret >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
        values = ((values + addend) * factor) & mask
        values ^= values >> shift
    return values


@dataclass(frozen=True)
class Group:
    """Rows of one length: their positions in the batch (n,) and their tokens (n, L)."""

    rows: Index
    tokens: TokenArray


@dataclass(frozen=True)
class SequenceSpace:
    """All sequences over some tokens with a length from shortest to longest.

    If there are more than 2**32 sequences of a length, only the first tokens (the head) are
    permuted, and the others are unrestricted; sequences of two splits differ in the head.

    Args:
        tokens: number of tokens, which are 0 .. tokens-1.
        shortest: minimum length, from 1.
        longest: maximum length.
        first: number of tokens allowed at the first position, if different.
        repeats: whether tokens may be repeated; if not, ``first`` must not be set.
    """

    tokens: int
    shortest: int
    longest: int
    first: int | None = None
    repeats: bool = True

    def choices(self, begin: int, end: int) -> list[int]:
        """Return the number of possible tokens at each position from ``begin`` to ``end``."""
        counts = [self.tokens - (0 if self.repeats else place) for place in range(begin, end)]
        if self.first is not None and begin == 0:
            counts[0] = self.first
        return counts

    def size(self, length: int) -> int:
        """Return the number of distinct sequences of that length."""
        return prod(self.choices(0, length))

    def head(self, length: int) -> int:
        """Return the number of first tokens that determine the split."""
        head = 1
        while head < length and self.size(head + 1) <= _LARGEST:
            head += 1
        return head

    def distinct(self) -> int:
        """Return the total number of distinct sequences in all splits."""
        return sum(map(self.size, range(self.shortest, self.longest + 1)))

    def draw(self, seed: int, split: str, index: Index) -> list[Group]:
        """Return the sequences at ``index`` (N,) of a split, grouped by length.

        Each block of rows has every length once, in random order, so all lengths are equally
        frequent; the index of the block selects the instance of that length. Lengths with fewer
        than three sequences belong to train; val and test use the nearest length instead.

        Raises:
            UsageError: the space is too small for this split to have a sequence.
        """
        lengths, ranks = self._places(seed, split, index)
        starts = hashing.streams(hashing.key(seed, split, "tail"), index)
        return [
            Group(rows, self._sequences(seed, split, length, ranks[rows], starts[rows]))
            for length, rows in _by_length(lengths)
        ]

    def _places(self, seed: int, split: str, index: Index) -> tuple[Index, Index]:
        """Return the length and the index of the instance within that length, each (N,)."""
        choices = self.longest - self.shortest + 1
        block, place = np.divmod(index, choices)
        if choices > 1:
            keys = hashing.streams(hashing.key(seed, split, "lengths"), block)
            place = permute(place.astype(np.uint32), choices, keys).astype(np.int64)
        to, position, sharing = _redirections(self, split)
        return to[place], block * sharing[place] + position[place]

    def _sequences(
        self, seed: int, split: str, length: int, ranks: Index, starts: Hashes
    ) -> TokenArray:
        head = self.head(length)
        count = self.size(head)
        own = shares(count)[split]
        places = (ranks % len(own) + own.start).astype(np.uint32)
        words = permute(places, count, hashing.key(seed, "heads", length))
        small = np.uint8 if self.tokens <= 1 << 8 else np.int32
        out = np.empty((len(ranks), length), small)  # (n, L)
        turn = 1 if self.first is None else -1  # the rest goes to the position that differs
        _write_digits(words, self.choices(0, head)[::turn], out[:, :head][:, ::turn])
        for first in range(head, length, head):
            part = out[:, first : first + head]
            bases = self.choices(first, first + part.shape[1])
            tail = hashing.below(hashing.draw(starts, first), prod(bases))
            _write_digits(tail.astype(np.uint32), bases, part)
        return out if self.repeats else _without_repeats(out)


def nearest_owned(lengths: Sequence[int], owned: Iterable[int]) -> list[int]:
    """Map each length to the nearest owned one; to the longer one in case of ties."""
    there = set(owned)
    return [
        length if length in there else min(there, key=lambda own: (abs(own - length), -own))
        for length in lengths
    ]


@lru_cache(maxsize=64)
def _redirections(space: SequenceSpace, split: str) -> tuple[Index, Index, Index]:
    """Map each length without rows in the split to the nearest one with rows.

    Returns:
        For each length: the length used, its index among lengths with the same one, their number.
    """
    lengths = range(space.shortest, space.longest + 1)
    owned = [n for n in lengths if shares(space.size(space.head(n)))[split]]
    if not owned:
        raise too_few_rows(space.distinct(), split)
    nearest = nearest_owned(lengths, owned)
    sharing, position = Counter(nearest), []
    seen: Counter[int] = Counter()
    for to in nearest:
        position.append(seen[to])
        seen[to] += 1
    return np.array(nearest), np.array(position), np.array([sharing[to] for to in nearest])


def too_few_rows(distinct: int, split: str) -> UsageError:
    """Return an error for a split without rows."""
    return UsageError(
        f"there are only {plural(distinct, 'distinct row')}, too few for a {split} split",
        "choose longer rows or a larger vocabulary",
    )


def assemble(groups: list[Group], count: int) -> Ragged:
    """Combine groups to N = ``count`` rows in the order of the batch."""
    if len(groups) == 1:
        only = groups[0].tokens
        offsets = np.arange(count + 1) * only.shape[1]
        return Ragged(only.astype(np.int32).reshape(-1), offsets)
    lengths = np.zeros(count, np.int64)
    for group in groups:
        lengths[group.rows] = group.tokens.shape[1]
    offsets = offsets_of(lengths)
    tokens = np.empty(offsets[-1], np.int32)
    for group in groups:
        columns = np.arange(group.tokens.shape[1])
        tokens[offsets[group.rows][:, None] + columns] = group.tokens  # (n, L)
    return Ragged(tokens, offsets)


def _by_length(lengths: Index) -> Iterator[tuple[int, Index]]:
    order = np.argsort(lengths.astype(np.int32), kind="stable")
    distinct, firsts = np.unique(lengths[order], return_index=True)
    for length, rows in zip(distinct, np.split(order, firsts)[1:], strict=True):
        yield int(length), rows


def _write_digits(words: Words, bases: Sequence[int], out: TokenArray) -> None:
    """Write the digits of each word (n,) to the columns of ``out`` (n, k), lowest digit first.

    Each column has its own base; the last column contains the rest.
    """
    for column, base in enumerate(bases[:-1]):
        divisor = np.uint32(base)
        rest = cast(Words, words // divisor)
        out[:, column] = words - rest * divisor
        words = rest
    out[:, -1] = words


def _without_repeats(ranks: TokenArray) -> TokenArray:
    """Convert ranks (n, L) among the remaining tokens of each position to tokens."""
    out = np.empty_like(ranks)
    taken = ranks[:, :0]  # (n, place) in ascending order
    for place in range(ranks.shape[1]):
        token = ranks[:, place].copy()
        for earlier in taken.T:
            token += token >= earlier
        out[:, place] = token
        taken = np.sort(out[:, : place + 1], axis=1)
    return out


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
