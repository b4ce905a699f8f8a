"""Synthetic tasks: rows that are a pure function of (seed, split, index). NumPy only.

``seqcli.tasks`` is also a verb. Python puts a package in the place of whatever has its name as soon
as anything in it is imported; so the package can be called, and does what the verb does.
"""

from __future__ import annotations

import sys
from types import ModuleType

Listed = tuple[str, str, tuple[str, str]]


class _Package(ModuleType):
    """The package as a function: ``seqcli.tasks()`` lists the tasks."""

    def __call__(self) -> list[Listed]:
        """Return name, summary and a worked example (source, target) of every task."""
        from seqcli.tasks.base import tasks

        return tasks()


sys.modules[__name__].__class__ = _Package
