"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOP = """
import resource
import numpy as np
from seqcli.files.system import keep_freed_memory
keep_freed_memory()
np.ones(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(1 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc is on Linux")
def test_the_same_pages_are_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    pages = 20 * (8 << 20) // 4096
    assert int(done.stdout) < pages // 10
