r"""A file of predictions: a plain table with tabs, from which every score can be computed again.

The first line names the columns; how texts are cut into symbols stands behind the name of the
column, ``source:chars`` and ``truth:words``. Backslash, tab and line ends inside a text are written
``\\``, ``\t``, ``\n``, ``\r``. A file of somebody else's, with columns source, truth and prediction
and nothing escaped, is read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seqcli import registry
from seqcli.data.tokenizers import Tokenizer
from seqcli.errors import DataError
from seqcli.metrics.predictions import Answers, Texts
from seqcli.metrics.table_file import (
    OTHER_NAMES,
    edge_notes,
    escape,
    header_note,
    mostly_spaced,
    unescape,
    write_table,
)

Item = TypeVar("Item")

PREFIX = "baseline:"  # before the name of a rule, in the header of the column of its guesses
TEXTS = ("source", "truth", "prediction")
FEATURES = "features"
LENGTHS_GIVEN = "lengths_given"  # stands behind the name of the predictions where that is so
FOR_PEOPLE = ("correct", "edits")  # written, and counted anew when the file is read
NUMBERS = ("nats", "tokens", "unseen_in_source", "unseen_in_truth", "target_symbols", "truncated")
_WITH_STYLE = ("source:", "truth:", "prediction:")
_HINT = "write it anew with seqcli eval --predictions FILE.tsv"


@dataclass(frozen=True)
class _Table:
    """A file cut into columns, by the names without styles; row i stands on line ``first`` + i."""

    path: Path
    first: int
    columns: Mapping[str, list[str]]
    styles: Mapping[str, str]  # column -> how it is cut; empty in a file of somebody else's
    notes: tuple[str, ...] = ()

    def error(self, row: int, message: str) -> DataError:
        """Return the error to raise about a row."""
        return DataError(f"{self.path}, line {self.first + row}: {message}", _HINT)


def write_answers(path: Path, answers: Answers) -> None:
    """Write the file, atomically.

    Raises:
        UsageError, SeqcliError: it cannot be written.
    """
    write_table(path, list(_columns(answers)))


def read_answers(
    path: Path,
    lines: Sequence[str],
    source: Tokenizer | None = None,
    target: Tokenizer | None = None,
) -> Answers:
    """Read the lines of a file of predictions.

    Args:
        path: the file, to be named in errors.
        lines: what ``write_answers`` wrote, or a table with tabs that has the columns source, truth
            (or gold, target, reference) and prediction: named in its first line, or just these
            three.
        source, target: how texts are cut into symbols, where the file does not say so; at spaces
            where most texts have some inside, else into characters.

    Raises:
        DataError: the file cannot be read as such; says where.
    """
    table = _table(path, lines)
    sources, truths, predictions = (_unescaped(table, name) for name in TEXTS)
    cut_source = _tokens(table, "source", source, [sources])
    cut_target = _tokens(table, "truth", target, [truths, predictions])
    guesses = [name for name in table.columns if name.startswith(PREFIX)]
    numbers = {name: _integers(table, name) for name in NUMBERS[1:]}
    answers = Answers(
        sources,
        truths,
        predictions,
        cut_source,
        cut_target,
        nats=_nats(table),
        unseen_sources=numbers["unseen_in_source"],
        unseen_truths=numbers["unseen_in_truth"],
        symbols=_one(table, numbers["target_symbols"]),
        truncated=numbers["truncated"],
        guesses={name.removeprefix(PREFIX): _unescaped(table, name) for name in guesses},
        features=_unescaped(table, FEATURES) if FEATURES in table.columns else None,
        lengths_given=table.styles.get("prediction") == LENGTHS_GIVEN,
        notes=tuple(_guess_notes(table, (cut_source, cut_target), (source, target))),
    )
    _check_lengths(table, answers, numbers["tokens"])
    return answers


def _columns(answers: Answers) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the columns, each with what stands above it."""
    outcome = answers.outcome
    yield f"source:{answers.source_tokens.style}", map(escape, answers.sources)
    yield f"truth:{answers.target_tokens.style}", map(escape, answers.truths)
    if answers.features is not None:
        yield FEATURES, map(escape, answers.features)
    yield (
        "prediction" + f":{LENGTHS_GIVEN}" * answers.lengths_given,
        map(escape, answers.predictions),
    )
    yield "correct", (str(int(right)) for right in outcome.right_rows.tolist())
    yield "edits", map(str, outcome.edits.tolist())
    if answers.truncated is not None:
        yield "truncated", map(str, answers.truncated.tolist())
    if answers.nats is not None:
        yield "nats", map(repr, answers.nats.tolist())
    yield "tokens", map(str, (outcome.truths.lengths + 1).tolist())
    if answers.unseen_sources is not None and answers.unseen_truths is not None:
        yield "unseen_in_source", map(str, answers.unseen_sources.tolist())
        yield "unseen_in_truth", map(str, answers.unseen_truths.tolist())
    if answers.symbols:
        yield "target_symbols", [str(answers.symbols)] * len(answers)
    for name, guesses in answers.guesses.items():
        yield PREFIX + name, map(escape, guesses)


def _table(path: Path, lines: Sequence[str]) -> _Table:
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
            _complain_about_width(path, number, len(row), names, named)
    cells = map(list, zip(*rows, strict=True))
    columns = dict(zip(map(_plain, names), cells, strict=True))
    return _Table(path, 1 + named, columns, styles, notes)


def _plain(name: str) -> str:
    """Return the name of a column of ours for the name in a header."""
    if name.startswith(PREFIX):
        return name
    short = name.partition(":")[0].strip().lower().lstrip("#").strip()
    return OTHER_NAMES.get(short, short)


def _check_header(path: Path, header: Sequence[str], styles: Mapping[str, str]) -> None:
    """Refuse a header that is nearly, but not quite, one of ours."""
    known = {*TEXTS, FEATURES, *FOR_PEOPLE, *NUMBERS}
    odd = [name for name in header if not (_plain(name) in known or name.startswith(PREFIX))]
    odd += [name for name in header if list(map(_plain, header)).count(_plain(name)) > 1]
    if odd:
        raise DataError(f"{path}, line 1: column {odd[0]!r} is not known, or there twice", _HINT)
    if styles.get("prediction", LENGTHS_GIVEN) != LENGTHS_GIVEN:
        raise DataError(f"{path}, line 1: column 'prediction:{styles['prediction']}' is odd", _HINT)
    for style in (styles.get("source", ""), styles.get("truth", "")):
        if style not in registry.TOKEN_STYLES:
            known_styles = ", ".join(registry.TOKEN_STYLES)
            message = f"{path}, line 1: source and truth must say how they are cut ({known_styles})"
            raise DataError(message, "such as source:chars")


def _complain_about_width(
    path: Path, line: int, width: int, names: Sequence[str], named: bool
) -> None:
    message = f"{path}, line {line}: {width} columns where {len(names)} are wanted"
    if named:
        raise DataError(message, f"the columns are {', '.join(names)}")
    hint = "give a file by eval --predictions, or one with columns source, truth and prediction"
    raise DataError(message, hint)


def _tokens(
    table: _Table, column: str, asked: Tokenizer | None, texts: Iterable[Texts]
) -> Tokenizer:
    """Return how a column is cut: as the file says, else as asked, else as most texts look."""
    if table.styles:
        return Tokenizer(table.styles[column])
    return asked or Tokenizer("words" if mostly_spaced(chain.from_iterable(texts)) else "chars")


def _guess_notes(
    table: _Table, tokens: Iterable[Tokenizer], asked: Iterable[Tokenizer | None]
) -> Iterator[str]:
    """Say how texts were cut where neither the file nor the user said so, and what is odd."""
    yield from table.notes
    if not table.styles:
        yield from edge_notes(table.columns, TEXTS)
    for side, found, given in zip(("source", "target"), tokens, asked, strict=True):
        if not table.styles and given is None:
            yield f"the {side}s are cut into {found.style}; --{side}-tokens says otherwise"


def _unescaped(table: _Table, name: str) -> list[str]:
    texts = table.columns[name]
    if table.styles:
        for row, text in enumerate(texts):
            if "\\" in text:
                texts[row] = _meant(table, row, text)
    return texts


def _meant(table: _Table, row: int, text: str) -> str:
    try:
        return unescape(text)
    except ValueError:
        raise table.error(row, r"a backslash must be written \\") from None


def _converted(table: _Table, name: str, kind: Callable[[str], Item]) -> list[Item] | None:
    """Return a column as numbers, or None where there is no such column."""
    if name not in table.columns:
        return None
    found = []
    for row, text in enumerate(table.columns[name]):
        try:
            found.append(kind(text))
        except ValueError:
            raise table.error(row, f"{name} must be a number, not {text!r}") from None
    return found


def _nats(table: _Table) -> Any:
    found = _converted(table, "nats", float)
    return None if found is None else np.array(found, np.float64)


def _integers(table: _Table, name: str) -> Any:
    found = _converted(table, name, _count)
    return None if found is None else np.array(found, np.int64)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise ValueError
    return int(text)


def _one(table: _Table, numbers: Any) -> int:
    """Return the number that stands in every row of a column; 0 without the column."""
    if numbers is None or not len(numbers):
        return 0
    other = np.flatnonzero(numbers != numbers[0])
    if len(other):
        raise table.error(int(other[0]), "target_symbols must be the same in every line")
    return int(numbers[0])


def _check_lengths(table: _Table, answers: Answers, tokens: Any) -> None:
    """Refuse truths that have another length than when their loss was measured."""
    if tokens is None:
        return
    other = np.flatnonzero(tokens != answers.outcome.truths.lengths + 1)
    if len(other):
        row = int(other[0])
        symbols = int(answers.outcome.truths.lengths[row])
        message = f"tokens says {tokens[row]}, but the truth has {symbols} symbols and an end"
        raise table.error(row, message)
