"""How much a checkpoint may hold: the same limits to write and to read."""

from __future__ import annotations

DEEPEST = 64  # levels of nesting
MOST_VALUES = 500_000  # texts, numbers, lists and tables, keys counted
MOST_ARRAYS = 50_000
MOST_PROGRAM = 32 << 20  # bytes of the pickle
MOST_BYTES = 96 << 20  # of the Python objects made of it
LONGEST_INT = 2000  # bits
_STEPS_PER_ARRAY = 20  # values that a pickle needs to describe one


class Budget:
    """Counts what is made while a pickle is decoded, and stops at the limits.

    Args:
        members: files in the archive, each of which may be an array to describe.
    """

    def __init__(self, members: int = 0) -> None:
        self._values = MOST_VALUES + _STEPS_PER_ARRAY * min(members, MOST_ARRAYS)
        self._kept = self._values
        self._bytes, self._arrays = MOST_BYTES, MOST_ARRAYS

    def take(self, size: int) -> None:
        """Count one value of ``size`` bytes.

        Raises:
            ValueError: there are too many.
        """
        self._values -= 1
        self._bytes -= size
        if self._values < 0 or self._bytes < 0:
            raise ValueError("it has too many values")

    def charge(self, size: int) -> None:
        """Count bytes alone: what a value costs the list or table that holds it.

        Raises:
            ValueError: there are too many.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise ValueError("it has too many values")

    def keep(self, size: int) -> None:
        """Count one value that is kept under a number, to be used again.

        Raises:
            ValueError: there are too many.
        """
        self._kept -= 1
        if self._kept < 0:
            raise ValueError("it has too many values")
        self.charge(size)

    def take_array(self) -> None:
        """Count one array.

        Raises:
            ValueError: there are too many.
        """
        self._arrays -= 1
        if self._arrays < 0:
            raise ValueError("it has too many arrays")
