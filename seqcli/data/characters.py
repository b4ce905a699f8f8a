"""Characters that cannot be seen: which they are, and how they are shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_JOINERS = "\u200c\u200d"  # part of the spelling after a letter of many scripts, or of an emoji
_TAGS = range(0xE0020, 0xE0080)  # spell the names of flags
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")


@lru_cache(maxsize=1 << 16)
def is_unseen(character: str) -> bool:
    """Say whether a character leaves no mark: a control, a format character, an odd space.

    So are private use and unassigned characters, of which nobody knows the look. The space is not.
    """
    return character != " " and unicodedata.category(character) in _UNSEEN


def unseen(text: str) -> Iterator[tuple[int, str]]:
    """Yield the place and the character of what cannot be seen in a text.

    Joiners and tags behind a letter or an emoji, which spell words and flags, are left out.
    """
    if text.isprintable() and text.isascii():
        return
    for place, character in enumerate(text):
        if is_unseen(character) and not _spells(text, place):
            yield place, character


def code_of(character: str) -> str:
    """Return the code and the name of a character, such as ``U+200B ZERO WIDTH SPACE``."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def visible_token(token: str) -> str:
    """Return a token such that all of it can be seen, in quotes where it is or ends in a space.

    What cannot be seen is written as an escape: ``\\u200b``. So is a mark without its letter.
    """
    shown = "".join(_escape(one) if is_unseen(one) else one for one in token)
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
