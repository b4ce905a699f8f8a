"""Rows that are like others, told by their hashes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqcli.arrays.ragged import Index
from seqcli.data.files.file_encoder import EncodedFile, Hashes
from seqcli.data.files.findings import Findings


class Again(NamedTuple):
    """Rows that come after a like one: their numbers, and the numbers of those they are like."""

    rows: Index
    first: Index


def again(hashes: Hashes) -> Again:
    """Return the rows whose hash an earlier row has."""
    order = np.argsort(hashes, kind="stable")
    new = np.ones(len(order), np.bool_)
    new[1:] = hashes[order[1:]] != hashes[order[:-1]]
    starts = np.flatnonzero(new)
    first = order[starts].repeat(np.diff(starts, append=len(order)))
    rows, first = order[~new], first[~new]
    back = np.argsort(rows)
    return Again(rows[back], first[back])


def name_repeats(found: EncodedFile, findings: Findings) -> None:
    """Name the rows of a file that repeat another, and those that contradict one."""
    for row in found.twins().tolist():
        findings.add("twin", found.path, found.split, int(found.lines[row]))
    same = again(found.pairs)
    for row, first in zip(*same, strict=True):
        line = int(found.lines[first])
        findings.add("duplicate", found.path, found.split, int(found.lines[row]), f"line {line}")
    if found.sources is None:
        return
    other = again(found.inputs)
    fresh = ~np.isin(other.rows, same.rows)
    for row, first in zip(other.rows[fresh], other.first[fresh], strict=True):
        where = f"line {found.lines[first]}"
        findings.add("contradictory", found.path, found.split, int(found.lines[row]), where)


def shared(one: Hashes, other: Hashes) -> Index:
    """Return the rows of ``other`` whose hash is in ``one``."""
    ordered = np.sort(one)
    places = np.searchsorted(ordered, other).clip(max=max(len(ordered) - 1, 0))
    return np.flatnonzero(ordered[places] == other) if len(ordered) else np.zeros(0, np.int64)
