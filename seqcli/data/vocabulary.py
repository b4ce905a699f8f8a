"""Map tokens to ids. The four special ids come before every data token."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

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
