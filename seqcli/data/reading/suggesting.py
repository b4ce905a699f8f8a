"""Which ``--columns`` a file with more than two columns may want, told by its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_SHARE = 0.8  # of the cells of a column
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_TAGS = re.compile(r"[A-Z0-9][\w.,/{}()+*=-]*([;|][\w.,/{}()+*=-]+)+")
_NOTHING = ("", "_", "-")


def columns_hint(rows: Sequence[Sequence[str]], width: int) -> str:
    """Return an option such as ``give --columns source,target,features``; "" where none is clear.

    Args:
        rows: the cells of some rows.
        width: how many columns were expected.
    """
    widths = Counter(map(len, rows))
    if not widths:
        return ""
    common, agreeing = widths.most_common(1)[0]
    if common <= 2 or common == width or agreeing < _SHARE * len(rows):
        return ""
    table = [row for row in rows if len(row) == common]
    kinds = [_kind([row[at].strip() for row in table]) for at in range(common)]
    return f"each row has {common} columns: give --columns {','.join(_roles(kinds))}"


def _kind(cells: Sequence[str]) -> str:
    """Return "number", "tags", "nothing" or "text" for a column."""
    checks = (
        ("nothing", lambda cell: cell in _NOTHING),
        ("number", lambda cell: bool(_NUMBER.fullmatch(cell))),
        ("tags", lambda cell: bool(_TAGS.fullmatch(cell))),
    )
    for kind, fits in checks:
        if sum(map(fits, cells)) >= _SHARE * len(cells):
            return kind
    return "text"


def _roles(kinds: Sequence[str]) -> list[str]:
    """Return a role for each column: the first two texts are source and target."""
    roles, texts = [], ["source", "target"]
    for at, kind in enumerate(kinds):
        if kind == "text" and texts:
            roles.append(texts.pop(0))
        elif kind == "tags" and "features" not in roles:
            roles.append("features")
        elif kind == "number" and at == len(kinds) - 1 and not texts:
            roles.append("count")
        else:
            roles.append("-")
    if "target" not in roles:
        return ["source", "target", *["-"] * (len(kinds) - 2)]
    return roles
