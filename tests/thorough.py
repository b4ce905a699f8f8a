"""How often a slow test repeats itself: less in `.ci/run`, in full with ``SEQCLI_THOROUGH=1``.

The README's table of guarantees is of the full runs.
"""

import os

THOROUGH = bool(os.environ.get("SEQCLI_THOROUGH"))


def repeats(full: int, usual: int) -> int:
    """Return ``full`` for a thorough run, else ``usual``."""
    return full if THOROUGH else usual
