"""Rows of a file: raw records, the tokens of a pair, and the columns they probably have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Codec
from seqcli.data.files.columns import Columns, Layout
from seqcli.data.files.opening import MOST_BYTES, TextFile

NUL = "a NUL character"


class Record(NamedTuple):
    """One row of a file.

    ``problem`` is "" or why the row cannot be used: "blank", "bytes", "shape", "long" or "cells",
    and ``detail`` says more.
    """

    line: int
    cells: Sequence[str]
    problem: str = ""
    detail: str = ""


class Records(NamedTuple):
    """The rows of a file, to be read once, and the positions of a pair's parts in them.

    ``hint`` says what to do where many rows have another shape; empty for the usual hint.
    """

    layout: Layout
    rows: Iterator[Record]
    hint: str = ""


class Asked(NamedTuple):
    """The columns and the separator that the user asked for ("" for the default)."""

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
    """Return the problem of a line, its detail (both "" if there is none), and its text."""
    if len(raw) > MOST_BYTES:
        return "long", f"longer than {MOST_BYTES:,} bytes", ""
    if b"\0" in raw:
        return "bytes", NUL, ""
    try:
        return "", "", raw.decode()
    except UnicodeDecodeError as error:
        detail = f"not valid UTF-8: byte {raw[error.start]:#04x} at {error.start + 1}"
        return "bytes", detail, ""


_SHARE = 0.8  # of the cells of a column
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_TAGS = re.compile(r"[A-Z0-9][\w.,/{}()+*=-]*([;|][\w.,/{}()+*=-]+)+")
_NOTHING = ("", "_", "-")


def columns_hint(rows: Sequence[Sequence[str]], width: int) -> str:
    """Return a hint such as ``give --columns source,target,features``; "" if unclear.

    Args:
        rows: the cells of some rows.
        width: how many columns were expected.
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
    """Return "number", "tags", "nothing" or "text" for a column."""
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
    """Return a role for each column: the first two texts are source and target."""
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


LEAST_COUNT, MOST_COUNT = 1e-6, 1e9  # beyond, a weight would vanish or drown all others


class Row(NamedTuple):
    """A tokenized pair.

    Args:
        line: where it stands in its file.
        source: its tokens, features last; empty for a language model.
        target: its tokens.
        group: what says into which split it goes: the text of the source without features (of
            the target, for a language model).
        times: how often it counts.
    """

    line: int
    source: Sequence[str]
    target: Sequence[str]
    group: str
    times: float


class Problem(NamedTuple):
    """The reason why a record is left out: a kind of `seqcli.data.files.findings.KINDS`."""

    line: int
    kind: str
    detail: str


class RowReader:
    """Tokenize the records of one file.

    Args:
        codec: says how (its vocabularies are not looked at).
        data: says what is too long, and what counts mean.
        layout: where in a record the parts stand.
    """

    def __init__(self, codec: Codec, data: DataConfig, layout: Layout) -> None:
        self._codec, self._layout = codec, layout
        self._longest = data.max_length
        self._whole_counts = data.counts == "repeats"
        self._count = None if data.counts == "ignore" else layout.count

    def read(self, record: Record) -> Row | Problem:
        """Return the pair in a record, or what is wrong with it."""
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
        """Return a count, or 0 if it is unusable."""
        try:
            count = float(text)
        except ValueError:
            return 0.0
        if "_" in text or not LEAST_COUNT <= count <= MOST_COUNT:  # NaN is not between them
            return 0.0
        return 0.0 if self._whole_counts and count != int(count) else count


def length_problem(tokens: Sequence[str], side: str, longest: int) -> str:
    """Return the error of a side that is too long, or has too long a token; else "".

    Args:
        tokens: of the side.
        side: what to call it.
        longest: ``data.max_length``: the most tokens, and the most characters of one.
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
