"""Detect the format of a file from its name and its first lines.

Ambiguous files are refused with an error that names the option to set.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from seqcli.data.files import columns
from seqcli.data.files.json_rows import begins_array, is_object, is_row
from seqcli.data.files.kinds import check_prose
from seqcli.data.files.opening import TextFile
from seqcli.data.files.rows import TableOptions
from seqcli.errors import DataError

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
