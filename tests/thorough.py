"""How often a slow test repeats itself: less in `.ci/run`, in full with ``SEQCLI_THOROUGH=1``.

The README's table of guarantees is of the full runs.
"""

import os
from collections.abc import Sequence

import pytest
from _pytest.mark import ParameterSet

THOROUGH = bool(os.environ.get("SEQCLI_THOROUGH"))


def repeats(full: int, usual: int) -> int:
    """Return ``full`` for a thorough run, else ``usual``."""
    return full if THOROUGH else usual


def mostly_slow(cases: Sequence[object], every: int) -> list[ParameterSet]:
    """Return one case of every few as quick parameters, and the others as slow ones."""
    return [
        pytest.param(case, marks=[pytest.mark.slow] if number % every else [])
        for number, case in enumerate(cases)
    ]
