"""Write counts the same way everywhere: grouped digits, and nouns in the right number."""

from __future__ import annotations


def count(number: float) -> str:
    """Write a count with thousands separators: ``12,345``."""
    return f"{round(number):,}"


def plural(number: float, noun: str) -> str:
    """Write a count with its noun, given in the singular: ``1 row``, ``2,000 rows``."""
    return f"{count(number)} {noun}{'s' * (round(number) != 1)}"


def note(text: str) -> None:
    """Report trouble that the work survived, such as a plot that could not be drawn."""
    import logging  # not needed where nothing goes wrong

    logging.getLogger("seqcli").warning("%s", text)


def reason(error: BaseException) -> str:
    """Return an exception as one short line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:200]
