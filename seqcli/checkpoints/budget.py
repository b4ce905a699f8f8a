"""Limits on the content of a checkpoint, for reading and for writing."""

from __future__ import annotations

DEEPEST = 64  # levels of nesting
MOST_VALUES = 500_000  # texts, numbers, lists and tables, including keys
MOST_ARRAYS = 50_000
MAX_PROGRAM = 32 << 20  # bytes of the pickle
MOST_BYTES = 96 << 20  # bytes of the Python objects built from it
MAX_INT_BITS = 2000
_STEPS_PER_ARRAY = 20  # values that describe one array in a pickle


class Budget:
    """Count the values created while a pickle is decoded, and enforce the limits.

    Args:
        members: the number of files in the archive, each of which may hold an array.
    """

    def __init__(self, members: int = 0) -> None:
        self._values = MOST_VALUES + _STEPS_PER_ARRAY * min(members, MOST_ARRAYS)
        self._kept = self._values
        self._bytes, self._arrays = MOST_BYTES, MOST_ARRAYS

    def take(self, size: int) -> None:
        """Count one value of ``size`` bytes.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._values -= 1
        self._bytes -= size
        if self._values < 0 or self._bytes < 0:
            raise ValueError("it has too many values")

    def charge(self, size: int) -> None:
        """Count only bytes: the cost of an item to the list or table that contains it.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise ValueError("it has too many values")

    def keep(self, size: int) -> None:
        """Count one value that is stored in the memo for reuse.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._kept -= 1
        if self._kept < 0:
            raise ValueError("it has too many values")
        self.charge(size)

    def take_array(self) -> None:
        """Count one array.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._arrays -= 1
        if self._arrays < 0:
            raise ValueError("it has too many arrays")
