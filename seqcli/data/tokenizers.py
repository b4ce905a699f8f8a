"""What a reader takes for one character: a letter with its accents, a syllable, a flag.

The rules for extended grapheme clusters of Unicode Standard Annex #29, GB3 to GB13, without GB9c
(conjuncts of Indic scripts, which Unicode 15.1 added).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from seqcli import registry

_ZWJ = 0x200D
# Extend, though no combining mark: ZWNJ, halfwidth voice marks, skin tones, tags of flags
_EXTEND = ((0x200C, 0x200C), (0xFF9E, 0xFF9F), (0x1F3FB, 0x1F3FF), (0xE0020, 0xE007F))
# a spacing mark, though a letter: the vowel AM of Thai and of Lao
_SPACING = ((0x0E33, 0x0E33), (0x0EB3, 0x0EB3))
# combining marks (Mc) of Burmese, Tai Tham and Ahom that stand for themselves
_NO_SPACING = (
    (0x102B, 0x102C), (0x1038, 0x1038), (0x1062, 0x1064), (0x1067, 0x106D), (0x1083, 0x1083),
    (0x1087, 0x108C), (0x108F, 0x108F), (0x109A, 0x109C), (0x1A61, 0x1A61), (0x1A63, 0x1A64),
    (0xAA7B, 0xAA7B), (0xAA7D, 0xAA7D), (0x11720, 0x11721),
)  # fmt: skip
_PREPEND = (
    (0x0600, 0x0605), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2),
    (0x0D4E, 0x0D4E), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x111C2, 0x111C3),
    (0x1193F, 0x1193F), (0x11941, 0x11941), (0x11A3A, 0x11A3A), (0x11A84, 0x11A89),
    (0x11D46, 0x11D46), (0x11F02, 0x11F02),
)  # fmt: skip
_PICTOGRAPHS = (
    (0xA9, 0xA9), (0xAE, 0xAE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122),
    (0x2139, 0x2139), (0x2194, 0x21AA), (0x231A, 0x23FF), (0x24C2, 0x24C2), (0x25AA, 0x27BF),
    (0x2934, 0x2935), (0x2B05, 0x2B55), (0x3030, 0x3030), (0x303D, 0x303D), (0x3297, 0x3299),
    (0x1F000, 0x1F1E5), (0x1F200, 0x1F3FA), (0x1F400, 0x1FAFF),
)  # fmt: skip
_HANGUL = (
    ("L", 0x1100, 0x115F), ("L", 0xA960, 0xA97C), ("V", 0x1160, 0x11A7), ("V", 0xD7B0, 0xD7C6),
    ("T", 0x11A8, 0x11FF), ("T", 0xD7CB, 0xD7FB),
)  # fmt: skip
# of Hangul: which kinds may follow which without a break (GB6 to GB8)
_JOINS = {"L": ("L", "V", "LV", "LVT"), "LV": ("V", "T"), "V": ("V", "T"), "LVT": "T", "T": "T"}


def graphemes(text: str) -> list[str]:
    """Cut a text into grapheme clusters; put together again they are the text."""
    if text.isascii() and "\r" not in text:
        return list(text)
    found: list[str] = []
    start, flags, picture = 0, 0, False  # of the cluster so far
    for place in range(1, len(text)):
        before, after = text[place - 1], text[place]
        flags = flags + 1 if kind(before) == "flag" else 0
        picture = kind(before) == "picture" or (picture and kind(before) in ("extend", "zwj"))
        if _breaks(kind(before), kind(after), flags, picture):
            found.append(text[start:place])
            start, picture = place, False
            flags = 0
    return [*found, text[start:]] if text else []


def _breaks(before: str, after: str, flags: int, picture: bool) -> bool:
    """Say whether a cluster ends between two characters of these kinds.

    Args:
        before, after: their kinds.
        flags: regional indicators in a row up to ``before``, in this cluster.
        picture: whether up to ``before`` there is a pictograph with what extends it.
    """
    if (before, after) == ("cr", "lf"):
        return False
    if before in ("cr", "lf", "control") or after in ("cr", "lf", "control"):
        return True
    if after in ("extend", "zwj", "spacing") or before == "prepend":
        return False
    if before == "zwj" and after == "picture":
        return not picture
    if before == after == "flag":
        return flags % 2 == 0
    return after not in _JOINS.get(before, ())


@lru_cache(maxsize=1 << 16)
def kind(character: str) -> str:
    """Return what a character is to the rules: "extend", "picture", "L" ... or "other"."""
    code, category = ord(character), unicodedata.category(character)
    if code in (0x0D, 0x0A):
        return "cr" if code == 0x0D else "lf"
    if code == _ZWJ:
        return "zwj"
    if category in ("Mn", "Me") or _inside(code, _EXTEND):
        return "extend"
    if (category == "Mc" and not _inside(code, _NO_SPACING)) or _inside(code, _SPACING):
        return "spacing"
    if _inside(code, _PREPEND):
        return "prepend"
    if category in ("Cc", "Cf", "Zl", "Zp", "Cs"):
        return "control"
    return _other_kind(code)


def _other_kind(code: int) -> str:
    if 0xAC00 <= code <= 0xD7A3:  # a syllable of Hangul: every 28th has no last consonant
        return "LVT" if (code - 0xAC00) % 28 else "LV"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return "flag"
    if _inside(code, _PICTOGRAPHS):
        return "picture"
    return next((kind for kind, low, high in _HANGUL if low <= code <= high), "other")


def _inside(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)


class Style(NamedTuple):
    """A way to cut texts: the cut, and what stands between symbols that are put together."""

    split: Callable[[str], list[str]]
    joiner: str


@dataclass(frozen=True)
class Tokens:
    """How a side of a pair is cut into symbols and put together again.

    Args:
        style: a name of `seqcli.registry.TOKEN_STYLES`.
    """

    style: str

    @cached_property
    def _way(self) -> Style:
        found: Style = registry.resolve("token style", self.style, registry.TOKEN_STYLES)
        return found

    @property
    def joiner(self) -> str:
        """What stands between symbols in a text."""
        return self._way.joiner

    def split(self, text: str) -> list[str]:
        """Cut a text into symbols."""
        return self._way.split(text)

    def join(self, symbols: Sequence[str]) -> str:
        """Put symbols together as a text."""
        return self.joiner.join(symbols)


def _whole(text: str) -> list[str]:
    return [text.strip()] if text.strip() else []


CHARS = Style(list, "")
GRAPHEMES = Style(graphemes, "")
WORDS = Style(str.split, " ")
WHOLE = Style(_whole, "")
