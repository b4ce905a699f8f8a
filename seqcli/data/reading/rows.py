"""From a record to the symbols of a pair, or what keeps it from being one."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Codec
from seqcli.data.reading.columns import Layout
from seqcli.data.reading.records import Record

LEAST_COUNT, MOST_COUNT = 1e-6, 1e9  # beyond, a weight would vanish or drown all others


class Row(NamedTuple):
    """A pair in symbols.

    Args:
        line: where it stands in its file.
        source: its symbols, features last; empty for a language model.
        target: its symbols.
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
    """Why a record is left out: a kind of `seqcli.data.reading.findings.KINDS`, and more."""

    line: int
    kind: str
    detail: str


class RowReader:
    """Cuts records of one file into symbols.

    Args:
        codec: says how (its vocabularies are not looked at).
        data: says what is too long, and what counts mean.
        layout: where in a record the parts stand.
    """

    def __init__(self, codec: Codec, data: DataConfig, layout: Layout) -> None:
        self._codec, self._layout = codec, layout
        self._longest = data.longest
        self._whole_counts = data.counts == "repeats"
        self._count = None if data.counts == "ignore" else layout.count

    def read(self, record: Record) -> Row | Problem:
        """Return the pair in a record, or what is wrong with it."""
        if record.problem:
            return Problem(record.line, record.problem, record.detail)
        cells, codec, at = record.cells, self._codec, self._layout
        target = codec.target_symbols(cells[at.target])
        if not target or cells[at.target].isspace():
            return Problem(record.line, "target", "the target is empty")
        source: Sequence[str] = ()
        group = codec.target_tokens.join(target)
        if at.source is not None:
            text = cells[at.source]
            source = codec.source_tokens.split(codec.form.source(text))
            if not source or text.isspace():
                return Problem(record.line, "source", "the source is empty")
            group = codec.source_tokens.join(source)
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
        """Return a count, or 0 where it is none that can be used."""
        try:
            count = float(text)
        except ValueError:
            return 0.0
        if "_" in text or not LEAST_COUNT <= count <= MOST_COUNT:  # NaN is not between them
            return 0.0
        return 0.0 if self._whole_counts and count != int(count) else count


def length_problem(tokens: Sequence[str], side: str, longest: int) -> str:
    """Say that a side has too many tokens or too long a one; "" where it has not.

    Args:
        tokens: of the side.
        side: what to call it.
        longest: ``data.longest``: the most tokens, and the most characters of one.
    """
    if len(tokens) > longest:
        return f"the {side} has {len(tokens):,} tokens, more than {longest:,}"
    most = max(map(len, tokens), default=0)
    return f"a token of the {side} has {most:,} characters, more than {longest:,}" * (
        most > longest
    )


def hash_of(text: str, seed: int = 0) -> bytes:
    """Return 8 bytes that stand for a text; two texts in a million meet with a chance of 3e-8."""
    return blake2b(f"{seed}\n{text}".encode(), digest_size=8).digest()
