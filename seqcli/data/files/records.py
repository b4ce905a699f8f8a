"""Rows as they are in a file, before anything is cut into tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
    """All rows of a file, to be read once, and where the parts of a pair are in them.

    ``hint`` says what to do where many rows have another shape; empty for the usual hint.
    """

    layout: Layout
    rows: Iterator[Record]
    hint: str = ""


class Asked(NamedTuple):
    """What the user said of a file: its columns, and what is between them ("" for the usual)."""

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
    """Return the problem of a line and its detail ("" where it has none), and its text."""
    if len(raw) > MOST_BYTES:
        return "long", f"longer than {MOST_BYTES:,} bytes", ""
    if b"\0" in raw:
        return "bytes", NUL, ""
    try:
        return "", "", raw.decode()
    except UnicodeDecodeError as error:
        detail = f"not valid UTF-8: byte {raw[error.start]:#04x} at {error.start + 1}"
        return "bytes", detail, ""
