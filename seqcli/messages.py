"""Format counts and report notes, without importing NumPy or rich."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def count(number: float) -> str:
    """Format a count with thousands separators: ``12,345``."""
    return f"{round(number):,}"


def plural(number: float, noun: str) -> str:
    """Format a count with its noun, given in the singular: ``1 row``, ``2,000 rows``."""
    return f"{count(number)} {noun}{'s' * (round(number) != 1)}"


def note(text: str) -> None:
    """Report a problem that does not stop the command, such as a plot that cannot be drawn."""
    import logging  # rarely needed

    logging.getLogger("seqcli").warning("%s", text)


def model_words(paths: Iterable[object], sources_follow: bool = False) -> str:
    """Return models as words of a command line.

    Args:
        paths: run folders, checkpoint files or patterns.
        sources_follow: whether words after the first one are sources, as those of ``predict`` are.
    """
    words = [shlex.quote(str(path)) for path in paths]
    if sources_follow and len(words) > 1:
        return " ".join(f"--ckpt {word}" for word in words)
    return " ".join(words)


def reason(error: BaseException) -> str:
    """Format an exception as one short line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:200]
