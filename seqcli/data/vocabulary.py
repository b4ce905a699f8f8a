"""Tokenize texts, and map tokens to ids. The four special ids come before every data token."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Literal, NamedTuple, cast

from seqcli import registry

# Unicode versions, newest first, each with a character that it added.
_ADDED = (("17.0", "\U00016ea0"), ("16.0", "\U00010d40"), ("15.1", "\u2ffc"))


def graphemes(text: str) -> list[str]:
    """Split a text into extended grapheme clusters (Unicode Standard Annex #29).

    A cluster is what readers perceive as one character: a letter with its accents, a Hangul
    syllable, a conjunct of Devanagari, Bengali, Gujarati, Oriya, Telugu or Malayalam (rule GB9c),
    a flag, or an emoji with its modifiers. The rule does not apply to Sinhala, Kannada, Tamil and
    Gurmukhi: there a cluster ends after the virama, or after the zero-width joiner that follows
    it. Joining the clusters gives the text.
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


PAD, BOS, EOS, UNK = range(4)
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
UNKNOWN_TEXT = "\N{REPLACEMENT CHARACTER}"  # the text of a predicted <unk>; never a data token


@dataclass(frozen=True)
class Vocabulary:
    """Data tokens in order; the id of ``tokens[i]`` is ``i + 4``.

    A data token may be any string, even one that looks like the name of a special token: special
    tokens are identified by their ids only.
    """

    tokens: tuple[str, ...]
    ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {token: index for index, token in enumerate(self.tokens, len(SPECIALS))}
        if len(table) != len(self.tokens):
            raise ValueError("the vocabulary contains a token twice")
        object.__setattr__(self, "ids", table)

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> Vocabulary:
        """Build a vocabulary of sorted tokens, so that ids do not depend on the order of rows."""
        return cls(tuple(sorted({token for row in rows for token in row})))

    def __len__(self) -> int:
        """Return the number of ids, including special tokens."""
        return len(SPECIALS) + len(self.tokens)

    def encode(self, row: Sequence[str]) -> list[int]:
        """Return the ids of a row; an unknown token becomes UNK."""
        return [self.ids.get(token, UNK) for token in row]

    def decode(self, row: Iterable[int]) -> list[str]:
        """Return the tokens of a row of ids without PAD, BOS and EOS."""
        first = len(SPECIALS)
        return [self.tokens[i - first] if i >= first else UNKNOWN_TEXT for i in map(int, row)]

    def ids_in(self, other: Vocabulary) -> list[int]:
        """Return, for each id, the id of the same token in another vocabulary.

        It is PAD for special tokens, and for tokens that the other vocabulary does not have.
        """
        return [PAD] * len(SPECIALS) + [other.ids.get(token, PAD) for token in self.tokens]

    def unknown(self, row: Sequence[str]) -> list[str]:
        """Return the distinct tokens of a row that have no id, in order."""
        return [token for token in dict.fromkeys(row) if token not in self.ids]


_JOINERS = "\u200c\u200d"  # part of the spelling in many scripts, and of emoji
_TAGS = range(0xE0020, 0xE0080)  # spell the names of flags
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")


@lru_cache(maxsize=1 << 16)
def is_invisible(character: str) -> bool:
    """Return whether a character is invisible: a control or format character, an unusual space.

    Private-use and unassigned characters count as invisible too, because they have no defined
    appearance. The space does not.
    """
    return character != " " and unicodedata.category(character) in _UNSEEN


def invisible_characters(text: str) -> Iterator[tuple[int, str]]:
    """Yield the position and the character of each invisible character in a text.

    Joiners and tags after a letter or an emoji, which spell words and flags, are skipped.
    """
    if text.isprintable() and text.isascii():
        return
    for place, character in enumerate(text):
        if is_invisible(character) and not _spells(text, place):
            yield place, character


def code_point_name(character: str) -> str:
    """Return the code point and name of a character, such as ``U+200B ZERO WIDTH SPACE``."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def visible_token(token: str) -> str:
    """Escape the invisible characters of a token; quote it if it starts or ends with a space.

    Invisible characters are written as escapes such as ``\\u200b``. So is a combining mark
    without a letter.
    """
    shown = "".join(_escape(one) if is_invisible(one) else one for one in token)
    if token and unicodedata.category(token[0]) in ("Mn", "Me"):
        shown = _escape(token[0]) + shown[1:]
    return f"'{shown}'" if token != token.strip(" ") or not token else shown


def _spells(text: str, place: int) -> bool:
    character, before = text[place], text[place - 1] if place else " "
    if character not in _JOINERS and ord(character) not in _TAGS:
        return False
    return not before.isascii() and not before.isspace()


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
