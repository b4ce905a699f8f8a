"""Collect findings about rows that are skipped or need a remark."""

from __future__ import annotations

import tempfile
import unicodedata
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from seqcli.data.corpus import Codec
from seqcli.data.files.columns import Layout
from seqcli.data.files.rows import Record
from seqcli.data.vocabulary import code_point_name, invisible_characters
from seqcli.events import DataRead, Finding

# kind -> (whether rows of that kind are skipped, description)
KINDS = {
    "blank": (True, "blank"),
    "shape": (True, "not of the expected shape"),
    "bytes": (True, "not text"),
    "cells": (True, "line break inside a cell"),
    "source": (True, "empty source"),
    "target": (True, "empty target"),
    "long": (True, "too long"),
    "count": (True, "no usable count"),
    "duplicate": (False, "same as an earlier row"),
    "contradictory": (False, "same source as an earlier row but a different target"),
    "shared": (False, "source also in another split"),
    "twin": (False, "equal to another row after Unicode normalization (--normalize nfc)"),
    "header": (False, "looks like a header (name its columns with --columns)"),
    "comment": (False, "starts with # like a comment"),
    "edges": (False, "leading or trailing white space, which becomes a token"),
    "unseen": (False, "invisible characters"),
    "form": (False, "not in composed Unicode form (--normalize nfc)"),
    "unknown": (False, "tokens that are not in the training data"),
}
HEADER = "path\tline\tsplit\twhat\twhy\tdetail\n"
_LISTED = 10  # line numbers that a finding lists
_IN_MEMORY = 1 << 20  # bytes of flagged rows kept in memory before they are written to disk


class Findings:
    """Collect the count and the first line numbers of each kind, and list all rows in a file."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str, str], Finding] = {}
        self._rows: IO[str] = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            _IN_MEMORY, "w+", encoding="utf-8"
        )
        weakref.finalize(self, self._rows.close)

    def add(self, kind: str, path: Path, split: str, line: int, detail: str = "") -> None:
        """Add a finding about a row."""
        left_out, what = KINDS[kind]
        done = "left out" if left_out else "kept"
        cells = (str(path), str(line), split, done, what, detail)
        self._rows.write("\t".join(map(one_cell, cells)) + "\n")
        key = kind, str(path), split
        finding = self._findings.get(key) or Finding(str(path), split, kind, what, left_out, detail)
        lines = (*finding.lines, line) if len(finding.lines) < _LISTED else finding.lines
        self._findings[key] = replace(finding, count=finding.count + 1, lines=lines)

    def collect(self) -> tuple[Finding, ...]:
        """Return one finding per kind and file, skipped rows first."""
        return tuple(sorted(self._findings.values(), key=lambda one: not one.left_out))

    def count(self, path: Path, split: str, kinds: Iterable[str]) -> int:
        """Return the number of rows of a file with findings of some kinds."""
        findings = (self._findings.get((kind, str(path), split)) for kind in kinds)
        return sum(one.count for one in findings if one)

    def write(self, path: Path) -> None:
        """Write every flagged row, in the order of the findings."""
        self._rows.seek(0)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(HEADER)
            for line in self._rows:
                file.write(line)


def one_cell(text: str) -> str:
    """Escape a text so that it fits one cell of a table."""
    safe = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return safe.encode("utf-8", "backslashreplace").decode()


def remarks(read: DataRead | None) -> tuple[str, ...]:
    """Return each finding as a sentence; empty for a task."""
    return () if read is None else tuple(map(str, read.findings))


_LETTERS = ("chars", "graphemes")  # styles in which leading or trailing white space is a token


class RowRemarks:
    """Find remarks about usable rows.

    Args:
        codec: the tokenizer of each side, and the normalizer.
        layout: the columns of the sides in a record.
    """

    def __init__(self, codec: Codec, layout: Layout) -> None:
        sides = [("source", layout.source, codec.source_tokenizer.style)]
        sides.append(("target", layout.target, codec.target_tokenizer.style))
        self._sides = [(name, at, style in _LETTERS) for name, at, style in sides if at is not None]
        self._as_it_is = codec.normalizer.normalize == "none"

    def of(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the kind of each remark (see `findings.KINDS`), and its detail."""
        if record.cells[0].startswith(("# ", "#\t")):
            yield "comment", ""
        details: dict[str, str] = {}
        for side, at, letters in self._sides:
            text = record.cells[at]
            if letters and text != text.strip():
                details.setdefault("edges", f"in the {side}")
            if not (text.isascii() and text.isprintable()):
                self._check_characters(text, side, details)
        yield from details.items()

    def _check_characters(self, text: str, side: str, details: dict[str, str]) -> None:
        first = next(invisible_characters(text), None)
        if first is not None:
            details.setdefault("unseen", f"{code_point_name(first[1])} in the {side}")
        if self._as_it_is and not unicodedata.is_normalized("NFC", text):
            details.setdefault("form", f"in the {side}")
