"""Parse columns: separators, their detection in text without tabs, and column roles.

A list of names may contain some semicolons, commas, hyphens or spaces. A file is treated as a table
with another separator only if at least ``SHARE`` of its lines have that separator the same number
of times, with text on both sides. Commas count only in a file with the suffix of a table, or if no
space follows them ("Smith, John" is a name). One space per line counts only in a file with the
suffix of a table or a lexicon ("Mary Ann" is a name). Hyphens, colons, slashes and dots never
count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqcli import registry
from seqcli.errors import DataError, UsageError

SHARE = 0.9  # minimum fraction of lines that must agree
FEWEST = 2  # minimum number of lines for detection
TAB, SPACE, SPACES = "tab", "space", "spaces"
NAMED = {TAB: "\t", "comma": ",", "semicolon": ";", "pipe": "|", "\\t": "\t", " ": SPACE}
TABLES = (".tsv", ".tab")  # suffixes of tab-separated tables
LEXICONS = (*TABLES, ".dict", ".dic", ".lex", ".lexicon", ".pairs")
_MOST_PHONE = 2.25  # mean length of the phones in a pronunciation lexicon
_FEWEST_PHONES = 3  # mean number of phones per line
_ARROWS = ("->", "=>", "→", "⇒", "↦")

_GAP = re.compile(r"\s{2,}")

Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class GuessedSeparator:
    """A separator that a text without tabs seems to use.

    Args:
        what: the separator in words, for a message.
        option: the value for ``--separator``.
    """

    what: str
    option: str


def separator_of(option: str) -> str:
    """Convert ``--separator`` to the separator: a text, or SPACE or SPACES.

    Raises:
        UsageError: the option is blank, or contains a quote or a line end.
    """
    separator = NAMED.get(option, option)
    if separator in (SPACE, SPACES, "\t"):
        return separator
    separator = separator.strip()
    if not separator or '"' in separator or not separator.isprintable():
        hint = (
            "such as ';', '|||', tab, space (the last column takes the rest) or spaces (2 or more)"
        )
        raise UsageError(f"--separator cannot be {option!r}", hint)
    return separator


def splitter(separator: str, width: int) -> Split:
    """Return the function that splits a line into cells.

    White space around cells is stripped, except with tabs. ``space`` is any run of white space:
    the last of ``width`` columns takes the rest of the line, as in a pronunciation lexicon.
    """
    if separator == "\t":
        return lambda line: line.split("\t")
    if separator == SPACE:
        return lambda line: line.strip().split(None, width - 1)
    if separator == SPACES:
        return lambda line: _GAP.split(line.strip())
    return lambda line: [cell.strip() for cell in line.split(separator)]


def guess_separator(lines: Sequence[str], suffix: str) -> GuessedSeparator | None:
    """Guess the separator of lines without tabs; return None if they are plain texts.

    Args:
        lines: the first lines of a file; blank ones are ignored.
        suffix: the suffix of the file's name, in lower case.
    """
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) < FEWEST:
        return None
    if _agree(lines, "|||"):
        return GuessedSeparator("'|||'", "|||")
    arrow = next((one for one in _ARROWS if _agree(lines, one, once=True)), "")
    if arrow:
        return GuessedSeparator(f"{arrow!r}", arrow)
    for mark in ";|":
        if _agree(lines, mark):
            return GuessedSeparator(f"{mark!r}", mark)
    if _agree(lines, "=", once=True):
        return GuessedSeparator("'='", "=")
    if _has_commas(lines, suffix):
        return GuessedSeparator("commas", ",")
    return _spaces(lines, suffix)


def same_count(lines: Sequence[str], separator: str) -> int:
    """Return the number of separators in nearly all lines; 0 if lines differ."""
    counts = Counter(line.count(separator) for line in lines)
    count, agreeing = counts.most_common(1)[0]
    return count if agreeing >= SHARE * len(lines) else 0


def _agree(lines: Sequence[str], separator: str, *, once: bool = False) -> bool:
    """Return whether nearly all lines have equally many separators, with text on both sides."""
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


def _spaces(lines: Sequence[str], suffix: str) -> GuessedSeparator | None:
    """Guess whether columns are separated by white space."""
    if _is_lexicon(lines):
        return GuessedSeparator("a word and its tokens, separated by spaces,", SPACE)
    if same_count([_GAP.sub("\0", line) for line in lines], "\0"):
        return GuessedSeparator("two or more spaces", SPACES)
    if suffix in LEXICONS and _agree(lines, " ", once=True):
        return GuessedSeparator("one space", SPACE)
    return None


def _is_lexicon(lines: Sequence[str]) -> bool:
    """Return whether lines are a word and short tokens: ``HELLO  HH AH L OW``."""
    rows = [line.split() for line in lines]
    tokens = [token for row in rows for token in row[1:]]
    longer = sum(len(row) > 1 and len(row[0]) > 1 for row in rows)
    if longer < SHARE * len(rows) or len(tokens) < _FEWEST_PHONES * len(rows):
        return False
    words = sum(len(row[0]) for row in rows) / len(rows)
    mean = sum(map(len, tokens)) / len(tokens)
    return mean <= _MOST_PHONE and words > 1.5 * mean


ROLES = ("source", "target", "features", "count")
UNUSED = "-"
_HINT = "such as target=1,source=2,- or, with a header, source=word,target=pron"


@dataclass(frozen=True)
class Columns:
    """The columns that the user selected.

    Args:
        selected: (role, position from 1) or (role, name in the header) for each used column.
        width: the number of columns per row, if the option implies it; else 0.
    """

    selected: tuple[tuple[str, int | str], ...]
    width: int = 0

    @property
    def named(self) -> bool:
        """Whether columns are selected by the names in a header."""
        return any(isinstance(where, str) for _, where in self.selected)

    def has(self, role: str) -> bool:
        """Return whether a column has a role."""
        return any(one == role for one, _ in self.selected)


@dataclass(frozen=True)
class Layout:
    """Positions of the parts of a pair in a row, counted from 0.

    Args:
        target: position of the target.
        source: position of the source; None for a language model.
        features: positions of the features, in order.
        count: position of the count, or None.
        width: the required number of columns per row; 0 for any.
    """

    target: int
    source: int | None = None
    features: tuple[int, ...] = ()
    count: int | None = None
    width: int = 0


PAIR = Columns((("source", 1), ("target", 2)), 2)
KEYS = Columns((("source", "source"), ("target", "target")))


def parse_columns(text: str) -> Columns | None:
    """Parse ``data.columns``; return None if it is empty.

    Raises:
        UsageError: the text is invalid, has no target, or repeats a position or role.
    """
    if not text.strip():
        return None
    items = [item.strip() for item in text.split(",")]
    selected = [_selected(item, at) for at, item in enumerate(items, 1) if item != UNUSED]
    roles, places = [role for role, _ in selected], [where for _, where in selected]
    for role in ROLES:
        if role != "features" and roles.count(role) > 1:
            raise UsageError(f"--columns {text}: {role} is given twice", _HINT)
    repeated = next((where for where in places if places.count(where) > 1), None)
    if repeated is not None:
        raise UsageError(f"--columns {text}: column {repeated} is given twice", _HINT)
    if "target" not in roles:
        raise UsageError(f"--columns {text}: no column is the target", _HINT)
    fixed_width = UNUSED in items or any("=" not in item for item in items)
    return Columns(tuple(selected), len(items) if fixed_width else 0)


def _selected(item: str, at: int) -> tuple[str, int | str]:
    role, equals, where = (part.strip() for part in item.partition("="))
    if role not in ROLES:
        known = registry.suggest(role, [*ROLES, UNUSED])
        raise UsageError(f"--columns: unknown role {role!r}", known)
    if not equals:
        return role, at
    if where.isdecimal():
        if int(where) < 1:
            raise UsageError(f"--columns {item}: columns are counted from 1", _HINT)
        return role, int(where)
    if not where:
        raise UsageError(f"--columns {item}: no column is given", _HINT)
    return role, where


def layout(columns: Columns, header: Sequence[str], where: str) -> Layout:
    """Return the positions of the columns.

    Args:
        columns: the selected columns.
        header: the cells of the header, or the keys of a record; empty without a header.
        where: the location of the header, for errors: ``path, line N``.

    Raises:
        DataError: the header does not have a column, or has it twice.
    """
    places: dict[str, list[int]] = {}
    for role, one in columns.selected:
        at = _find(one, header, where) if isinstance(one, str) else one - 1
        places.setdefault(role, []).append(at)
    source, count = places.get("source"), places.get("count")
    width = columns.width or len(header)
    return Layout(
        places["target"][0],
        source[0] if source else None,
        tuple(places.get("features", ())),
        count[0] if count else None,
        width,
    )


def _find(name: str, header: Sequence[str], where: str) -> int:
    cells = [cell.strip() for cell in header]
    if cells.count(name) == 1:
        return cells.index(name)
    problem = "appears twice" if name in cells else "is not in the header"
    shown = ", ".join(cell[:40] for cell in cells[:12])
    raise DataError(f"{where}: column {name!r} {problem}", f"the header has {shown}")
