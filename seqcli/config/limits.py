"""The types and limits of configuration keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from seqcli import registry

Scalar = bool | int | float | str


@dataclass(frozen=True, eq=False)
class OneOf:
    """One of the names in some collections, such as the tables of `seqcli.registry`.

    The collections are read at each use, so names that are registered later are allowed.
    ``empty``: whether an empty text (no choice) is allowed too.
    """

    collections: tuple[Iterable[str], ...]
    empty: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are currently allowed."""
        return tuple(name for names in self.collections for name in names)

    def allows(self, value: Scalar) -> bool:
        """Return whether ``value`` is one of the names."""
        return value in self.names or (self.empty and value == "")

    def __str__(self) -> str:
        return " one of " + ", ".join(self.names)


@dataclass(frozen=True, eq=False)
class SomeOf(OneOf):
    """Any of the names, separated by commas; an empty text selects none."""

    def allows(self, value: Scalar) -> bool:
        """Return whether ``value`` consists of these names."""
        return value == "" or all(name in self.names for name in str(value).split(","))


@dataclass(frozen=True)
class Range:
    """A range of numbers; None means no bound."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def allows(self, value: Scalar) -> bool:
        """Return whether ``value`` is in the range."""
        assert not isinstance(value, str)
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f" from {self.at_least} to {self.at_most}"
        low = f" above {self.above}" if self.at_least is None else f" of at least {self.at_least}"
        below = "" if self.below is None else f" and below {self.below}"
        return low + below + ("" if self.at_most is None else f" and at most {self.at_most}")


_TIME = re.compile(r"([0-9]+|[0-9]*\.[0-9]+)(s|m|h)?", re.ASCII)
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Duration(Range):
    """A range of seconds; texts with a unit are allowed too: 90, 90s, 10m, 1h."""

    def __str__(self) -> str:
        return " of seconds, or a time such as 90s, 10m or 1h"

    @staticmethod
    def seconds(text: str) -> float | None:
        """Return the number of seconds that a text means, or None if it is not a duration."""
        match = _TIME.fullmatch(text) if len(text) <= 20 else None
        return float(match[1]) * _SECONDS[match[2]] if match else None


Limit = OneOf | Range


def one_of(names: Iterable[str], *more: str, empty: bool = False) -> OneOf:
    """Allow ``more`` and ``names`` (such as a table of the registry)."""
    return OneOf((more, names), empty)


# Upper bounds keep a damaged or hostile checkpoint from allocating all memory.
Count = Annotated[int, Range(at_least=0, at_most=10**9)]
Positive = Annotated[int, Range(at_least=1, at_most=10**9)]
Width = Annotated[int, Range(at_least=1, at_most=2**16)]
Depth = Annotated[int, Range(at_least=1, at_most=2**8)]
MAX_SEED = 2**32 - 1
Seed = Annotated[int, Range(at_least=0, at_most=MAX_SEED)]
Fraction = Annotated[float, Range(at_least=0, below=1)]
Probability = Annotated[float, Range(at_least=0, at_most=1)]
# a loss or gradient scaled by more overflows float32
NotNegative = Annotated[float, Range(at_least=0, at_most=10**9)]
Time = Annotated[float, Duration(at_least=0, at_most=10**9)]
TokenStyle = Annotated[str, one_of(registry.TOKEN_STYLES, "auto")]
