"""Format numbers and text for display."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from seqcli.data.vocabulary import EOS, SPECIALS, visible_token
from seqcli.messages import count as count
from seqcli.messages import plural as plural

if TYPE_CHECKING:
    from seqcli.results import Prediction

# Unicode's Bidi_Control, which can reorder a whole line
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_LINE_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})

BASELINE_NAMES = {
    "chance": "chance",
    "majority": "per-position majority",
    "most_frequent": "most frequent target",
    "copy": "copy of the source",
    "memorize_else_copy": "training lookup, else copy",
    "memorize_else_most_frequent": "training lookup, else most frequent target",
}


def percent(fraction: float) -> str:
    """Format a fraction as a percentage with one decimal; only exactly 1 gives 100.0%.

    A fraction that would round to 0.0% gets two decimals, or is "<0.01%".
    """
    if 0 < fraction < 0.0005:
        return f"{fraction:.2%}" if fraction >= 0.00005 else "<0.01%"
    rounded = round(fraction * 100, 1)
    if rounded >= 100 and fraction < 1:
        rounded = 99.9
    return f"{rounded:.1f}%"


def loss(value: float) -> str:
    """Format a loss with four decimals, or in scientific notation if they would all be 0."""
    return f"{value:.1e}" if 0 < abs(value) < 0.00005 else f"{value:.4f}"


def baseline_name(name: str) -> str:
    """Return the display name of a baseline."""
    return BASELINE_NAMES.get(name, name.replace("_", " "))


def duration(seconds: float) -> str:
    """Format a time span: ``3.2 s`` under a minute, then ``1:05``, ``2:03:04``."""
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def visible(text: str, keep: str = "") -> str:
    """Escape control characters except those in ``keep``: data must not control the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if is_control(one) and one not in keep else one for one in text)


def prediction_line(
    prediction: Prediction, logprob: bool = False, scores: bool = False, token_probs: bool = False
) -> str:
    """Format a prediction as one line: the candidates, separated by tabs, best first.

    Args:
        prediction: the prediction.
        logprob, scores: append the log-probability, and the score, to each candidate.
        token_probs: append the probabilities of the tokens, and of ``<eos>``, separated by spaces.
    """
    cells: list[str] = []
    for candidate in prediction.candidates:
        cells.append(_one_line(candidate.text))
        cells += [f"{candidate.log_probability:.4f}"] * logprob
        cells += [f"{candidate.score:.4f}"] * scores
        cells += [" ".join(f"{one.probability:.4f}" for one in candidate.tokens)] * token_probs
    return "\t".join(cells)


def _one_line(text: str) -> str:
    """Escape tabs and line breaks, which tokens of JSON lines may contain."""
    return text if text.isprintable() else text.translate(_LINE_ESCAPES)


def token_label(token: str | None) -> str:
    """Return the label of a token for lists and plot axes; None is the end of the sequence.

    The end is shown as ``<eos>``; a token of the data that looks like a special token is quoted.
    """
    if token is None:
        return SPECIALS[EOS]
    return f"'{token}'" if token in SPECIALS else visible_token(token)


def is_control(character: str) -> bool:
    """Return whether a character controls the terminal instead of being displayed."""
    return character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
