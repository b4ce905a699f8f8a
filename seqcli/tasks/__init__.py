"""Synthetic tasks: rows that are a pure function of (seed, split, index). NumPy only.

``seqcli.tasks`` is also a function of the API. Importing a submodule replaces the function by this
package, so the package itself is callable and does the same.
"""

from __future__ import annotations

import sys
from types import ModuleType

Listed = tuple[str, str, tuple[str, str]]


class _Package(ModuleType):
    """A callable package: ``seqcli.tasks()`` lists the tasks."""

    def __call__(self) -> list[Listed]:
        """Return name, summary and a worked example (source, target) of every task."""
        from seqcli.tasks.base import tasks

        return tasks()


sys.modules[__name__].__class__ = _Package
