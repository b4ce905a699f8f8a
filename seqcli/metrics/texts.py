"""Score texts by their losses under a language model; read and write files of losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import registry
from seqcli.arrays.ragged import Index
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import DataError
from seqcli.messages import plural
from seqcli.metrics.definitions import Ratio
from seqcli.metrics.metric import language_scores
from seqcli.metrics.predictions import numbered
from seqcli.metrics.table_file import escape, unescape, write_table
from seqcli.results import Scores
from seqcli.statistics import Floats, Interval


@dataclass(frozen=True)
class TextLosses:
    """N texts with their losses, and the information needed to score them.

    Args:
        texts: N texts.
        tokens: how they are tokenized.
        nats: (N,) loss of each text, summed over its tokens and ``<eos>``.
        unknown: (N,) unknown tokens in each text.
        baselines: name -> (N,) loss of each text by a baseline.
        notes: notes for the user.
    """

    texts: Sequence[str]
    tokens: Tokenizer
    nats: Floats
    unknown: Index
    baselines: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def sizes(self) -> Index:
        """(N,) number of tokens of each text, ``<eos>`` included."""
        return np.array([len(self.tokens.split(text)) + 1 for text in self.texts], np.int64)


def score_texts(losses: TextLosses) -> Scores:
    """Compute the metrics of a language model with their intervals, and those of the baselines.

    The interval of the loss is that of a ratio of sums over texts, where equal texts count as one
    cluster. The other metrics are functions of the loss, so their intervals are as well.
    """
    unknown = int(losses.unknown.sum())
    part = Ratio(losses.nats, losses.sizes)
    clusters = numbered(losses.texts)
    metrics = language_scores(part.total())
    return Scores(
        rows=len(losses),
        metrics=metrics,
        intervals=_intervals(part.interval(clusters), metrics),
        interval_methods=dict.fromkeys(metrics, part.method(clusters)),
        baselines={
            name: language_scores(Ratio(nats, losses.sizes).total())
            for name, nats in losses.baselines.items()
        },
        target_joiner=losses.tokens.joiner,
        notes=(*losses.notes, *(plural(unknown, "unknown token"),) * bool(unknown)),
    )


def _intervals(loss: Interval | None, metrics: Mapping[str, float]) -> dict[str, Interval | None]:
    """Return the interval of each metric, given that of the loss."""
    if loss is None:
        return dict.fromkeys(metrics)
    low, high = map(language_scores, loss)
    return {name: (min(low[name], high[name]), max(low[name], high[name])) for name in metrics}


TEXT, BASELINE = "text:", "baseline:"  # prefixes of a token style and of a baseline
NUMBERS = ("nats", "tokens", "unknown")
_HINT = "write it again with seqcli eval --predictions FILE.tsv"


def write_texts(path: Path, losses: TextLosses) -> None:
    """Write the file, atomically.

    Raises:
        UsageError, SeqcliError: it cannot be written.
    """
    write_table(path, list(_columns(losses)))


def holds_texts(lines: Sequence[str]) -> bool:
    """Return whether a file starts like one written by `write_texts`."""
    return lines[0].startswith(TEXT)


def read_texts(path: Path, lines: Sequence[str]) -> TextLosses:
    """Read the lines of a file written by `write_texts`; ``path`` is used in errors.

    Raises:
        DataError: the file is of another kind, or damaged; names the line.
    """
    header, *rows = (line.split("\t") for line in lines)
    tokens = _check_header(path, header)
    if not rows:
        raise DataError(f"{path}, line 1: there are no rows", _HINT)
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            message = f"{path}, line {number}: {len(row)} columns, not {len(header)}"
            raise DataError(message, f"the columns are {', '.join(header)}")
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    baselines = [name for name in header if name.startswith(BASELINE)]
    losses = TextLosses(
        [_text(path, row, cell) for row, cell in enumerate(columns[header[0]], 2)],
        tokens,
        _numbers(path, "nats", columns["nats"], _nats),
        _numbers(path, "unknown", columns["unknown"], int),
        {
            name.removeprefix(BASELINE): _numbers(path, name, columns[name], _nats)
            for name in baselines
        },
    )
    _check_sizes(path, losses, _numbers(path, "tokens", columns["tokens"], int))
    return losses


def _columns(losses: TextLosses) -> Iterator[tuple[str, Iterable[str]]]:
    yield TEXT + losses.tokens.style, map(escape, losses.texts)
    yield "nats", map(repr, losses.nats.tolist())
    yield "tokens", map(str, losses.sizes.tolist())
    yield "unknown", map(str, losses.unknown.tolist())
    for name, nats in losses.baselines.items():
        yield BASELINE + name, map(repr, nats.tolist())


def _check_header(path: Path, header: Sequence[str]) -> Tokenizer:
    """Validate the header and return the tokenizer."""
    style = header[0].removeprefix(TEXT)
    if not header[0].startswith(TEXT) or style not in registry.TOKEN_STYLES:
        message = f"{path}, line 1: the first column must be text:STYLE, not {header[0]!r}"
        raise DataError(message, f"STYLE is one of {', '.join(registry.TOKEN_STYLES)}")
    for name in NUMBERS:
        if header.count(name) != 1:
            raise DataError(f"{path}, line 1: there must be one column {name!r}", _HINT)
    known = {header[0], *NUMBERS}
    odd = [name for name in header if name not in known and not name.startswith(BASELINE)]
    if odd or len(set(header)) < len(header):
        problem = f"unknown column {odd[0]!r}" if odd else "a column occurs twice"
        raise DataError(f"{path}, line 1: {problem}", _HINT)
    return Tokenizer(style)


def _text(path: Path, line: int, cell: str) -> str:
    try:
        return unescape(cell)
    except ValueError:
        raise DataError(f"{path}, line {line}: a backslash must be written \\\\", _HINT) from None


def _numbers(path: Path, name: str, cells: Sequence[str], kind: Callable[[str], float]) -> Any:
    numbers = []
    for line, cell in enumerate(cells, 2):
        try:
            number = kind(cell)
        except ValueError:
            number = -1
        if not 0 <= number < 1e15:
            message = f"{path}, line {line}: {name} must be a number from 0, not {cell[:40]!r}"
            raise DataError(message, _HINT)
        numbers.append(number)
    return np.array(numbers, np.float64 if kind is _nats else np.int64)


def _nats(cell: str) -> float:
    number = float(cell)
    if not math.isfinite(number):
        raise ValueError
    return number


def _check_sizes(path: Path, losses: TextLosses, sizes: Any) -> None:
    """Raise DataError if the length of a text differs from when its loss was computed."""
    other = np.flatnonzero(sizes != losses.sizes)
    if len(other):
        row = int(other[0])
        message = f"{path}, line {row + 2}: tokens is {sizes[row]}, but the text has "
        raise DataError(f"{message}{losses.sizes[row]} with <eos>", _HINT)
