"""Read and write rows of tokens quickly, and keep the texts of unknown tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Ids, Ragged, offsets_of
from seqcli.data.vocabulary import UNK, UNKNOWN_TEXT, Vocabulary

Texts = tuple[str, ...]


def unknown_in_rows(rows: Ragged) -> NDArray[np.int64]:
    """Count the unknown tokens of each row, (N,)."""
    owners = np.searchsorted(rows.offsets, np.flatnonzero(rows.tokens == UNK), side="right") - 1
    return np.bincount(owners, minlength=len(rows))


def take_texts(rows: Ragged, texts: Texts, selected: NDArray[np.integer]) -> Texts:
    """Return the texts of the unknown tokens of the selected rows, in their order."""
    if not texts:
        return ()
    places = np.flatnonzero(rows.tokens == UNK)
    order = Ragged(np.arange(len(rows.tokens), dtype=np.int32), rows.offsets).take(selected).tokens
    taken = np.searchsorted(places, order[rows.tokens[order] == UNK])
    return tuple(texts[i] for i in taken.tolist())


def decoded(rows: Ragged, vocabulary: Vocabulary, texts: Texts = ()) -> list[list[str]]:
    """Return the tokens of N rows of ids; ``texts`` replace the UNKs, in order."""
    tokens = np.array([UNKNOWN_TEXT] * 4 + list(vocabulary.tokens), object)[rows.tokens]
    if texts:
        tokens[rows.tokens == UNK] = texts
    flat, ends = tokens.tolist(), rows.offsets.tolist()
    return [flat[a:b] for a, b in pairwise(ends)]


_BLOCK = 1 << 18  # bytes processed at a time, to fit the CPU cache
_WORD = 8  # bytes of the integers by which tokens are looked up
_TAB, _LINE_END, _SPACE = b"\t\n "

_Both = tuple[NDArray[np.integer], NDArray[np.integer]]  # (sources, targets)
_Block = tuple[_Both, _Both]


class PairWriter:
    """Format many rows of token indices at once, as lines such as ``3 1 4<TAB>4 1 3``.

    Each token is looked up, with the separator that follows it, in a table of bytes padded with
    NULs, and the NULs are removed from the result.

    Args:
        sources: the source alphabet.
        targets: the target alphabet.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        columns = [(sources, " "), (sources, "\t"), (targets, " "), (targets, "\n")]
        texts = [(token + after).encode() for tokens, after in columns for token in tokens]
        width = max(2, 1 << (max(map(len, texts)) - 1).bit_length())
        table = np.array(texts, f"S{width}")  # (2 * V_source + 2 * V_target,)
        self._table = table.view(f"u{width}" if width <= 8 else f"V{width}")
        self._source_tokens, self._target_tokens = len(sources), len(targets)

    def lines(self, sources: Ragged, targets: Ragged) -> bytes:
        """Return the concatenated lines of N nonempty rows."""
        starts = sources.offsets + targets.offsets  # (N + 1,) in the interleaved rows
        codes = np.empty(starts[-1], np.int64)
        before = np.repeat(targets.offsets[:-1], sources.lengths)
        codes[np.arange(len(before)) + before] = sources.tokens
        before = np.repeat(sources.offsets[1:], targets.lengths)
        codes[np.arange(len(before)) + before] = targets.tokens + 2 * self._source_tokens
        codes[starts[:-1] + sources.lengths - 1] += self._source_tokens
        codes[starts[1:] - 1] += self._target_tokens
        padded = self._table.take(codes).view(np.uint8)
        blocks = (padded[first : first + _BLOCK] for first in range(0, len(padded), _BLOCK))
        return b"".join(np.compress(block != 0, block).tobytes() for block in blocks)


def name_lines(rows: Ragged, tokens: Sequence[str]) -> bytes:
    """Return the concatenated lines of N rows of token indices, such as ``anna``."""
    letters = [tokens[i] for i in rows.tokens.tolist()]
    ends = rows.offsets.tolist()
    lines = ["".join(letters[a:b]) for a, b in pairwise(ends)]
    return "".join(f"{line}\n" for line in lines).encode()


class PairReader:
    """Parse the lines of ``PairWriter``, looking up each token's bytes as one integer.

    Args:
        sources: the source alphabet.
        targets: the target alphabet.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        self._sources, self._targets = _Lookup(sources), _Lookup(targets)

    def rows(self, raw: bytes) -> tuple[Ragged, Ragged] | None:
        """Return sources and targets as token indices; None if the lines need the slow reader.

        The slow reader is needed for lines in another format than ``PairWriter``'s, for unknown
        tokens, and for tokens of more than 8 bytes.
        """
        blocks = []
        first = 0
        while first < len(raw):
            end = raw.find(b"\n", first + _BLOCK) + 1 or len(raw)
            block = self._block(np.frombuffer(raw, np.uint8, end - first, first))
            if block is None:
                return None
            blocks.append(block)
            first = end
        if not blocks:
            return None
        tokens, lengths = zip(*blocks, strict=True)
        return _joined(tokens, lengths, 0), _joined(tokens, lengths, 1)

    def _block(self, data: NDArray[np.uint8]) -> _Block | None:
        """Return the token indices and the lengths of both sides of some lines."""
        ends = np.flatnonzero((data == _SPACE) | (data == _TAB) | (data == _LINE_END))
        kinds, widths = data[ends], np.diff(ends, prepend=-1) - 1
        tabs, lines = np.flatnonzero(kinds == _TAB), np.flatnonzero(kinds == _LINE_END)
        if data[-1] != _LINE_END or len(tabs) != len(lines) or widths.max() > _WORD:
            return None
        lengths = np.diff(np.stack([tabs, lines], axis=1).reshape(-1), prepend=-1)  # (2N,)
        if widths.min() < 1 or lengths.min() < 1:
            return None
        codes = _codes(data, ends - widths, widths)
        is_source = np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)
        sources, targets = (
            self._sources.find(codes[is_source]),
            self._targets.find(codes[~is_source]),
        )
        if sources is None or targets is None:
            return None
        return (sources, targets), (lengths[::2], lengths[1::2])


class _Lookup:
    """Map the bytes of a token, as an integer, to its index."""

    def __init__(self, tokens: Sequence[str]) -> None:
        raw = [token.encode() for token in tokens]
        short = np.array([place for place, text in enumerate(raw) if len(text) <= _WORD], np.int32)
        codes = np.array([int.from_bytes(raw[place], "little") for place in short], np.uint64)
        order = np.argsort(codes)
        self._codes, self._tokens = codes[order], short[order]

    def find(self, codes: NDArray[np.uint64]) -> Ids | None:
        """Return the index (n,) of each code, or None if one is unknown."""
        places = np.searchsorted(self._codes, codes)
        if not self._codes.size or places.max() >= len(self._codes):
            return None
        same = np.array_equal(self._codes[places], codes)
        return self._tokens[places] if same else None


def _joined(tokens: Sequence[_Both], lengths: Sequence[_Both], side: int) -> Ragged:
    parts = np.concatenate([both[side] for both in tokens]).astype(np.int32, copy=False)
    return Ragged(parts, offsets_of(np.concatenate([both[side] for both in lengths])))


def _codes(
    data: NDArray[np.uint8], starts: NDArray[np.int64], widths: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return the bytes of each token (n,) as one little-endian integer."""
    codes = np.zeros(len(starts), np.uint64)
    for place in range(int(widths.max(initial=0))):
        letters = data[np.minimum(starts + place, len(data) - 1)].astype(np.uint64)
        codes |= np.where(widths > place, letters << np.uint64(8 * place), np.uint64(0))
    return codes
