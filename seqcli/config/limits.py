"""What a value of the configuration may be: one of some names, or a number in a range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Scalar = bool | int | float | str


@dataclass(frozen=True, eq=False)
class OneOf:
    """One of the names in some collections, such as the tables of `seqcli.registry`.

    The collections are read at each use, so names that are registered later count.
    ``empty``: whether an empty text is allowed as well (nothing chosen).
    """

    collections: tuple[Iterable[str], ...]
    empty: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are allowed now."""
        return tuple(name for names in self.collections for name in names)

    def allows(self, value: Scalar) -> bool:
        """Return whether ``value`` is one of the names."""
        return value in self.names or (self.empty and value == "")

    def __str__(self) -> str:
        return " one of " + ", ".join(self.names)


@dataclass(frozen=True)
class Range:
    """A number between two bounds; None leaves a side open."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def allows(self, value: Scalar) -> bool:
        """Say whether ``value`` lies inside."""
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


Limit = OneOf | Range


def one_of(names: Iterable[str], *more: str, empty: bool = False) -> OneOf:
    """Return the limit "one of ``more`` or ``names``"; ``names`` may be a registry table."""
    return OneOf((more, names), empty)
