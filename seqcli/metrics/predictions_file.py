r"""Read and write files of predictions: tables from which all scores can be computed again.

The tab-separated table begins with the names of the columns; the name of a tokenized column
is followed by its token style, as in ``source:chars`` and ``truth:words``. For the escapes in
cells, see `seqcli.metrics.table_file`. Tables of other programs with columns source, truth and
prediction, without escapes, can be read too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seqcli import registry
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import DataError
from seqcli.metrics.predictions import PredictionTable, Texts, TokenRows
from seqcli.metrics.table_file import (
    OTHER_NAMES,
    edge_notes,
    escape,
    escape_tokens,
    header_note,
    mostly_spaced,
    unescape,
    unescape_tokens,
    write_table,
)

Item = TypeVar("Item")

PREFIX = "baseline:"  # prefix of a column of baseline predictions
TEXTS = ("source", "truth", "prediction")
FEATURES = "features"
ORACLE_LENGTH = "oracle_length"  # after "prediction:" if the reference lengths were given
FOR_PEOPLE = ("correct", "edits")  # recomputed when the file is read
NUMBERS = ("nats", "tokens", "unseen_in_source", "unseen_in_truth", "target_tokens", "truncated")
_WITH_STYLE = ("source:", "truth:", "prediction:")
_HINT = "write it again with seqcli eval --predictions FILE.tsv"


@dataclass(frozen=True)
class _Columns:
    """The columns of a file by name, without styles; row i is on line ``first`` + i."""

    path: Path
    first: int
    cells: Mapping[str, list[str]]
    styles: Mapping[str, str]  # column -> token style; empty for a file of another program
    notes: tuple[str, ...] = ()

    def error(self, row: int, message: str) -> DataError:
        """Return an error about a row."""
        return DataError(f"{self.path}, line {self.first + row}: {message}", _HINT)


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write the file, atomically.

    Raises:
        UsageError, SeqcliError: it cannot be written.
    """
    write_table(path, list(_columns_of(table)))


def read_predictions(
    path: Path,
    lines: Sequence[str],
    source: Tokenizer | None = None,
    target: Tokenizer | None = None,
) -> PredictionTable:
    """Read the lines of a file of predictions.

    Args:
        path: the file, for messages.
        lines: the output of `write_predictions`, or a tab-separated table with the columns source,
            truth (or gold, target, reference) and prediction: named in its first line, or exactly
            these three.
        source, target: tokenization if the file does not specify it; by default words if most
            texts contain spaces, else characters.

    Raises:
        DataError: the file cannot be read; names the line.
    """
    columns = _columns(path, lines)
    sources = _texts(columns, "source")
    source_tokens = _tokens(columns, "source", source, [sources])
    targets = [columns.cells[name] for name in TEXTS[1:]]
    target_tokens = _tokens(columns, "truth", target, targets)
    baselines = [name for name in columns.cells if name.startswith(PREFIX)]
    numbers = {name: _integers(columns, name) for name in NUMBERS[1:]}
    table = PredictionTable(
        sources,
        _token_rows(columns, "truth", target_tokens),
        _token_rows(columns, "prediction", target_tokens),
        source_tokens,
        target_tokens,
        nats=_nats(columns),
        unseen_sources=numbers["unseen_in_source"],
        unseen_truths=numbers["unseen_in_truth"],
        vocabulary=_constant(columns, numbers["target_tokens"]),
        truncated=numbers["truncated"],
        baselines={
            name.removeprefix(PREFIX): _token_rows(columns, name, target_tokens)
            for name in baselines
        },
        features=_texts(columns, FEATURES) if FEATURES in columns.cells else None,
        oracle_length=columns.styles.get("prediction") == ORACLE_LENGTH,
        notes=tuple(_notes(columns, (source_tokens, target_tokens), (source, target))),
    )
    _check_lengths(columns, table, numbers["tokens"])
    return table


def _columns_of(table: PredictionTable) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield (name, cells) of every column."""
    outcome, tokens = table.outcome, table.target_tokens
    yield f"source:{table.source_tokens.style}", map(escape, table.sources)
    yield f"truth:{tokens.style}", (escape_tokens(row, tokens) for row in table.truths)
    if table.features is not None:
        yield FEATURES, map(escape, table.features)
    name = f"prediction:{ORACLE_LENGTH}" if table.oracle_length else "prediction"
    yield name, (escape_tokens(row, tokens) for row in table.predictions)
    yield "correct", (str(int(right)) for right in outcome.right_rows.tolist())
    yield "edits", map(str, outcome.edits.tolist())
    if table.truncated is not None:
        yield "truncated", map(str, table.truncated.tolist())
    if table.nats is not None:
        yield "nats", map(repr, table.nats.tolist())
    yield "tokens", map(str, (outcome.truths.lengths + 1).tolist())
    if table.unseen_sources is not None and table.unseen_truths is not None:
        yield "unseen_in_source", map(str, table.unseen_sources.tolist())
        yield "unseen_in_truth", map(str, table.unseen_truths.tolist())
    if table.vocabulary:
        yield "target_tokens", [str(table.vocabulary)] * len(table)
    for baseline, rows in table.baselines.items():
        yield PREFIX + baseline, [escape_tokens(row, tokens) for row in rows]


def _columns(path: Path, lines: Sequence[str]) -> _Columns:
    header = lines[0].split("\t")
    named = {_plain(name) for name in header} >= set(TEXTS)
    names = header if named else list(TEXTS)
    notes = () if named else header_note(header)
    styles = dict(name.split(":", 1) for name in names if name.startswith(_WITH_STYLE))
    if styles:
        _check_header(path, header, styles)
    rows = [line.split("\t") for line in lines[named:]]
    if not rows:
        raise DataError(f"{path}, line 1: there are no rows", _HINT)
    for number, row in enumerate(rows, 1 + named):
        if len(row) != len(names):
            raise _wrong_width(path, number, len(row), names, named)
    cells = map(list, zip(*rows, strict=True))
    return _Columns(
        path, 1 + named, dict(zip(map(_plain, names), cells, strict=True)), styles, notes
    )


def _plain(name: str) -> str:
    """Return the standard name of a column for its name in a header."""
    if name.startswith(PREFIX):
        return name
    short = name.partition(":")[0].strip().lower().lstrip("#").strip()
    return OTHER_NAMES.get(short, short)


def _check_header(path: Path, header: Sequence[str], styles: Mapping[str, str]) -> None:
    """Raise DataError for a header that `write_predictions` cannot have written."""
    known = {*TEXTS, FEATURES, *FOR_PEOPLE, *NUMBERS}
    odd = [name for name in header if not (_plain(name) in known or name.startswith(PREFIX))]
    odd += [name for name in header if list(map(_plain, header)).count(_plain(name)) > 1]
    if odd:
        raise DataError(f"{path}, line 1: column {odd[0]!r} is unknown, or occurs twice", _HINT)
    if styles.get("prediction", ORACLE_LENGTH) != ORACLE_LENGTH:
        raise DataError(
            f"{path}, line 1: column 'prediction:{styles['prediction']}' is unknown", _HINT
        )
    for style in (styles.get("source", ""), styles.get("truth", "")):
        if style not in registry.TOKEN_STYLES:
            known_styles = ", ".join(registry.TOKEN_STYLES)
            message = f"{path}, line 1: source and truth need a token style ({known_styles})"
            raise DataError(message, "such as source:chars")


def _wrong_width(path: Path, line: int, width: int, names: Sequence[str], named: bool) -> DataError:
    """Return an error about a row with a wrong number of columns."""
    message = f"{path}, line {line}: {width} columns, expected {len(names)}"
    if named:
        return DataError(message, f"the columns are {', '.join(names)}")
    hint = "give a file by eval --predictions, or one with columns source, truth and prediction"
    return DataError(message, hint)


def _tokens(
    columns: _Columns, name: str, asked: Tokenizer | None, texts: Iterable[Texts]
) -> Tokenizer:
    """Return the tokenizer of a column: from the file, else as requested, else guessed."""
    if columns.styles:
        return Tokenizer(columns.styles[name])
    return asked or Tokenizer("words" if mostly_spaced(chain.from_iterable(texts)) else "chars")


def _notes(
    columns: _Columns, tokens: Iterable[Tokenizer], asked: Iterable[Tokenizer | None]
) -> Iterator[str]:
    """Yield notes, including one for each tokenization that was guessed."""
    yield from columns.notes
    if not columns.styles:
        yield from edge_notes(columns.cells, TEXTS)
    for side, used, requested in zip(("source", "target"), tokens, asked, strict=True):
        if not columns.styles and requested is None:
            yield f"{side}s are tokenized as {used.style}; change it with --{side}-tokens"


def _texts(columns: _Columns, name: str) -> list[str]:
    """Return the texts of a column."""
    cells = columns.cells[name]
    if not columns.styles:
        return cells
    return [_read(columns, row, unescape, cell) for row, cell in enumerate(cells)]


def _token_rows(columns: _Columns, name: str, tokens: Tokenizer) -> TokenRows:
    """Return the tokens of each row of a column."""
    cells = columns.cells[name]
    if not columns.styles:
        return [tokens.split(cell) for cell in cells]
    unescaped = partial(unescape_tokens, tokens=tokens)
    return [_read(columns, row, unescaped, cell) for row, cell in enumerate(cells)]


def _read(columns: _Columns, row: int, unescaped: Callable[[str], Item], cell: str) -> Item:
    try:
        return unescaped(cell)
    except ValueError:
        raise columns.error(row, r"a backslash must be written \\") from None


def _numbers(columns: _Columns, name: str, kind: Callable[[str], Item]) -> list[Item] | None:
    """Return a column as numbers; None if the file does not have it."""
    if name not in columns.cells:
        return None
    numbers = []
    for row, text in enumerate(columns.cells[name]):
        try:
            numbers.append(kind(text))
        except ValueError:
            raise columns.error(row, f"{name} must be a number, not {text!r}") from None
    return numbers


def _nats(columns: _Columns) -> Any:
    nats = _numbers(columns, "nats", float)
    return None if nats is None else np.array(nats, np.float64)


def _integers(columns: _Columns, name: str) -> Any:
    counts = _numbers(columns, name, _count)
    return None if counts is None else np.array(counts, np.int64)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise ValueError
    return int(text)


def _constant(columns: _Columns, numbers: Any) -> int:
    """Return the constant value of a column; 0 if the file does not have it."""
    if numbers is None or not len(numbers):
        return 0
    other = np.flatnonzero(numbers != numbers[0])
    if len(other):
        raise columns.error(int(other[0]), "target_tokens must be the same in every line")
    return int(numbers[0])


def _check_lengths(columns: _Columns, table: PredictionTable, tokens: Any) -> None:
    """Raise DataError if the length of a truth differs from when its loss was computed."""
    if tokens is None:
        return
    lengths = table.outcome.truths.lengths
    other = np.flatnonzero(tokens != lengths + 1)
    if len(other):
        row = int(other[0])
        message = f"tokens is {tokens[row]}, but the truth has {lengths[row] + 1} with <eos>"
        raise columns.error(row, message)
