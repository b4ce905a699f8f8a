"""Names that come from a file and become names of folders."""

from __future__ import annotations

from seqcli.errors import UsageError

LONGEST_NAME = 150  # characters; file systems allow 255 bytes


def single_name(name: str, where: str) -> str:
    """Return a name from a file if it is one part of a path that stays in its folder.

    Raises:
        UsageError: it is not: empty, too long, hidden, or with a separator in it.
    """
    printable = name.isprintable() and not set(name) & set("/\\:")
    if not printable or not name.strip() or name.startswith(".") or len(name) > LONGEST_NAME:
        shown = repr(name if len(name) < 60 else name[:57] + "...")
        hint = f"use letters, digits, - and _; at most {LONGEST_NAME} characters"
        raise UsageError(f"{where}: {shown} cannot be the name of a folder", hint)
    return name
