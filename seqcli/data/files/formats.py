"""Detect the format of a file, and read each format as records with cells or a problem.

The format is detected from the name and the first lines of a file. Ambiguous files are refused with
an error that names the option to set.
"""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path

from seqcli.data.files import columns
from seqcli.data.files.columns import (
    PAIR,
    SPACE,
    SPACES,
    Columns,
    Layout,
    layout,
    separator_of,
    splitter,
)
from seqcli.data.files.json_rows import begins_array, is_object, is_row
from seqcli.data.files.kinds import check_prose
from seqcli.data.files.opening import MOST_BYTES, TextFile
from seqcli.data.files.rows import NUL, Record, Records, TableOptions, columns_hint, text_records
from seqcli.errors import DataError, UsageError

PACKED = ".gz"
NAMES = "--format names if each line is one text"
_JSON = (".json", ".jsonl", ".ndjson")
_JSON_HINT = f"write one object per line, with keys source and target; or {NAMES}"


def suffix_of(path: Path) -> str:
    """Return the suffix of a file's name in lower case, without .gz."""
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix == PACKED else suffix


def format_of(files: Sequence[TextFile], requested: str, options: TableOptions) -> str:
    """Return the format of a file, or of two parallel files.

    Args:
        files: one or two files.
        requested: the requested format, or "auto".
        options: the columns and the separator, if the user gave any.

    Raises:
        DataError: the file is missing, is not text, or looks like a table with another separator.
    """
    if len(files) == 2:
        return "parallel"
    file, suffix = files[0], suffix_of(files[0].path)
    if requested not in ("auto", "csv"):
        return requested
    block = file.first_block()
    if requested == "auto" and not options.separator:
        check_prose(block, str(file.path), suffix)
    if requested == "csv" or suffix == ".csv":
        _check_csv(file, block, options)
        return "csv"
    lines = _whole_lines(block)
    return "tsv" if options.separator else _by_content(file, suffix, lines, block, options)


def sep_line(line: str) -> str:
    """Return the separator that a CSV file declares in a first line such as ``sep=;``; else ""."""
    line = line.strip().strip('"')
    return line[4:] if line[:4].lower() == "sep=" and len(line) == 5 else ""


def _whole_lines(block: bytes) -> list[str]:
    """Return the nonblank lines of a first block, without the last, which may be incomplete."""
    lines = block.decode(errors="replace").split("\n")
    kept = lines[:-1] if len(lines) > 2 else lines
    return [line.rstrip("\r") for line in kept if line.strip()]


def _by_content(
    file: TextFile, suffix: str, lines: Sequence[str], block: bytes, options: TableOptions
) -> str:
    json_format = _json_format(file, suffix, block, lines)
    if json_format:
        return json_format
    if len(lines) >= columns.FEWEST and all(map(_is_quoted, lines)):
        hint = "--separator tab" if b"\t" in block else "--columns target=1"
        message = f"{file.path}, line 1: every line is in quotes"
        raise DataError(
            message, f"give --format csv {hint}, or --format {_plain(block)} for quotes"
        )
    if options.columns is not None or b"\t" in block:
        return "tsv"
    _check_names(file, suffix, lines)
    return "names"


def _plain(block: bytes) -> str:
    return "tsv" if b"\t" in block else "names"


def _is_quoted(line: str) -> bool:
    line = line.strip()
    return len(line) > 1 and line[0] == line[-1] == '"'


def _json_format(file: TextFile, suffix: str, block: bytes, lines: Sequence[str]) -> str:
    """Detect the JSON format of a file from its beginning; return "" if it is not JSON."""
    begin = block.lstrip()[:1]
    if begin == b"[" and begins_array(block.decode(errors="replace")):
        return "json"
    if lines and begin == b"{" and is_row(lines[0]):
        return "jsonl"
    if suffix == ".json" or (begin == b"{" and suffix not in _JSON and is_object("\n".join(lines))):
        message = f"{file.path} looks like JSON, but not like rows: an array of objects, or one"
        raise DataError(f"{message} object per line", _JSON_HINT)
    if begin == b"[" and lines and all(map(_is_array, lines)):
        message = f"{file.path}, line 1: looks like a JSON array, not an object with keys"
        raise DataError(message, _JSON_HINT)
    return "jsonl" if suffix in _JSON else ""


def _is_array(line: str) -> bool:
    try:
        return isinstance(json.loads(line), list)
    except (ValueError, RecursionError):
        return False


def _check_names(file: TextFile, suffix: str, lines: Sequence[str]) -> None:
    """Refuse lines without tabs that look like table rows."""
    separator = columns.guess_separator(lines, suffix)
    if separator is None:
        return
    if separator.option == ",":
        hint = f"give --format csv, or {NAMES}"
    else:
        hint = f"give --separator {shlex.quote(separator.option)}, or {NAMES}"
    raise DataError(f"{file.path}, line 1: no tab, but {separator.what} in every line", hint)


def _check_csv(file: TextFile, block: bytes, options: TableOptions) -> None:
    """Refuse a CSV file whose cells seem to be separated by something other than commas."""
    lines = _whole_lines(block)
    if options.separator or len(lines) < columns.FEWEST or sep_line(lines[0]):
        return
    commas = columns.same_count(lines, ",")
    if commas and options.columns is not None:
        return
    for mark, what in ((";", "';'"), ("\t", "tabs"), ("|", "'|'")):
        if not columns.same_count(lines, mark):
            continue
        option = columns.TAB if mark == "\t" else shlex.quote(mark)
        where = f"{file.path}, line 1: cells seem separated by {what}"
        if commas:
            raise DataError(f"{where} or by commas", f"give --separator {option} or --separator ,")
        raise DataError(f"{where}, not by commas", f"give --separator {option}")


_SAMPLE = 1000  # records from which the number of columns is inferred
_NUL = "\udc00"  # replaces NUL for the csv module; no decoded byte becomes this
_WORDS = {"\t": "tab", ",": "comma", SPACE: "space", SPACES: "space"}
# common column names
_TITLES = frozenset(
    """source target src tgt word words pron pronunciation phonemes phones ipa graphemes input
    output text label class category lemma form features tags count counts frequency freq name
    names id translation transcription transliteration spelling english french german spanish
    latin native orthography inflection pos tag language lang gender hypothesis prediction
    expected question answer sentence""".split()  # noqa: SIM905 - a list would be as long as the file
)
# common names of a single column
_ALONE = ("name", "names", "word", "words", "text", "source", "target")


def tsv(files: Sequence[TextFile], options: TableOptions) -> Records:
    """Read cells separated by tabs or ``--separator``, without quoting."""
    separator = separator_of(options.separator) if options.separator else "\t"
    columns = options.columns or PAIR
    places = [where for _, where in columns.selected if isinstance(where, int)]
    split = splitter(separator, columns.width or max(places, default=len(columns.selected)))

    def cells(record: Record) -> Record:
        return record if record.problem else record._replace(cells=split(record.cells[0]))

    return _table(map(cells, text_records(files[0])), options, files[0], separator)


def comma_separated(files: Sequence[TextFile], options: TableOptions) -> Records:
    """Read CSV as in RFC 4180: cells may be quoted, a quote inside a cell is doubled.

    A first line such as ``sep=;`` is a directive, not a row.
    """
    separator = separator_of(options.separator) if options.separator else ""
    if len(separator) > 1:
        hint = "add --format tsv"
        raise UsageError(
            f"--separator {options.separator} cannot be used with CSV: it must be one character",
            hint,
        )
    declared, lines = _declared(_csv_lines(files[0]))
    used = separator or declared or ","
    records = _csv_records(files[0], lines, used, 1 if declared else 0)
    return _table(records, options, files[0], used)


def names(files: Sequence[TextFile], options: TableOptions) -> Records:
    """Read one text per line, without sources; surrounding white space is stripped."""
    if options.columns is not None or options.separator:
        option = "--separator" if options.columns is None else "--columns"
        raise UsageError("a file of names has no columns", f"omit {option} or --format")
    records = (r._replace(cells=[r.cells[0].strip()]) for r in text_records(files[0]))
    return Records(Layout(0, width=1), (_without_tab(record) for record in records))


def parallel(files: Sequence[TextFile], options: TableOptions) -> Records:
    """Read the sources from one file and the targets, line by line, from another."""
    if options.columns is not None or options.separator:
        option = "--separator" if options.columns is None else "--columns"
        raise UsageError("two parallel files have no columns", f"omit {option}")
    return Records(Layout(1, 0, width=2), _parallel_records(files[0], files[1]))


def looks_like_header(record: Record) -> bool:
    """Return whether all cells of a record are common column names."""
    cells = [cell.strip().lstrip("#").strip().lower() for cell in record.cells]
    if record.problem or not cells:
        return False
    return all(cell in _TITLES for cell in cells) and (len(cells) > 1 or cells[0] in _ALONE)


def _without_tab(record: Record) -> Record:
    if record.problem or "\t" not in record.cells[0]:
        return record
    return record._replace(problem="shape", detail="has a tab, but a file of names has one column")


def _declared(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """Return the separator declared by a first line ``sep=;``, and the remaining lines."""
    first = next(lines, None)
    if first is None:
        return "", lines
    separator = sep_line(first.rstrip("\n"))
    return separator, lines if separator else chain([first], lines)


def _csv_records(
    file: TextFile, lines: Iterator[str], separator: str, before: int
) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1 + before
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = 'a quote inside a quoted cell is doubled (""); or give --format tsv'
            raise DataError(f"{file.path}, line {line}: {error}", hint) from None
        yield _csv_record(line, reader.line_num + before, cells)


def _csv_lines(file: TextFile) -> Iterator[str]:
    for raw in file.lines():
        yield raw.decode(errors="surrogateescape").replace("\0", _NUL) + "\n"


def _csv_record(line: int, last: int, cells: list[str]) -> Record:
    if not cells or (len(cells) == 1 and not cells[0].strip()):
        return Record(line, [], "blank")
    text = "".join(cells)
    if _NUL in text:
        return Record(line, [], "bytes", NUL)
    if last > line or len(text) > MOST_BYTES:
        return Record(line, [], "cells", f"a quoted cell continues on line {last}")
    if not text.isascii() and any("\udc80" <= one <= "\udcff" for one in text):
        return Record(line, [], "bytes", "not valid UTF-8")
    return Record(line, cells)


def _parallel_records(one: TextFile, other: TextFile) -> Iterator[Record]:
    for source, target in zip_longest(text_records(one), text_records(other)):
        if source is None or target is None:
            short, line = (one, target.line) if source is None else (other, source.line)
            hint = "two parallel files must have the same number of lines"
            raise DataError(f"{short.path} ends before line {line} of the other file", hint)
        cells = [source.cells[0], target.cells[0]]
        bad = next((r for r in (source, target) if r.problem not in ("", "blank")), None)
        if bad is not None:
            yield bad
        elif source.problem and target.problem:
            yield source
        else:
            yield Record(source.line, cells)


def _table(
    records: Iterator[Record], options: TableOptions, file: TextFile, separator: str
) -> Records:
    """Determine the columns from the header or the first rows, and mark rows that differ."""
    columns, path = options.columns or PAIR, file.path
    if columns.named:
        positions, hint = _named_layout(records, columns, file), ""
    else:
        first = list(islice(records, _SAMPLE))
        records = chain(first, records)
        positions = layout(columns, (), str(path))
        if not positions.width:
            positions = layout(
                Columns(columns.selected, _commonest_width(first, columns)), (), str(path)
            )
        hint = columns_hint([one.cells for one in first if not one.problem], positions.width)
    between = _WORDS.get(separator, repr(separator))
    return Records(
        positions, (_shaped(record, positions.width, between) for record in records), hint
    )


def _named_layout(records: Iterator[Record], columns: Columns, file: TextFile) -> Layout:
    header = next((r for r in records if r.problem != "blank"), None)
    if header is None:
        raise DataError(f"{file.path} is empty", "expected a header and rows")
    where = f"{file.path}, line {header.line}"
    if header.problem:
        raise DataError(f"{where}: {header.detail}", "the header must be UTF-8 text")
    titles = [header.cells[0].lstrip("#"), *header.cells[1:]]
    return layout(columns, titles, where)


def _commonest_width(records: Sequence[Record], columns: Columns) -> int:
    """Return the most common number of columns, at least as many as are selected."""
    least = max(where for _, where in columns.selected if isinstance(where, int))
    widths = Counter(len(record.cells) for record in records if not record.problem)
    return max(max(widths, key=lambda width: widths[width], default=least), least)


def _shaped(record: Record, width: int, between: str) -> Record:
    if record.problem or len(record.cells) == width:
        return record
    detail = f"expected {width} {between}-separated columns, found {len(record.cells)}"
    return record._replace(problem="shape", detail=detail)
