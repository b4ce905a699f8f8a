"""How many threads a matrix product takes: one is quickest for models of this size."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

import numpy as np

_SETTERS = (  # what builds of OpenBLAS call the function
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def set_threads(count: int) -> None:
    """Let NumPy's matrix products take ``count`` threads, where NumPy brings its own OpenBLAS.

    The products of a small RNN are over before a second thread has begun: two threads on two busy
    cores made training three to sixteen times slower. NumPy has no function for this, so the one of
    the library it comes with is called; with another BLAS nothing happens.
    """
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            with contextlib.suppress(OSError):
                _set(ctypes.CDLL(str(path)), count)


def _set(library: ctypes.CDLL, count: int) -> None:
    for name in _SETTERS:
        with contextlib.suppress(AttributeError):
            getattr(library, name)(ctypes.c_int(count))
