"""Write any text such that it fits a cell of a table with tabs, and read it back."""

from __future__ import annotations

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_MEANINGS = {escape[1]: symbol for symbol, escape in _ESCAPES.items()}


def unescape(text: str) -> str:
    """Undo `escape`.

    Raises:
        ValueError: a backslash stands before something else.
    """
    symbols, found = iter(text), []
    for symbol in symbols:
        meant = _MEANINGS.get(next(symbols, "")) if symbol == "\\" else symbol
        if meant is None:
            raise ValueError
        found.append(meant)
    return "".join(found)


def escape(text: str) -> str:
    """Write backslashes, tabs and line ends of a text such that it fits a cell."""
    for symbol, escape in _ESCAPES.items():
        if symbol in text:
            text = text.replace(symbol, escape)
    return text
