"""Predictions beside the truth: where they differ, and the table of them on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from seqcli.checkpoints.atomic import write_atomically
from seqcli.errors import DataError

if TYPE_CHECKING:
    from seqcli.results import ScoredRow

Pair: TypeAlias = tuple[str | None, str | None]  # truth symbol, predicted symbol
MISSING = "·"  # stands in a marked prediction where a symbol of the truth is missing
HEADER = ("source", "truth", "prediction", "correct", "edits")
LARGEST = 250_000  # cells of the edit-distance table; beyond, symbols are paired by position
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_MEANINGS = {escape[1]: symbol for symbol, escape in _ESCAPES.items()}


@dataclass(frozen=True)
class Segment:
    """A stretch of a marked prediction, right (``ok``) or not."""

    text: str
    ok: bool


def symbols_of(text: str, joiner: str) -> tuple[str, ...]:
    """Cut a text into the symbols that ``joiner`` joined ("" for characters)."""
    if not text:
        return ()
    return tuple(text.split(joiner)) if joiner else tuple(text)


def mark(truth: Sequence[str], prediction: Sequence[str], joiner: str) -> tuple[Segment, ...]:
    """Return the prediction as stretches that agree with the truth and that do not.

    A symbol that is missing shows as ``MISSING``, so every error can be seen.
    """
    segments: list[Segment] = []
    for place, (true, got) in enumerate(align(truth, prediction)):
        if place and joiner:
            _extend(segments, Segment(joiner, True))
        _extend(segments, Segment(MISSING if got is None else got, true == got))
    return tuple(segments)


def describe_errors(truth: Sequence[str], prediction: Sequence[str]) -> str:
    """Return the errors in words, for places without colour: ``3: 4 -> 7; 5: 2 missing``.

    The number is the position in the truth, from 1 (for an extra symbol: after how many).
    """
    said, position = [], 0
    for true, got in align(truth, prediction):
        position += true is not None
        if true != got:
            said.append(f"{position}: {_difference(true, got)}")
    return "; ".join(said)


def align(truth: Sequence[str], prediction: Sequence[str]) -> list[Pair]:
    """Pair the symbols of both with the fewest edits (Levenshtein distance).

    Returns pairs in order; None stands where one side has no symbol. Beyond ``LARGEST`` table
    cells (after the common beginning and end are set aside) symbols are paired by position.
    """
    start = _common(truth, prediction)
    end = _common(truth[start:][::-1], prediction[start:][::-1])
    left = truth[start : len(truth) - end]
    right = prediction[start : len(prediction) - end]
    inner = _by_position if len(left) * len(right) > LARGEST else _by_distance
    head: list[Pair] = [(symbol, symbol) for symbol in truth[:start]]
    tail: list[Pair] = [(symbol, symbol) for symbol in truth[len(truth) - end :]]
    return head + inner(left, right) + tail


def write_predictions(
    path: Path, rows: Iterable[ScoredRow], source_joiner: str = " ", target_joiner: str = " "
) -> None:
    """Write a tab-separated table of predictions, atomically, with a header line.

    Columns: source, truth, prediction, correct (0 or 1), edits. Backslash, tab and line ends
    inside a text are written as ``\\\\``, ``\\t``, ``\\n``, ``\\r``.
    """

    def write(file: BinaryIO) -> None:
        file.write(("\t".join(HEADER) + "\n").encode())
        for row in rows:
            file.write(_line(row, source_joiner, target_joiner).encode(errors="surrogatepass"))

    write_atomically(path, write)


def read_predictions(
    path: Path, source_joiner: str = " ", target_joiner: str = " "
) -> list[ScoredRow]:
    """Read what ``write_predictions`` wrote, with the same joiners.

    Raises:
        DataError: the file is not such a table; says where.
    """
    try:
        text = path.read_bytes().decode(errors="surrogatepass")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 at byte {error.start}", "give a table that seqcli eval made"
        ) from error
    header, *lines = text.removesuffix("\n").split("\n")
    if tuple(header.split("\t")) != HEADER:
        raise DataError(f"{path}, line 1: not a table of predictions", "make one with seqcli eval")
    return [
        _scored(path, number, line.split("\t"), source_joiner, target_joiner)
        for number, line in enumerate(lines, 2)
    ]


def _line(row: ScoredRow, source_joiner: str, target_joiner: str) -> str:
    texts = (
        source_joiner.join(row.source),
        target_joiner.join(row.truth),
        target_joiner.join(row.prediction),
    )
    return "\t".join([*map(_escape, texts), str(int(row.correct)), str(row.edits)]) + "\n"


def _scored(
    path: Path, number: int, fields: list[str], source_joiner: str, target_joiner: str
) -> ScoredRow:
    from seqcli.results import ScoredRow  # brings NumPy: not needed to mark errors

    if len(fields) != len(HEADER) or fields[3] not in ("0", "1") or not fields[4].isdecimal():
        raise DataError(
            f"{path}, line {number}: not a row of predictions", f"columns: {', '.join(HEADER)}"
        )
    return ScoredRow(
        symbols_of(_unescape(fields[0]), source_joiner),
        symbols_of(_unescape(fields[1]), target_joiner),
        symbols_of(_unescape(fields[2]), target_joiner),
        correct=fields[3] == "1",
        edits=int(fields[4]),
    )


def _extend(segments: list[Segment], segment: Segment) -> None:
    """Append ``segment``, or lengthen the last one if both are right or both wrong."""
    if segments and segments[-1].ok == segment.ok:
        segment = Segment(segments.pop().text + segment.text, segment.ok)
    segments.append(segment)


def _difference(true: str | None, got: str | None) -> str:
    if true is None:
        return f"extra {got}"
    return f"{true} missing" if got is None else f"{true} -> {got}"


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the length of the common beginning."""
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return place
    return min(len(left), len(right))


def _by_position(left: Sequence[str], right: Sequence[str]) -> list[Pair]:
    size = max(len(left), len(right))
    padded = ([*side, *[None] * (size - len(side))] for side in (left, right))
    return list(zip(*padded, strict=True))


def _by_distance(left: Sequence[str], right: Sequence[str]) -> list[Pair]:
    """Walk back through the table of distances, preferring a swap to a gap."""
    table = _distances(left, right)
    pairs: list[Pair] = []
    i, j = len(left), len(right)
    while i or j:
        if i and j and table[i][j] == table[i - 1][j - 1] + (left[i - 1] != right[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((left[i], right[j]))
        elif i and table[i][j] == table[i - 1][j] + 1:
            i -= 1
            pairs.append((left[i], None))
        else:
            j -= 1
            pairs.append((None, right[j]))
    return pairs[::-1]


def _distances(left: Sequence[str], right: Sequence[str]) -> list[list[int]]:
    """Return the table whose entry (i, j) is the distance between left[:i] and right[:j]."""
    table = [list(range(len(right) + 1))]
    for i, symbol in enumerate(left, 1):
        above, row = table[-1], [i]
        for j, other in enumerate(right, 1):
            row.append(min(above[j - 1] + (symbol != other), above[j] + 1, row[-1] + 1))
        table.append(row)
    return table


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(symbol, symbol) for symbol in text)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    symbols = iter(text)
    return "".join(
        _MEANINGS.get(following := next(symbols, ""), following) if symbol == "\\" else symbol
        for symbol in symbols
    )
