"""What stands between the columns of a row, and text without tabs that looks like a table.

A list of names may hold semicolons, commas, hyphens or spaces now and then: a file is taken for a
table with another separator only where at least ``SHARE`` of its lines have that separator the
same number of times, inside and not at an edge. A comma counts only in a file called a table, or
where no space follows it ("Smith, John" is a name); one space a line counts only in a file called
a table or a lexicon ("Mary Ann" is a name). Hyphens, colons, slashes and dots never count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqcli.errors import UsageError

SHARE = 0.9  # of the lines must agree
FEWEST = 2  # lines from which anything can be said
TAB, SPACE, SPACES = "tab", "space", "spaces"
NAMED = {TAB: "\t", "comma": ",", "semicolon": ";", "pipe": "|", "\\t": "\t", " ": SPACE}
TABLES = (".tsv", ".tab")  # names of files that say: a table with tabs
LEXICONS = (*TABLES, ".dict", ".dic", ".lex", ".lexicon", ".pairs")
_MOST_PHONE = 2.25  # mean characters of the symbols behind the word of a pronunciation lexicon
_FEWEST_PHONES = 3  # of them in a line, on average
_ARROWS = ("->", "=>", "→", "⇒", "↦")

_GAP = re.compile(r"\s{2,}")

Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Suspicion:
    """A separator that a text without tabs seems to have.

    Args:
        what: the separator in words, for a message.
        option: what to give ``--separator``.
    """

    what: str
    option: str


def separator_of(asked: str) -> str:
    """Return the separator that an option names: a text, or SPACE or SPACES.

    Raises:
        UsageError: it is empty of everything but line ends, or has a quote or a line end in it.
    """
    found = NAMED.get(asked, asked)
    if found in (SPACE, SPACES, "\t"):
        return found
    found = found.strip()
    if not found or '"' in found or not found.isprintable():
        hint = (
            "such as ';', '|||', tab, space (the last column takes the rest) or spaces (2 or more)"
        )
        raise UsageError(f"--separator cannot be {asked!r}", hint)
    return found


def splitter(separator: str, width: int) -> Split:
    """Return what cuts a line into cells.

    White space around cells is left off, except with tabs. ``space`` is any run of white space:
    the last of ``width`` columns takes the rest of the line, as in a pronunciation lexicon.
    """
    if separator == "\t":
        return lambda line: line.split("\t")
    if separator == SPACE:
        return lambda line: line.strip().split(None, width - 1)
    if separator == SPACES:
        return lambda line: _GAP.split(line.strip())
    return lambda line: [cell.strip() for cell in line.split(separator)]


def suspected(lines: Sequence[str], suffix: str) -> Suspicion | None:
    """Return the separator of lines without tabs that look like a table; None for plain texts.

    Args:
        lines: the first lines of a file; blank ones are not counted.
        suffix: of the file's name, in lower case.
    """
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) < FEWEST:
        return None
    if _agree(lines, "|||"):
        return Suspicion("'|||'", "|||")
    arrow = next((one for one in _ARROWS if _agree(lines, one, once=True)), "")
    if arrow:
        return Suspicion(f"{arrow!r}", arrow)
    for mark in ";|":
        if _agree(lines, mark):
            return Suspicion(f"{mark!r}", mark)
    if _agree(lines, "=", once=True):
        return Suspicion("'='", "=")
    if _has_commas(lines, suffix):
        return Suspicion("commas", ",")
    return _spaces(lines, suffix)


def same_count(lines: Sequence[str], separator: str) -> int:
    """Return how often ``separator`` is in each of nearly all lines; 0 where they differ."""
    counts = Counter(line.count(separator) for line in lines)
    count, agreeing = counts.most_common(1)[0]
    return count if agreeing >= SHARE * len(lines) else 0


def _agree(lines: Sequence[str], separator: str, *, once: bool = False) -> bool:
    """Say whether nearly all lines have a separator equally often, with text at both sides."""
    count = same_count(lines, separator)
    if not count or (once and count > 1):
        return False
    filled = sum(all(cell.strip() for cell in line.split(separator)) for line in lines)
    return filled >= SHARE * len(lines)


def _has_commas(lines: Sequence[str], suffix: str) -> bool:
    if suffix in TABLES:
        return sum("," in line for line in lines) >= SHARE * len(lines)
    spaced = sum(", " in line for line in lines)
    return _agree(lines, ",") and spaced <= (1 - SHARE) * len(lines)


def _spaces(lines: Sequence[str], suffix: str) -> Suspicion | None:
    """Return the suspicion that columns are parted by white space."""
    if _is_lexicon(lines):
        return Suspicion("a word and its symbols, parted by spaces,", SPACE)
    if same_count([_GAP.sub("\0", line) for line in lines], "\0"):
        return Suspicion("two or more spaces", SPACES)
    if suffix in LEXICONS and _agree(lines, " ", once=True):
        return Suspicion("one space", SPACE)
    return None


def _is_lexicon(lines: Sequence[str]) -> bool:
    """Say whether lines are a word and short symbols: ``HELLO  HH AH L OW``."""
    rows = [line.split() for line in lines]
    symbols = [symbol for row in rows for symbol in row[1:]]
    longer = sum(len(row) > 1 and len(row[0]) > 1 for row in rows)
    if longer < SHARE * len(rows) or len(symbols) < _FEWEST_PHONES * len(rows):
        return False
    words = sum(len(row[0]) for row in rows) / len(rows)
    mean = sum(map(len, symbols)) / len(symbols)
    return mean <= _MOST_PHONE and words > 1.5 * mean
