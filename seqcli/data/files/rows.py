"""Represent the rows of a file, and collect findings about rows that need a remark."""

from __future__ import annotations

import re
import tempfile
import unicodedata
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Codec
from seqcli.data.files.columns import Columns, Layout
from seqcli.data.files.opening import MOST_BYTES, TextFile
from seqcli.data.vocabulary import code_point_name, invisible_characters

if TYPE_CHECKING:
    from seqcli.events import DataRead, Finding

NUL = "a NUL character"


class Record(NamedTuple):
    """One row of a file.

    ``problem`` is "" or the reason why the row cannot be used: "blank", "bytes", "shape", "long" or
    "cells"; ``detail`` describes it.
    """

    line: int
    cells: Sequence[str]
    problem: str = ""
    detail: str = ""


class Records(NamedTuple):
    """The rows of a file, which can be read once, and their column layout.

    ``hint`` is shown if many rows have another shape; if empty, the default hint is shown.
    """

    layout: Layout
    rows: Iterator[Record]
    hint: str = ""


class TableOptions(NamedTuple):
    """The columns and the separator that the user requested ("" for the default)."""

    columns: Columns | None = None
    separator: str = ""


def text_records(file: TextFile) -> Iterator[Record]:
    """Yield every line as one cell."""
    for number, raw in enumerate(file.lines(), 1):
        problem, detail, text = decoded_line(raw)
        if not problem and not text.strip():
            problem = "" if "\t" in text else "blank"
        yield Record(number, [text], problem, detail)


def decoded_line(raw: bytes) -> tuple[str, str, str]:
    """Decode a line; return its problem, the detail (both "" if valid), and the text."""
    if len(raw) > MOST_BYTES:
        return "long", f"longer than {MOST_BYTES:,} bytes", ""
    if b"\0" in raw:
        return "bytes", NUL, ""
    try:
        return "", "", raw.decode()
    except UnicodeDecodeError as error:
        detail = f"not valid UTF-8: byte {raw[error.start]:#04x} at {error.start + 1}"
        return "bytes", detail, ""


_SHARE = 0.8  # minimum fraction of the cells of a column
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_TAGS = re.compile(r"[A-Z0-9][\w.,/{}()+*=-]*([;|][\w.,/{}()+*=-]+)+")
_NOTHING = ("", "_", "-")


def columns_hint(rows: Sequence[Sequence[str]], width: int) -> str:
    """Suggest columns, as in ``give --columns source,target,features``; return "" if unclear.

    Args:
        rows: the cells of some rows.
        width: the expected number of columns.
    """
    widths = Counter(map(len, rows))
    if not widths:
        return ""
    common, agreeing = widths.most_common(1)[0]
    if common <= 2 or common == width or agreeing < _SHARE * len(rows):
        return ""
    table = [row for row in rows if len(row) == common]
    kinds = [_kind([row[at].strip() for row in table]) for at in range(common)]
    return f"each row has {common} columns: give --columns {','.join(_roles(kinds))}"


def _kind(cells: Sequence[str]) -> str:
    """Classify a column as "number", "tags", "nothing" or "text"."""
    checks = (
        ("nothing", lambda cell: cell in _NOTHING),
        ("number", lambda cell: bool(_NUMBER.fullmatch(cell))),
        ("tags", lambda cell: bool(_TAGS.fullmatch(cell))),
    )
    for kind, fits in checks:
        if sum(map(fits, cells)) >= _SHARE * len(cells):
            return kind
    return "text"


def _roles(kinds: Sequence[str]) -> list[str]:
    """Assign a role to each column: the first two text columns are source and target."""
    roles, texts = [], ["source", "target"]
    for at, kind in enumerate(kinds):
        if kind == "text" and texts:
            roles.append(texts.pop(0))
        elif kind == "tags" and "features" not in roles:
            roles.append("features")
        elif kind == "number" and at == len(kinds) - 1 and not texts:
            roles.append("count")
        else:
            roles.append("-")
    if "target" not in roles:
        return ["source", "target", *["-"] * (len(kinds) - 2)]
    return roles


LEAST_COUNT, MOST_COUNT = 1e-6, 1e9  # outside, a weight would vanish or dominate all others


class Row(NamedTuple):
    """A tokenized pair.

    Args:
        line: line number in the file.
        source: source tokens, features last; empty for a language model.
        target: target tokens.
        group: the text that determines the split: the source without features (the target, for a
            language model).
        times: the count of the row.
    """

    line: int
    source: Sequence[str]
    target: Sequence[str]
    group: str
    times: float


class Problem(NamedTuple):
    """The reason why a record is skipped: a kind of `seqcli.data.files.rows.KINDS`."""

    line: int
    kind: str
    detail: str


class RowReader:
    """Tokenize the records of one file.

    Args:
        codec: the tokenizers and the normalizer (its vocabularies are not used).
        data: the maximum length, and the meaning of counts.
        layout: the columns of a record.
    """

    def __init__(self, codec: Codec, data: DataConfig, layout: Layout) -> None:
        self._codec, self._layout = codec, layout
        self._longest = data.max_length
        self._whole_counts = data.counts == "repeats"
        self._count = None if data.counts == "ignore" else layout.count

    def read(self, record: Record) -> Row | Problem:
        """Tokenize the pair in a record; return the reason if it cannot be used."""
        if record.problem:
            return Problem(record.line, record.problem, record.detail)
        cells, codec, at = record.cells, self._codec, self._layout
        target = codec.tokenize_target(cells[at.target])
        if not target or cells[at.target].isspace():
            return Problem(record.line, "target", "the target is empty")
        source: Sequence[str] = ()
        group = codec.target_tokenizer.join(target)
        if at.source is not None:
            text = cells[at.source]
            source = codec.source_tokenizer.split(codec.normalizer.source(text))
            if not source or text.isspace():
                return Problem(record.line, "source", "the source is empty")
            group = codec.source_tokenizer.join(source)
            source = codec.with_features(source, ";".join([cells[i] for i in at.features]))
        if sum(map(len, cells)) > self._longest or len(source) + len(target) > self._longest:
            too_long = length_problem(source, "source", self._longest)
            too_long = too_long or length_problem(target, "target", self._longest)
            if too_long:
                return Problem(record.line, "long", too_long)
        count = 1.0 if self._count is None else self._number(cells[self._count])
        if not count:
            return Problem(record.line, "count", f"the count is {cells[self._count or 0][:40]!r}")
        return Row(record.line, source, target, group, count)

    def _number(self, text: str) -> float:
        """Parse a count; return 0 if it is unusable."""
        try:
            count = float(text)
        except ValueError:
            return 0.0
        if "_" in text or not LEAST_COUNT <= count <= MOST_COUNT:  # this also rejects NaN
            return 0.0
        return 0.0 if self._whole_counts and count != int(count) else count


def length_problem(tokens: Sequence[str], side: str, longest: int) -> str:
    """Describe a side that is too long or has a token that is too long; return "" if neither.

    Args:
        tokens: the tokens of the side.
        side: the name of the side, for the message.
        longest: ``data.max_length``, the limit on tokens and on the characters of each token.
    """
    if len(tokens) > longest:
        return f"the {side} has {len(tokens):,} tokens, more than {longest:,}"
    most = max(map(len, tokens), default=0)
    return f"a token of the {side} has {most:,} characters, more than {longest:,}" * (
        most > longest
    )


def hash_of(text: str, seed: int = 0) -> bytes:
    """Return an 8-byte hash of a text; a million texts collide with probability 3e-8."""
    return blake2b(f"{seed}\n{text}".encode(), digest_size=8).digest()


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
        from seqcli.events import Finding

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
