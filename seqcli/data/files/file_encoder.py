"""Encode the rows of a file with provisional ids, in order of appearance.

Only a few numbers per row stay in memory; large numbers of ids are written to a file.
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
import weakref
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Codec
from seqcli.data.files.columns import parse_columns
from seqcli.data.files.formats import format_of, looks_like_header
from seqcli.data.files.opening import TextFile, text_files
from seqcli.data.files.rows import (
    KINDS,
    LEAST_COUNT,
    MOST_COUNT,
    Findings,
    Problem,
    Records,
    Row,
    RowReader,
    RowRemarks,
    TableOptions,
    hash_of,
)
from seqcli.errors import DataError
from seqcli.events import FileRead

Hashes = NDArray[np.uint64]
_IN_MEMORY = 1 << 24  # bytes of ids kept in memory before they are written to disk
_CHUNK = 1 << 15  # rows read back at a time


class IncrementalVocabulary(dict[str, int]):
    """A vocabulary that grows: a new token gets the next id."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number

    def ids(self, tokens: Sequence[str]) -> array[int]:
        """Return the ids of a row; new tokens get new ids."""
        return array("i", map(self.__getitem__, tokens))


class TokenBuffer:
    """Rows of ids on disk, appended one by one and read back in order."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._lengths, self._waiting = array("i"), array("i")

    def add(self, ids: array[int]) -> None:
        """Append a row."""
        self._waiting.extend(ids)
        self._lengths.append(len(ids))
        if len(self._waiting) > _CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._file.seek(0, os.SEEK_END)
        self._file.write(self._waiting.tobytes())
        self._waiting = array("i")

    @property
    def lengths(self) -> NDArray[np.int32]:
        """(N,)."""
        return np.frombuffer(self._lengths, np.int32)

    def chunks(self) -> Iterator[tuple[int, Ragged]]:
        """Yield chunks of rows, each with the number of its first row."""
        self._flush()
        self._file.seek(0)
        for first in range(0, len(self._lengths), _CHUNK):
            offsets = offsets_of(self.lengths[first : first + _CHUNK])
            tokens = np.frombuffer(self._file.read(4 * int(offsets[-1])), np.int32)
            yield first, Ragged(tokens, offsets)

    def taken(self, rows: Index) -> Iterator[Ragged]:
        """Yield the given rows chunk by chunk; they must be sorted and may be repeated."""
        for first, chunk in self.chunks():
            inside = np.searchsorted(rows, (first, first + len(chunk)))
            yield chunk.take(rows[inside[0] : inside[1]] - first)


class EncodedFile:
    """The usable rows of one file, as (N,) arrays and token buffers."""

    def __init__(self, path: Path, split: str, with_sources: bool) -> None:
        self.path, self.split = path, split
        self.sources = TokenBuffer() if with_sources else None
        self.targets = TokenBuffer()
        self._lines, self._counts = array("q"), array("f")
        self._groups, self._inputs, self._pairs = bytearray(), bytearray(), bytearray()
        self._not_nfc = array("q")  # rows whose group is not in NFC
        self._nfc_groups = bytearray()  # the hashes of their groups in NFC
        self.rows = 0  # in the file, including skipped ones
        self.format = ""
        self.digests: dict[str, str] = {}  # path -> SHA-256 of the bytes read

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, row: Row, source: array[int] | None, target: array[int], seed: int) -> None:
        """Add a row with the ids of both sides."""
        group = hash_of(row.group, seed)
        self._groups += group
        if not row.group.isascii() and not unicodedata.is_normalized("NFC", row.group):
            self._not_nfc.append(len(self))
            self._nfc_groups += hash_of(unicodedata.normalize("NFC", row.group), seed)
        if self.sources is not None and source is not None:
            self.sources.add(source)
            text = "\0".join(row.source)
            self._inputs += hash_of(text)
            self._pairs += hash_of("\0\0".join((text, "\0".join(row.target))))
        else:
            self._inputs += group
            self._pairs += group
        self.targets.add(target)
        self._lines.append(row.line)
        self._counts.append(row.times)

    @property
    def lines(self) -> Index:
        """(N,), line numbers of the rows in the file."""
        return np.frombuffer(self._lines, np.int64)

    @property
    def counts(self) -> NDArray[np.float32]:
        """(N,), counts of the rows."""
        return np.frombuffer(self._counts, np.float32)

    @property
    def groups(self) -> Hashes:
        """(N,), hashes that decide the split of a row."""
        return np.frombuffer(self._groups, np.uint64)

    def twins(self) -> Index:
        """Find the rows that equal another row after NFC normalization."""
        composed = np.frombuffer(self._nfc_groups, np.uint64)
        return np.frombuffer(self._not_nfc, np.int64)[np.isin(composed, self.groups)]

    @property
    def inputs(self) -> Hashes:
        """(N,), hashes of sources with their features (of texts, for a language model)."""
        return np.frombuffer(self._inputs, np.uint64)

    @property
    def pairs(self) -> Hashes:
        """(N,), hashes of whole rows."""
        return np.frombuffer(self._pairs, np.uint64)

    def summary(self) -> FileRead:
        """Return the summary of the file."""
        return FileRead(str(self.path), self.split, self.format, self.rows, len(self))


class FileEncoder:
    """Read and encode the files of one data set.

    Args:
        data: the format of the files, and the options for reading them.
        codec: the tokenizers and the normalizer; its vocabularies are not used.
        findings: collects the skipped rows and the remarks.
    """

    def __init__(self, data: DataConfig, codec: Codec, findings: Findings) -> None:
        self._data, self._codec, self._findings = data, codec, findings
        self.sources, self.targets = IncrementalVocabulary(), IncrementalVocabulary()

    def encode(self, paths: Sequence[Path], split: str) -> EncodedFile:
        """Read and encode a file, or two parallel files.

        Raises:
            DataError: the file is not text, has no rows, or has too many unusable rows.
        """
        with text_files(paths) as files:
            return self._encode(files, split)

    def _encode(self, files: Sequence[TextFile], split: str) -> EncodedFile:
        path = files[0].path
        records, used_format = records_of(files, self._data)
        encoded = EncodedFile(path, split, records.layout.source is not None)
        encoded.format = used_format
        reader, bad = RowReader(self._codec, self._data, records.layout), _BadRows(self._data)
        remarks = RowRemarks(self._codec, records.layout)
        for record in records.rows:
            if not encoded.rows and looks_like_header(record):
                self._findings.add("header", path, split, record.line, ", ".join(record.cells))
            row = reader.read(record)
            encoded.rows += 1
            if isinstance(row, Problem):
                self._findings.add(row.kind, path, split, row.line, row.detail)
                bad.add(row, path)
                continue
            self._keep(row, encoded)
            for kind, detail in remarks.of(record):
                self._findings.add(kind, path, split, row.line, detail)
        bad.check(path, encoded, records.hint)
        encoded.digests = {str(file.path): file.sha256 for file in files}
        return encoded

    def _keep(self, row: Row, encoded: EncodedFile) -> None:
        source = None if encoded.sources is None else self.sources.ids(row.source)
        encoded.add(row, source, self.targets.ids(row.target), self._data.seed)


def records_of(files: Sequence[TextFile], data: DataConfig) -> tuple[Records, str]:
    """Open the records of a file; return them and the name of the format."""
    options = TableOptions(parse_columns(data.columns), data.separator)
    name = format_of(files, data.format, options)
    records: Records = registry.resolve("format", name, registry.FORMATS)(files, options)
    return records, name


class _BadRows:
    """Count unusable rows and refuse a file with too many of them."""

    def __init__(self, data: DataConfig) -> None:
        self._data, self._count, self._first = data, 0, Problem(0, "", "")

    def add(self, row: Problem, path: Path) -> None:
        """Count a skipped row; with ``strict``, raise an error at once."""
        if self._data.strict:
            raise DataError(_message(row, path), "correct it, or omit --strict")
        if row.kind == "blank":
            return
        self._first = self._first if self._count else row
        self._count += 1

    def check(self, path: Path, encoded: EncodedFile, shape_hint: str) -> None:
        """Refuse a file with too many unusable rows, or with no usable rows."""
        if self._count > self._data.max_bad_fraction * (encoded.rows or 1):
            more = self._count - 1
            also = f" (and {more:,} more of {encoded.rows:,} rows cannot be used)" if more else ""
            hint = _hint(self._first, encoded.format, shape_hint)
            raise DataError(
                _message(self._first, path) + also, hint + _LEAVE_OUT * bool(len(encoded))
            )
        if not len(encoded):
            raise DataError(f"{path} is empty", "write one row per line")


def _message(row: Problem, path: Path) -> str:
    return f"{path}, line {row.line}: {row.detail or KINDS[row.kind][1]}"


def _hint(row: Problem, used_format: str, shape_hint: str) -> str:
    hints = {
        "shape": shape_hint or _SHAPES.get(used_format, ""),
        "bytes": "save the file as UTF-8 text, for example with iconv -f WINDOWS-1252 -t UTF-8",
        "long": "write one row per line, or raise --set data.max_length",
        "count": f"counts must be between {LEAST_COUNT:g} and {MOST_COUNT:,.0f}; select another "
        "column with --columns, or --set data.counts=ignore",
    }
    return hints.get(row.kind) or "correct it"


_LEAVE_OUT = "; or skip such rows with --set data.max_bad_fraction=1"


_SHAPES = {
    "tsv": "write source, tab, target on each line; or give --columns, such as target=1,source=2,-",
    "csv": "write source, target in each row; or give --columns, such as target=1,source=2,-",
    "jsonl": "write source and target on each line; or give --columns source=KEY,target=KEY",
    "json": "write source and target in each object; or give --columns source=KEY,target=KEY",
    "names": "write one text per line without tabs; or give --format tsv",
}
