"""Which lines held symbols that training never saw: the first ones by name, the rest in sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len

from seqcli.data.vocabulary import visible_token
from seqcli.formatting import count, percent, plural, token_label
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.results import NextToken


NAMED_LINES = 10
NAMED_SYMBOLS = 10
_COUNTED = 10_000  # different symbols that are counted one by one: words may never end


class UnknownSymbols:
    """Tells the first lines with unknown symbols as they come, and counts all.

    Args:
        out: where it is told (stderr).
    """

    def __init__(self, out: Out) -> None:
        self.out, self.lines, self.noted, self.truncated = out, 0, 0, 0
        self.symbols: Counter[str] = Counter()  # symbol -> lines that hold it

    def add(self, line: int, symbols: Sequence[str]) -> None:
        """Take down the unknown symbols of a line."""
        if not symbols:
            return
        self.lines += 1
        room = len(self.symbols) < _COUNTED
        self.symbols.update(one for one in set(symbols) if room or one in self.symbols)
        if self.lines <= NAMED_LINES:
            self.out.info(f"note: line {line}: unknown tokens: {_listed(symbols)}")
        elif self.lines == NAMED_LINES + 1:
            self.out.info("note: there are more such lines; they are counted")

    def add_note(self, line: int, note: str) -> None:
        """Take down a line whose columns are odd: the first is told, the others are counted."""
        self.noted += 1
        if self.noted == 1:
            self.out.info(f"note: line {line}: {note}")

    def add_truncated(self, line: int) -> None:
        """Count a line whose answer was cut at the length limit: the first one is told."""
        self.truncated += 1
        if self.truncated == 1:
            self.out.info(f"note: line {line}: the prediction is truncated at the length limit")

    def sum_up(self, lines: int) -> None:
        """Tell the sum over all ``lines`` lines, where there was more than was told by name."""
        if self.truncated > 1:
            told = f"{count(self.truncated)} of {plural(lines, 'line')}"
            self.out.info(f"note: {told} have a prediction truncated at the length limit")
        if self.noted > 1:
            self.out.info(f"note: {count(self.noted)} of {plural(lines, 'line')} have such columns")
        if self.lines <= NAMED_LINES:
            return
        common = self.symbols.most_common(NAMED_SYMBOLS)
        told = ", ".join(f"{_shown(symbol)} ({count(times)})" for symbol, times in common)
        more = len(self.symbols) - len(common)
        others = f" and {count(more)} more" if more else ""
        self.out.info(
            f"note: {count(self.lines)} of {plural(lines, 'line')} have unknown tokens, "
            f"by number of lines: {told}{others}"
        )


def _shown(symbol: str) -> str:
    return "␣" if symbol == " " else token_label(symbol)


def _listed(symbols: Sequence[str]) -> str:
    different = list(dict.fromkeys(symbols))
    told = " ".join(_shown(symbol) for symbol in different[:NAMED_SYMBOLS])
    more = len(different) - NAMED_SYMBOLS
    return f"{told} and {count(more)} more" if more > 0 else told


Pair: TypeAlias = tuple[str | None, str | None]  # truth symbol, predicted symbol
MISSING = "·"  # stands in a marked prediction where a symbol of the truth is missing
TOLD = 8  # errors of a row that are told one by one


@dataclass(frozen=True)
class Segment:
    """A stretch of a marked prediction, right (``ok``) or not."""

    text: str
    ok: bool


def shown_source(line: str) -> str:
    """Return a source as `predict` takes it, its features (after a tab) set apart to be read."""
    return line.replace("\t", " | ")


def shown_symbol(symbol: str) -> str:
    """Return a token such that all of it can be seen."""
    shown = visible_token(symbol)
    return '"' + shown.strip("'") + '"' if symbol.isspace() else shown


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
    """Return the errors in words, for places without color: ``3: 4 -> 7; 5: 2 missing``.

    The number is the position in the truth, from 1 (for an extra symbol: after how many). The
    first ``TOLD`` are told, the others counted.
    """
    said, position = list[str](), 0
    for true, got in align(truth, prediction):
        position += true is not None
        if true != got:
            said.append(f"{position}: {_difference(true, got)}")
    more = [f"and {len(said) - TOLD} more"] * (len(said) > TOLD)
    return "; ".join(said[:TOLD] + more)


def align(truth: Sequence[str], prediction: Sequence[str]) -> list[Pair]:
    """Pair the tokens of both sequences with the fewest edits (Levenshtein distance).

    Returns pairs in order; None where one side has no token.
    """
    from rapidfuzz.distance import Levenshtein

    pairs: list[Pair] = []
    for block in Levenshtein.opcodes(truth, prediction):
        left = truth[block.src_start : block.src_end]
        right = prediction[block.dest_start : block.dest_end]
        pairs += zip_longest(left, right)  # None on one side of an insertion or a deletion
    return pairs


def _extend(segments: list[Segment], segment: Segment) -> None:
    """Append ``segment``, or lengthen the last one if both are right or both wrong."""
    if segments and segments[-1].ok == segment.ok:
        segment = Segment(segments.pop().text + segment.text, segment.ok)
    segments.append(segment)


def _difference(true: str | None, got: str | None) -> str:
    left, right = (side and shown_symbol(side) for side in (true, got))
    if left is None:
        return f"extra {right}"
    return f"{left} missing" if right is None else f"{left} -> {right}"


SHOWN = 24
FEWEST, SMALL = 8, 0.001  # beyond so many, shares below this are told together
WIDTH = 40  # cells of the longest bar
EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(found: Sequence[NextToken], *, plain_ascii: bool = False) -> list[str]:
    """Return a line for each of the likeliest symbols, and one for all the others together.

    Args:
        found: symbols with their probabilities, likeliest first.
        plain_ascii: draw with # where the output has no blocks.
    """
    likely = sum(one.probability >= SMALL for one in found)
    most = min(SHOWN, max(FEWEST, likely))
    rows = [(token_label(one.token), one.probability) for one in found[:most]]
    rest = found[most:]
    if rest:
        rows.append((plural(len(rest), "other"), sum(one.probability for one in rest)))
    wide = max(cell_len(name) for name, _ in rows)
    largest = max(share for _, share in rows)
    return [
        f"{name}{' ' * (wide - cell_len(name))}  {percent(share):>6}  "
        f"{_bar(share / largest, plain_ascii)}".rstrip()
        for name, share in rows
    ]


def _bar(share: float, plain_ascii: bool) -> str:
    if plain_ascii:
        return "#" * round(share * WIDTH)
    whole, part = divmod(round(share * WIDTH * 8), 8)
    return "█" * whole + EIGHTHS[part].strip()
