"""Write counts the same way everywhere: grouped digits, and nouns in the right number."""

from __future__ import annotations


def count(number: float) -> str:
    """Write a count with thousands separators: ``12,345``."""
    return f"{round(number):,}"


def plural(number: float, noun: str) -> str:
    """Write a count with its noun, given in the singular: ``1 row``, ``2,000 rows``."""
    return f"{count(number)} {noun}{'s' * (round(number) != 1)}"
