"""Read rows in JSON: one object per line, or one array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from seqcli.data.files.columns import KEYS, Columns, layout
from seqcli.data.files.opening import TextFile
from seqcli.data.files.rows import Record, Records, TableOptions, text_records
from seqcli.errors import DataError, UsageError

_SHOWN = 8  # keys that a message lists
_SAMPLE = 100  # records whose keys are examined for a hint
_SPACE = " \t\r\n"
_BROKEN = "correct it, or write one object per line (JSON lines)"


class _Object(dict[str, Any]):
    """A JSON object that records repeated keys."""

    twice: tuple[str, ...] = ()


def json_lines(files: Sequence[TextFile], options: TableOptions) -> Records:
    """Read one JSON object per line; columns are its keys."""
    return _records(files[0], options, _lines(files[0]))


def json_array(files: Sequence[TextFile], options: TableOptions) -> Records:
    """Read one JSON array of objects; columns are their keys."""
    return _records(files[0], options, _elements(files[0]))


def begins_array(text: str) -> bool:
    """Return whether a text begins like an array of JSON objects, not like one array per line."""
    text = text.lstrip(_SPACE)
    if not text.startswith("["):
        return False
    rest = text[1:].lstrip(_SPACE)
    if not rest.startswith("{"):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(rest)
    except (ValueError, RecursionError):
        return False
    return rest[end:].lstrip(_SPACE)[:1] in (",", "]")


def is_row(text: str) -> bool:
    """Return whether a text is a complete JSON object with at least one text or number."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and any(isinstance(v, str | int | float) for v in value.values())


def is_object(text: str) -> bool:
    """Return whether a text is a complete JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _records(file: TextFile, options: TableOptions, records: Iterator[Record]) -> Records:
    """Extract the selected keys from records with one object each."""
    if options.separator:
        raise UsageError("JSON rows have keys, not separators", "omit --separator")
    columns = options.columns or KEYS
    keys = [where for _, where in columns.selected if isinstance(where, str)]
    if len(keys) < len(columns.selected):
        raise UsageError(
            "JSON rows have keys, not numbered columns", "give --columns source=KEY,..."
        )
    lists = [role == "features" for role, _ in columns.selected]
    first = list(islice(records, _SAMPLE))
    rows = (_keyed(record, keys, lists) for record in chain(first, records))
    return Records(layout(columns, keys, str(file.path)), rows, _hint(first, columns))


def _hint(records: Sequence[Record], columns: Columns) -> str:
    """Suggest --columns for the keys that contain texts."""
    objects: list[Any] = [one.cells[0] for one in records if not one.problem]
    first = next((one for one in objects if isinstance(one, dict)), {})
    texts = [key for key, value in first.items() if isinstance(value, str)]
    if not texts or all(where in first for _, where in columns.selected):
        return ""
    if len(texts) == 1:
        return f"give --columns target={texts[0]}"
    return f"give --columns source=KEY,target=KEY, such as source={texts[0]},target={texts[1]}"


def _lines(file: TextFile) -> Iterator[Record]:
    for record in text_records(file):
        yield record if record.problem else _parsed(record)


def _parsed(record: Record) -> Record:
    try:
        value = _decoder().decode(record.cells[0])
    except (ValueError, RecursionError):
        return record._replace(problem="shape", detail="not a JSON object")
    return record._replace(cells=[value])


def _elements(file: TextFile) -> Iterator[Record]:
    """Yield the elements of an array, each with the line on which it begins."""
    text, decoder = file.text(), _decoder()
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        raise DataError(f"{file.path}, line 1: not a JSON array", "give --format jsonl, or auto")
    place = _skip(text, place + 1)
    line, counted = 1, 0
    while text[place : place + 1] != "]":
        line, counted = line + text.count("\n", counted, place), place
        try:
            element, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            raise DataError(f"{file.path}, line {line}: not JSON", _BROKEN) from None
        yield Record(line, [element])
        place = _skip(text, place)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
        elif text[place : place + 1] != "]":
            raise DataError(f"{file.path}, line {line}: the array is not complete", _BROKEN)
    if text[place + 1 :].strip():
        line += text.count("\n", counted, place)
        raise DataError(f"{file.path}, line {line}: text after the end of the array", _BROKEN)


def _skip(text: str, place: int) -> int:
    """Return the position after white space."""
    while text[place : place + 1] in _SPACE and place < len(text):
        place += 1
    return place


def _decoder() -> json.JSONDecoder:
    """Return a decoder that keeps numbers as written and records repeated keys."""
    return json.JSONDecoder(
        parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object
    )


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        result.twice = tuple(key for key in result if keys.count(key) > 1)
    return result


def _keyed(record: Record, keys: Sequence[str], lists: Sequence[bool]) -> Record:
    """Extract the cells of a record with one object, or its problem."""
    if record.problem:
        return record
    item: Any = record.cells[0]
    if not isinstance(item, _Object):
        return record._replace(cells=[], problem="shape", detail="not a JSON object")
    if item.twice:
        detail = f"the key {item.twice[0]!r} appears twice"
        return record._replace(cells=[], problem="shape", detail=detail)
    cells: list[Any] = []
    for key, may_be_list in zip(keys, lists, strict=True):
        value = item.get(key)
        if may_be_list and isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = ";".join(value)
        problem, detail = _cell_problem(item, key, value)
        if problem:
            return record._replace(cells=[], problem=problem, detail=detail)
        cells.append(value)
    return record._replace(cells=cells)


def _cell_problem(item: _Object, key: str, value: object) -> tuple[str, str]:
    if key not in item:
        keys = ", ".join(repr(one[:40]) for one in list(item)[:_SHOWN])
        return "shape", f"has no key {key!r}, only {keys}" if keys else "is an empty object"
    if not isinstance(value, str):
        return "shape", f"has no text in {key!r}"
    if "\0" in value or any("\ud800" <= one <= "\udfff" for one in value):
        return "bytes", f"no text in {key!r}"
    return "", ""
