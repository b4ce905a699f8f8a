"""Which lines held symbols that training never saw: the first ones by name, the rest in sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seqcli.report.console import Out
from seqcli.report.formats import count, plural, token_label

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
            self.out.say(f"note: line {line}: unknown tokens: {_listed(symbols)}")
        elif self.lines == NAMED_LINES + 1:
            self.out.say("note: there are more such lines; they are counted")

    def add_note(self, line: int, note: str) -> None:
        """Take down a line whose columns are odd: the first is told, the others are counted."""
        self.noted += 1
        if self.noted == 1:
            self.out.say(f"note: line {line}: {note}")

    def add_truncated(self, line: int) -> None:
        """Count a line whose answer was cut at the length limit: the first one is told."""
        self.truncated += 1
        if self.truncated == 1:
            self.out.say(f"note: line {line}: the answer is truncated at the length limit")

    def sum_up(self, lines: int) -> None:
        """Tell the sum over all ``lines`` lines, where there was more than was told by name."""
        if self.truncated > 1:
            told = f"{count(self.truncated)} of {plural(lines, 'line')}"
            self.out.say(f"note: {told} have an answer truncated at the length limit")
        if self.noted > 1:
            self.out.say(f"note: {count(self.noted)} of {plural(lines, 'line')} have such columns")
        if self.lines <= NAMED_LINES:
            return
        common = self.symbols.most_common(NAMED_SYMBOLS)
        told = ", ".join(f"{_shown(symbol)} ({count(times)})" for symbol, times in common)
        more = len(self.symbols) - len(common)
        others = f" and {count(more)} more" if more else ""
        self.out.say(
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
