"""Score a language model's texts from their losses alone: NumPy, no model, no checkpoint."""

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
from seqcli.data.baselines import scores
from seqcli.data.tokenizers import Tokenizer
from seqcli.errors import DataError
from seqcli.messages import plural
from seqcli.metrics.metric import Ratio
from seqcli.metrics.predictions import Floats, numbered
from seqcli.metrics.table_file import escape, unescape, write_table
from seqcli.results import Scores
from seqcli.statistics import Interval


@dataclass(frozen=True)
class TextLosses:
    """N texts with the loss of each, and all that their scores need.

    Args:
        texts: N texts.
        tokens: how they are cut into tokens.
        nats: (N,) loss of each text, summed over its tokens and ``<eos>``.
        unknown: (N,) unknown tokens in each text.
        baselines: name -> (N,) loss of each text by a baseline.
        notes: what else there is to say about them.
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
        """(N,) tokens of each text, ``<eos>`` included."""
        return np.array([len(self.tokens.split(text)) + 1 for text in self.texts], np.int64)


def score_texts(found: TextLosses) -> Scores:
    """Return loss, bits per character and perplexity with their intervals, and the baselines'.

    The interval is that of the loss, a ratio of sums over texts, equal texts counted as one. The
    other two metrics are functions of the loss, so their intervals are as well.
    """
    unknown = int(found.unknown.sum())
    part = Ratio(found.nats, found.sizes)
    clusters = numbered(found.texts)
    by_loss = part.interval(clusters)
    return Scores(
        rows=len(found),
        metrics=scores(part.total()),
        intervals=_of_all_metrics(by_loss),
        interval_methods=dict.fromkeys(scores(0.0), part.method(clusters)),
        baselines={
            name: scores(Ratio(nats, found.sizes).total()) for name, nats in found.baselines.items()
        },
        target_joiner=found.tokens.joiner,
        notes=(*found.notes, *(plural(unknown, "unknown token"),) * bool(unknown)),
    )


def _of_all_metrics(loss: Interval | None) -> dict[str, Interval | None]:
    if loss is None:
        return dict.fromkeys(scores(0.0))
    low, high = map(scores, loss)
    return {name: (low[name], high[name]) for name in low}


TEXT, BASELINE = "text:", "baseline:"  # before the style, and before the name of a baseline
NUMBERS = ("nats", "tokens", "unknown")
_HINT = "write it again with seqcli eval --predictions FILE.tsv"


def write_texts(path: Path, found: TextLosses) -> None:
    """Write the file, atomically.

    Raises:
        UsageError, SeqcliError: it cannot be written.
    """
    write_table(path, list(_columns(found)))


def holds_texts(lines: Sequence[str]) -> bool:
    """Return whether the lines of a file begin like one that `write_texts` wrote."""
    return lines[0].startswith(TEXT)


def read_texts(path: Path, lines: Sequence[str]) -> TextLosses:
    """Read the lines of a file that `write_texts` wrote; ``path`` is named in errors.

    Raises:
        DataError: the file is something else, or damaged; says where.
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
    losses = [name for name in header if name.startswith(BASELINE)]
    found = TextLosses(
        [_text(path, row, cell) for row, cell in enumerate(columns[header[0]], 2)],
        tokens,
        _numbers(path, "nats", columns["nats"], _nats),
        _numbers(path, "unknown", columns["unknown"], int),
        {
            name.removeprefix(BASELINE): _numbers(path, name, columns[name], _nats)
            for name in losses
        },
    )
    _check_sizes(path, found, _numbers(path, "tokens", columns["tokens"], int))
    return found


def _columns(found: TextLosses) -> Iterator[tuple[str, Iterable[str]]]:
    yield TEXT + found.tokens.style, map(escape, found.texts)
    yield "nats", map(repr, found.nats.tolist())
    yield "tokens", map(str, found.sizes.tolist())
    yield "unknown", map(str, found.unknown.tolist())
    for name, nats in found.baselines.items():
        yield BASELINE + name, map(repr, nats.tolist())


def _check_header(path: Path, header: Sequence[str]) -> Tokenizer:
    """Return how texts are cut into tokens."""
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
        problem = f"unknown column {odd[0]!r}" if odd else "a column comes twice"
        raise DataError(f"{path}, line 1: {problem}", _HINT)
    return Tokenizer(style)


def _text(path: Path, line: int, cell: str) -> str:
    try:
        return unescape(cell)
    except ValueError:
        raise DataError(f"{path}, line {line}: a backslash must be written \\\\", _HINT) from None


def _numbers(path: Path, name: str, cells: Sequence[str], kind: Callable[[str], float]) -> Any:
    found = []
    for line, cell in enumerate(cells, 2):
        try:
            number = kind(cell)
        except ValueError:
            number = -1
        if not 0 <= number < 1e15:
            message = f"{path}, line {line}: {name} must be a number from 0, not {cell[:40]!r}"
            raise DataError(message, _HINT)
        found.append(number)
    return np.array(found, np.float64 if kind is _nats else np.int64)


def _nats(cell: str) -> float:
    number = float(cell)
    if not math.isfinite(number):
        raise ValueError
    return number


def _check_sizes(path: Path, found: TextLosses, sizes: Any) -> None:
    """Refuse texts of another length than when their loss was computed."""
    other = np.flatnonzero(sizes != found.sizes)
    if len(other):
        row = int(other[0])
        message = f"{path}, line {row + 2}: tokens is {sizes[row]}, but the text has "
        raise DataError(f"{message}{found.sizes[row]} with <eos>", _HINT)
