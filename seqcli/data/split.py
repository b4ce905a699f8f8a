"""Cutting a user's rows into train, val and test."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from seqcli.data.corpus import SPLITS
from seqcli.data.ragged import Index

_ENDS = (0.8, 0.9)  # of the range of the hash: where train and val end


def split_rows(sources: Sequence[str], seed: int) -> dict[str, Index]:
    """Return, for each split that is not empty, its rows in the order of the file.

    A stable hash of (seed, source) decides, so rows with the same source go together, and rows
    added later move no other row. Where 80/10/10 would leave val or test without a source, each is
    given one while train keeps one: two distinct sources make train and val, one only train.
    """
    numbers = {text: number for number, text in enumerate(dict.fromkeys(sources))}
    hashes = np.array([_hash(text, seed) for text in numbers], np.uint64)
    order = np.argsort(hashes, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ends = _ends(hashes[order])
    which = np.array([numbers[text] for text in sources])
    owner = np.searchsorted(ends, place, side="right")[which]  # (N,)
    found = {split: np.flatnonzero(owner == number) for number, split in enumerate(SPLITS)}
    return {split: rows for split, rows in found.items() if rows.size}


def _hash(text: str, seed: int) -> int:
    key = blake2b(f"{seed}\n{text}".encode(), digest_size=8)
    return int.from_bytes(key.digest(), "little")


def _ends(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> list[int]:
    """Return where train and val end among the distinct sources, sorted by hash."""
    count = len(hashes)
    train, val = (int(np.searchsorted(hashes / 2.0**64, end)) for end in _ENDS)
    train = min(max(train, 1), max(count - 2, 1))
    return [train, min(max(val, train + 1), max(count - 1, train + 1))]
