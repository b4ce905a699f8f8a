"""Write encoded files as a folder of arrays, with vocabularies built from train."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.data.files.file_encoder import EncodedFile, Hashes, IncrementalVocabulary, TokenBuffer
from seqcli.data.files.rows import Findings
from seqcli.data.vocabulary import SPECIALS, UNK
from seqcli.events import SplitRead


class Repeats(NamedTuple):
    """Rows that repeat an earlier one, and the numbers of the first occurrences."""

    rows: Index
    first: Index


def find_repeats(hashes: Hashes) -> Repeats:
    """Find the rows whose hash equals that of an earlier row."""
    order = np.argsort(hashes, kind="stable")
    new = np.ones(len(order), np.bool_)
    new[1:] = hashes[order[1:]] != hashes[order[:-1]]
    starts = np.flatnonzero(new)
    first = order[starts].repeat(np.diff(starts, append=len(order)))
    rows, first = order[~new], first[~new]
    back = np.argsort(rows)
    return Repeats(rows[back], first[back])


def report_repeats(file: EncodedFile, findings: Findings) -> None:
    """Report the rows of a file that repeat or contradict an earlier row."""
    for row in file.twins().tolist():
        findings.add("twin", file.path, file.split, int(file.lines[row]))
    same = find_repeats(file.pairs)
    for row, first in zip(*same, strict=True):
        line = int(file.lines[first])
        findings.add("duplicate", file.path, file.split, int(file.lines[row]), f"line {line}")
    if file.sources is None:
        return
    other = find_repeats(file.inputs)
    fresh = ~np.isin(other.rows, same.rows)
    for row, first in zip(other.rows[fresh], other.first[fresh], strict=True):
        where = f"line {file.lines[first]}"
        findings.add("contradictory", file.path, file.split, int(file.lines[row]), where)


def shared(one: Hashes, other: Hashes) -> Index:
    """Find the rows of ``other`` whose hash is in ``one``."""
    ordered = np.sort(one)
    places = np.searchsorted(ordered, other).clip(max=max(len(ordered) - 1, 0))
    return np.flatnonzero(ordered[places] == other) if len(ordered) else np.zeros(0, np.int64)


META = "meta.json"
KINDS = {"tokens": np.int32, "offsets": np.int64, "weights": np.float32}  # dtypes of the arrays
Table = NDArray[np.int32]  # maps provisional ids to ids of the vocabulary


@dataclass(frozen=True)
class Part:
    """The rows of a split: ``rows`` of an encoded file, in order."""

    split: str
    encoded: EncodedFile
    rows: Index

    def buffer(self, side: str) -> TokenBuffer | None:
        """Return the token buffer of a side."""
        return self.encoded.sources if side == "source" else self.encoded.targets


@dataclass(frozen=True)
class Side:
    """One side of all rows: its provisional tokens, and the table that maps them to ids."""

    name: str
    provisional: tuple[str, ...]
    tokens: tuple[str, ...]
    table: Table

    @classmethod
    def of(cls, name: str, alphabet: IncrementalVocabulary, train: Part) -> Side:
        """Build the vocabulary of a side from the training rows."""
        buffer, provisional = train.buffer(name), tuple(alphabet)
        assert buffer is not None
        used = np.zeros(len(provisional), np.bool_)
        for chunk in buffer.taken(train.rows):
            used[chunk.tokens] = True
        numbers = sorted(np.flatnonzero(used).tolist(), key=provisional.__getitem__)
        table = np.full(len(provisional), UNK, np.int32)
        table[numbers] = np.arange(len(numbers)) + len(SPECIALS)
        return cls(name, provisional, tuple(provisional[number] for number in numbers), table)


def parts_of_splits(encoded: Mapping[str, EncodedFile]) -> list[Part]:
    """Convert files that are already split to parts."""
    return [Part(split, one, np.arange(len(one))) for split, one in encoded.items()]


def write_parts(
    folder: Path,
    parts: list[Part],
    alphabets: Mapping[str, IncrementalVocabulary],
    findings: Findings,
    repeat: bool,
) -> tuple[dict[str, Any], tuple[SplitRead, ...]]:
    """Write the arrays of each split; return the content of meta.json, and a summary.

    Args:
        folder: the output folder.
        parts: the splits, train first.
        alphabets: the provisional vocabulary of each side.
        findings: collects rows that are in two splits or have tokens that are not in train.
        repeat: repeat training rows according to their counts instead of weighting them.
    """
    sides = [Side.of(name, alphabet, parts[0]) for name, alphabet in alphabets.items()]
    splits: dict[str, Any] = {}
    summary = []
    for number, part in enumerate(parts):
        writer = _PartWriter(folder, part, findings)
        splits[part.split] = {f"unknown_{side.name}s": writer.side(side, repeat) for side in sides}
        splits[part.split]["weights"] = part.split == "train" and not repeat and writer.weights()
        summary.append(writer.summary(_shared(part, parts[:number], findings)))
    vocabulary = {side.name: list(side.tokens) for side in sides}
    return {"vocabulary": vocabulary, "splits": splits}, tuple(summary)


def _shared(part: Part, earlier: list[Part], findings: Findings) -> int:
    """Report the rows whose source is in an earlier split, and return their number."""
    own = part.encoded
    other_splits: dict[int, list[str]] = {}
    for other in earlier:
        for row in shared(other.encoded.inputs[other.rows], own.inputs[part.rows]).tolist():
            other_splits.setdefault(row, []).append(other.split)
    for row, splits in other_splits.items():
        line = int(own.lines[part.rows[row]])
        findings.add("shared", own.path, part.split, line, "in " + " and ".join(splits))
    return len(other_splits)


class _PartWriter:
    """Write the arrays of one split and count unknown tokens."""

    def __init__(self, folder: Path, part: Part, findings: Findings) -> None:
        self._folder, self._part, self._findings = folder, part, findings
        self._unknown: dict[int, list[str]] = {}  # row of the file -> tokens
        self._counted = bool((part.encoded.counts != 1).any())

    def side(self, side: Side, repeat: bool) -> list[str]:
        """Write the ids of one side; return the tokens without an id, in order."""
        part, buffer = self._part, self._part.buffer(side.name)
        unknown: list[str] = []
        assert buffer is not None
        rows = part.rows
        if repeat and part.split == "train":
            rows = rows.repeat(part.encoded.counts[rows].astype(np.int64))
        lengths = buffer.lengths[rows]
        offsets_of(lengths).tofile(self._path(side.name, "offsets"))
        with self._path(side.name, "tokens").open("wb") as file:
            first = 0
            for chunk in buffer.taken(rows):
                ids = side.table[chunk.tokens]
                file.write(ids.tobytes())
                unknown += self._unknown_tokens(side, chunk, ids, rows[first : first + len(chunk)])
                first += len(chunk)
        return unknown

    def _unknown_tokens(self, side: Side, chunk: Ragged, ids: Table, rows: Index) -> Iterator[str]:
        """Yield the tokens without an id and record their rows."""
        places = np.flatnonzero(ids == UNK)
        owners = rows[np.searchsorted(chunk.offsets, places, side="right") - 1]
        for place, row in zip(places.tolist(), owners.tolist(), strict=True):
            token = side.provisional[chunk.tokens[place]]
            self._unknown.setdefault(row, []).append(token)
            yield token

    def weights(self) -> bool:
        """Write the weight of each row, 1 on average; return whether any were written."""
        part = self._part
        counts = part.encoded.counts[part.rows]
        if self._counted:
            weights = counts / np.float32(counts.mean(dtype=np.float64))
            weights.tofile(self._path("row", "weights"))
        return self._counted

    def summary(self, also_elsewhere: int) -> SplitRead:
        """Report the rows with tokens that are not in train; return the summary of the split."""
        part, own = self._part, self._part.encoded
        for row, tokens in sorted(self._unknown.items()):
            text = " ".join(map(repr, dict.fromkeys(tokens)))
            self._findings.add("unknown", own.path, part.split, int(own.lines[row]), text)
        return SplitRead(
            part.split,
            len(part.rows),
            len(np.unique(own.inputs[part.rows])),
            self._lengths(own.sources),
            self._lengths(own.targets),
            also_elsewhere,
            len(self._unknown),
            sum(map(len, self._unknown.values())),
            float(own.counts[part.rows].sum(dtype=np.float64)) if self._counted else 0.0,
        )

    def _lengths(self, buffer: TokenBuffer | None) -> tuple[float, int]:
        if buffer is None:
            return 0.0, 0
        lengths = buffer.lengths[self._part.rows]
        return float(np.median(lengths)), int(lengths.max())

    def _path(self, side: str, what: str) -> Path:
        return array_path(self._folder, self._part.split, side, what)


def array_path(folder: Path, split: str, side: str, what: str) -> Path:
    """Return the file of an array, for example train.source.tokens."""
    return folder / f"{split}.{side}.{what}"


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write meta.json."""
    text = json.dumps(meta, default=asdict)
    (folder / META).write_text(text, encoding="ascii")
