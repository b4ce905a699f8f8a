"""Memory tasks: recall tokens over long distances or among distractors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays import hashing
from seqcli.arrays.hashing import Hashes
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.errors import UsageError
from seqcli.tasks.base import Rows, Task, check_between
from seqcli.tasks.drawn import FILLS, Codes, ShapeSampler, own_draws, ragged_of
from seqcli.tasks.space import LengthTask, SequenceSpace, assemble, permute

_RECALLED = 10  # number of tokens to recall in copy_memory
_POWER = 0.01  # exponent of the power law for the positions of mqar's queries


@dataclass(frozen=True)
class CopyMemory(Task):
    """Repeat ten tokens after a long gap: 3 1 4 1 5 2 6 5 3 5 0 .. 0 9 .. 9.

    The source has 10 tokens of 1 .. 8, ``delay`` - 1 blanks 0, and 11 times the delimiter 9:
    ``delay`` + 20 tokens in all. The target is the 10 tokens. In Bai et al., "An empirical
    evaluation of generic convolutional and recurrent networks" (2018), delays are 500 to 2000, and
    blanks are scored too, so that predicting only blanks has 98% accuracy; here only the 10 tokens
    are scored.
    """

    delay: int = 50
    """Steps from the last token to the delimiter (T in the literature)."""

    name: ClassVar[str] = "copy_memory"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "ten tokens recalled after a long gap"
    example: ClassVar[tuple[str, str]] = (
        "3 1 4 1 5 2 6 5 3 5 0 0 9 9 9 9 9 9 9 9 9 9 9",
        "3 1 4 1 5 2 6 5 3 5",
    )

    def __post_init__(self) -> None:
        check_between("delay", self.delay, 1, 1_000_000)

    def source_tokens(self) -> tuple[str, ...]:
        """Return the blank 0, the tokens 1 .. 8, and the delimiter 9."""
        return tuple("0123456789")

    def target_tokens(self) -> tuple[str, ...]:
        """Return 1 .. 8."""
        return tuple("12345678")

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        space = SequenceSpace(8, _RECALLED, _RECALLED)
        targets = assemble(space.draw(seed, split, index), len(index))
        sources = np.zeros((len(index), self.delay + 20), np.int32)  # (N, S)
        sources[:, :_RECALLED] = 1 + targets.tokens.reshape(-1, _RECALLED)
        sources[:, self.delay + _RECALLED - 1 :] = 9
        offsets = np.arange(len(index) + 1) * sources.shape[1]
        return Rows(Ragged(sources.reshape(-1), offsets), targets)


@dataclass(frozen=True)
class SelectiveCopy(LengthTask):
    """Copy the tokens between the noise, in order: 0 6 0 0 7 0 -> 6 7. Noise is 0.

    The positions of the tokens are random. From Gu and Dao, "Mamba" (2023), with 16 tokens of 14
    kinds at 4096 positions, and MAD, with 16 tokens at 256 positions.
    """

    length: str = "64"
    """Tokens per row, noise included: a number, or a range such as 64:256."""
    tokens: int = 8
    """Number of tokens to copy."""
    vocab: int = 15
    """The tokens are the integers from 1 to vocab-1."""

    name: ClassVar[str] = "selective_copy"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the tokens between the noise, in order"
    example: ClassVar[tuple[str, str]] = ("0 6 0 0 7 0", "6 7")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("vocab", self.vocab, 2, 100_000)
        for split in ("train", "test"):
            check_between("tokens", self.tokens, 1, self.lengths(split)[0])

    def source_tokens(self) -> tuple[str, ...]:
        """Return the noise "0" and "1" .. "vocab-1"."""
        return tuple(map(str, range(self.vocab)))

    def target_tokens(self) -> tuple[str, ...]:
        """Return "1" .. "vocab-1"."""
        return self.source_tokens()[1:]

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        space = SequenceSpace(self.vocab - 1, self.tokens, self.tokens)
        targets = assemble(space.draw(seed, split, index), len(index))
        starts = hashing.streams(hashing.key(seed, split, self.name), index)
        low, high = self.lengths(split)
        lengths = low + hashing.below(hashing.draw(starts, 0), high - low + 1).astype(np.int64)
        offsets = offsets_of(lengths)
        tokens = np.zeros(offsets[-1], np.int32)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            places = np.sort(_distinct(starts[rows], self.tokens, length), axis=1)  # (n, M)
            drawn = targets.tokens.reshape(-1, self.tokens)[rows]  # (n, M)
            tokens[offsets[rows][:, None] + places] = 1 + drawn
        return Rows(Ragged(tokens, offsets), targets)


@dataclass(frozen=True)
class Mqar(LengthTask):
    """Recall the value of each key: k3 v7 k1 v2 . k1 . . k3 -> v2 v7.

    Multi-query associative recall: pairs of a key and a value, followed by all keys in random
    order, separated by blanks. The positions of the queries follow a power law of the distance with
    exponent 0.01 - 1. From Arora et al., "Zoology" (2023), with 8192 tokens and (length, pairs) of
    (64, 4), (128, 8), (256, 16), (512, 64).

    With ``noise`` the pairs are at random positions of the first half, the queries in the second
    half, and random values replace the blanks. With one pair, this is the task of an induction head
    (Olsson et al., 2022): find the token that followed a given one.

    Heuristic: ``value_in_context`` predicts the value of the first key for all keys.
    """

    length: str = "64"
    """Tokens per row: a number, or a range such as 64:256."""
    pairs: int = 4
    """Pairs of a key and a value; each key is queried once."""
    vocab: int = 64
    """Total number of keys and values, half of them each."""
    noise: bool = False
    """Whether pairs are placed among random values instead of at the beginning."""

    name: ClassVar[str] = "mqar"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "the values of keys (associative recall)"
    example: ClassVar[tuple[str, str]] = ("k3 v7 k1 v2 . k1 . . k3", "v2 v7")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("vocab", self.vocab, 4, 100_000)
        check_between("pairs", self.pairs, 1, self.vocab // 2)
        least = (4 if self.noise else 3) * self.pairs
        for split in ("train", "test"):
            low, _ = self.lengths(split)
            if low < least:
                raise UsageError(
                    f"{self.pairs} pairs do not fit into {low} tokens",
                    f"the minimum of task.length is {least}",
                )

    def source_tokens(self) -> tuple[str, ...]:
        """Return the values, the keys and the blank."""
        keys = tuple(f"k{number}" for number in range(1, self._half + 1))
        return (*self.target_tokens(), *keys, ".")

    def target_tokens(self) -> tuple[str, ...]:
        """Return "v1" .. "v(vocab/2)"."""
        return tuple(f"v{number}" for number in range(1, self._half + 1))

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        drawing = ShapeSampler(self._keys, self._with_values, FILLS)
        pairs = own_draws(seed, split, index, self.name, drawing)  # (N, 2P)
        starts = hashing.streams(hashing.key(seed, split, "places"), index)
        low, high = self.lengths(split)
        lengths = low + hashing.below(hashing.draw(starts, 0), high - low + 1).astype(np.int64)
        order = _distinct(hashing.draw(starts, 1), self.pairs, self.pairs)  # (N, P)
        sources = np.zeros((len(index), high), np.int32)  # (N, S)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            sources[rows, :length] = self._source(pairs[rows], order[rows], starts[rows], length)
        values = np.take_along_axis(pairs[:, 1::2], order, axis=1)  # (N, P)
        return Rows(ragged_of(sources), ragged_of(values))

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Predict the value of the first key for every key."""
        is_key = (sources.tokens >= self._half) & (sources.tokens < 2 * self._half)
        keys = np.flatnonzero(is_key)
        first = keys[np.searchsorted(keys, sources.offsets[:-1])]  # (N,)
        guess = np.repeat(sources.tokens[first + 1], target_lengths)
        return {"value_in_context": Ragged(guess, offsets_of(target_lengths))}

    @property
    def _half(self) -> int:
        return self.vocab // 2

    def _keys(self, starts: Hashes, places: Index) -> Codes:
        """Return the codes of distinct keys, (n, P), for rows at some positions of the batch."""
        return 1 + self._half + _distinct(starts, self.pairs, self._half)

    def _with_values(self, keys: Codes, starts: Hashes) -> Codes:
        """Return the codes of keys (n, P) and values, alternating, (n, 2P)."""
        pairs = np.empty((len(keys), 2 * self.pairs), np.int32)  # (n, 2P)
        pairs[:, ::2] = keys
        pairs[:, 1::2] = 1 + hashing.below(_numbers(starts, self.pairs), self._half)
        return pairs

    def _source(self, pairs: Codes, order: Index, starts: Hashes, length: int) -> Codes:
        """Return sources (n, S) of one length from pairs (n, 2P) and query order (n, P)."""
        rows = np.arange(len(pairs))[:, None]
        front = length // 2 if self.noise else 2 * self.pairs
        sources = np.full((len(pairs), length), 1 + 2 * self._half, np.int32)  # (n, S)
        firsts = np.broadcast_to(2 * np.arange(self.pairs), order.shape)  # (n, P)
        if self.noise:
            firsts = 2 * _distinct(hashing.draw(starts, 2), self.pairs, front // 2)
            noise = _numbers(hashing.draw(starts, 4), length)  # (n, S)
            sources[:] = 1 + hashing.below(noise, self._half)
        sources[rows, firsts] = pairs[:, ::2]
        sources[rows, firsts + 1] = pairs[:, 1::2]
        numbers = _numbers(hashing.draw(starts, 3), length - front)
        asked = front + _places(numbers, self.pairs)  # (n, P)
        sources[rows, asked] = np.take_along_axis(pairs[:, ::2], order, axis=1)
        return sources


def _distinct(starts: Hashes, count: int, below: int) -> Index:
    """Return distinct numbers 0 .. below-1 in random order for each stream (n,), (n, count)."""
    numbers = np.tile(np.arange(count, dtype=np.uint32), len(starts))
    placed = permute(numbers, below, np.repeat(starts, count))
    return placed.astype(np.int64).reshape(-1, count)


def _numbers(starts: Hashes, count: int) -> Hashes:
    """Return numbers 0 .. count-1 of each stream, (n, count)."""
    return np.stack([hashing.draw(starts, place) for place in range(count)], axis=1)


def _places(numbers: Hashes, count: int) -> Index:
    """Sample ``count`` of S positions (n, count) by the power law, in ascending order.

    Sampling is without replacement: each position gets an exponential time divided by its weight,
    and the earliest ones are chosen (Efraimidis and Spirakis, 2006).
    """
    uniform = (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53  # (n, S)
    weights: NDArray[np.float64] = np.arange(1, numbers.shape[1] + 1) ** (_POWER - 1)
    times = -np.log1p(-uniform) / weights  # (n, S)
    return np.sort(np.argpartition(times, count - 1, axis=1)[:, :count], axis=1)
