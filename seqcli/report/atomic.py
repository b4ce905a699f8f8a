"""Files that are whole or not there: written beside, then moved into place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; move it to ``path`` when the block succeeds.

    A kill or an error at any moment leaves the old ``path`` as it was.
    """
    partial = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
