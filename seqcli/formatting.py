"""How numbers and texts are written for people."""

from __future__ import annotations

import unicodedata

from seqcli.data.vocabulary import EOS, SPECIALS, visible_token
from seqcli.messages import count as count
from seqcli.messages import plural as plural

# Unicode's Bidi_Control: they can turn a whole line around
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


BASELINE_NAMES = {
    "chance": "chance",
    "majority": "per-position majority",
    "most_frequent": "most frequent target",
    "copy": "copy of the source",
    "memorize_else_copy": "training lookup, else copy",
    "memorize_else_most_frequent": "training lookup, else most frequent target",
}


def percent(share: float) -> str:
    """Write a share as a percentage with one decimal; only a true 1 is written 100.0%.

    What would be 0.0% and is not has two decimals, or is "<0.01%".
    """
    if 0 < share < 0.0005:
        return f"{share:.2%}" if share >= 0.00005 else "<0.01%"
    rounded = round(share * 100, 1)
    if rounded >= 100 and share < 1:
        rounded = 99.9
    return f"{rounded:.1f}%"


def loss(value: float) -> str:
    """Write a loss: four decimals, or two digits where that would show only zeros."""
    return f"{value:.1e}" if 0 < abs(value) < 0.00005 else f"{value:.4f}"


def baseline_name(name: str) -> str:
    """Return what a baseline is called on the screen."""
    return BASELINE_NAMES.get(name, name.replace("_", " "))


def duration(seconds: float) -> str:
    """Write a time span: ``3.2 s`` under a minute, then ``1:05``, ``2:03:04``."""
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def visible(text: str, keep: str = "") -> str:
    """Escape control characters, all but those in ``keep``: data must never steer the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if is_control(one) and one not in keep else one for one in text)


def token_label(token: str | None) -> str:
    """Return a token as it is named in a list or at an axis; None is the end of the sequence.

    The end is ``<eos>``, and a token of the data that is spelt like a special one is in quotes.
    """
    if token is None:
        return SPECIALS[EOS]
    return f"'{token}'" if token in SPECIALS else visible_token(token)


def is_control(symbol: str) -> bool:
    """Return whether a terminal does something else with a character than to show it."""
    return symbol in _BIDI or unicodedata.category(symbol) in ("Cc", "Cs", "Zl", "Zp")


def _escape(symbol: str) -> str:
    return symbol.encode("unicode_escape").decode("ascii")
