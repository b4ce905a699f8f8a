"""What is done to every text before it is cut into tokens, in training and ever after."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

FORMS = ("none", "nfc", "nfd")
SIDES = ("none", "source", "target", "both")


@dataclass(frozen=True)
class Normalizer:
    """How texts are made alike.

    Args:
        normalize: one of `FORMS`, the Unicode normalization of both sides and of the features.
        lower: one of `SIDES`, the side of a pair in lower case.
    """

    normalize: str = "none"
    lower: str = "none"

    def source(self, text: str) -> str:
        """Return a source as the model sees it."""
        return self._form(text, self.lower in ("source", "both"))

    def target(self, text: str) -> str:
        """Return a target as the model sees it."""
        return self._form(text, self.lower in ("target", "both"))

    def feature(self, text: str) -> str:
        """Return a feature as the model sees it: its case is kept."""
        return self._form(text, False)

    def _form(self, text: str, lower: bool) -> str:
        if text.isascii():
            return text.lower() if lower else text
        text = text.lower() if lower else text
        if self.normalize == "none":
            return text
        return unicodedata.normalize(cast(Literal["NFC", "NFD"], self.normalize.upper()), text)


# Features are tokens of the source that no text can hold: one begins with a space, which no word
# and no whole text does, and has more than one character, as no single character has.
_BEFORE, _AFTER, SEPARATOR = " [", "]", ";"


def feature_tokens(text: str, form: Normalizer) -> list[str]:
    """Return the tokens of features such as ``N;ACC;PL``; empty ones count for nothing."""
    names = (form.feature(name).strip() for name in text.split(SEPARATOR))
    return [f"{_BEFORE}{name}{_AFTER}" for name in names if name]


def is_feature(token: str) -> bool:
    """Say whether a token of a source is a feature."""
    return token.startswith(_BEFORE) and token.endswith(_AFTER)


def feature_text(tokens: Sequence[str]) -> str:
    """Return features as they are written in a file."""
    return SEPARATOR.join(token[len(_BEFORE) : -len(_AFTER)] for token in tokens)
