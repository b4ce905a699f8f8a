"""Tokenize texts, and normalize them before tokenization."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple, cast

from seqcli import registry

# Unicode versions, newest first, each with a character that it added.
_ADDED = (("17.0", "\U00016ea0"), ("16.0", "\U00010d40"), ("15.1", "\u2ffc"))


def graphemes(text: str) -> list[str]:
    """Split a text into extended grapheme clusters (Unicode Standard Annex #29).

    A cluster is what readers perceive as one character: a letter with its accents, a Hangul
    syllable, a conjunct of Devanagari, Bengali or Malayalam, a flag, or an emoji with its
    modifiers. Joining the clusters gives the text.
    """
    if text.isascii() and "\r" not in text:  # CR LF is the only cluster of two ASCII characters
        return list(text)
    return _find_clusters()(text)


@cache
def grapheme_rule() -> str:
    """Return the version of the segmentation rules in `regex`, such as ``Unicode 17.0``.

    A checkpoint of a model with grapheme tokens stores it: another version may split the same
    text differently. Versions newer than those listed here count as the newest one listed.
    """
    import regex  # takes 30 ms, so only grapheme tokens import it

    assigned = (name for name, added in _ADDED if not regex.match(r"\p{Cn}", added))
    return f"Unicode {next(assigned, '15.0 or older')}"


@cache
def _find_clusters() -> Callable[[str], list[str]]:
    import regex

    find: Callable[[str], list[str]] = regex.compile(r"\X").findall
    return find


class TokenStyle(NamedTuple):
    """A way to tokenize: the function that splits a text, and the separator that joins tokens."""

    split: Callable[[str], list[str]]
    joiner: str


@dataclass(frozen=True)
class Tokenizer:
    """Split the texts of one side of a pair into tokens, and join tokens into texts.

    Args:
        style: a name of `seqcli.registry.TOKEN_STYLES`.
    """

    style: str

    @cached_property
    def _style(self) -> TokenStyle:
        style: TokenStyle = registry.resolve("token style", self.style, registry.TOKEN_STYLES)
        return style

    @property
    def joiner(self) -> str:
        """The separator between the tokens of a text."""
        return self._style.joiner

    @property
    def rule(self) -> str:
        """The version of the segmentation rules; "" if they never change."""
        return grapheme_rule() if self.style == "graphemes" else ""

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        return self._style.split(text)

    def join(self, tokens: Sequence[str]) -> str:
        """Join tokens into a text."""
        return self.joiner.join(tokens)


def _whole(text: str) -> list[str]:
    return [text.strip()] if text.strip() else []


CHARS = TokenStyle(list, "")
GRAPHEMES = TokenStyle(graphemes, "")
WORDS = TokenStyle(str.split, " ")
WHOLE = TokenStyle(_whole, "")


FORMS = ("none", "nfc", "nfd")
SIDES = ("none", "source", "target", "both")


@dataclass(frozen=True)
class Normalizer:
    """Normalize texts before tokenization.

    Args:
        normalize: one of `FORMS`, the Unicode normalization of both sides and of the features.
        lower: one of `SIDES`, the side of a pair to convert to lower case.
    """

    normalize: str = "none"
    lower: str = "none"

    def source(self, text: str) -> str:
        """Normalize a source."""
        return self._form(text, self.lower in ("source", "both"))

    def target(self, text: str) -> str:
        """Normalize a target."""
        return self._form(text, self.lower in ("target", "both"))

    def feature(self, text: str) -> str:
        """Normalize a feature; its case is kept."""
        return self._form(text, False)

    def _form(self, text: str, lower: bool) -> str:
        if text.isascii():
            return text.lower() if lower else text
        text = text.lower() if lower else text
        if self.normalize == "none":
            return text
        return unicodedata.normalize(cast(Literal["NFC", "NFD"], self.normalize.upper()), text)


# Feature tokens cannot occur in a text: they begin with a space, unlike words and whole texts, and
# have more than one character, unlike characters and graphemes.
_BEFORE, _AFTER, SEPARATOR = " [", "]", ";"


def feature_tokens(text: str, form: Normalizer) -> list[str]:
    """Split features such as ``N;ACC;PL`` into tokens, without empty ones."""
    names = (form.feature(name).strip() for name in text.split(SEPARATOR))
    return [f"{_BEFORE}{name}{_AFTER}" for name in names if name]


def is_feature(token: str) -> bool:
    """Return whether a token of a source is a feature."""
    return token.startswith(_BEFORE) and token.endswith(_AFTER)


def feature_text(tokens: Sequence[str]) -> str:
    """Join feature tokens into the text used in files."""
    return SEPARATOR.join(token[len(_BEFORE) : -len(_AFTER)] for token in tokens)
