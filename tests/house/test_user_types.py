"""Programs that use the package are type-checked: it has types, and they are right."""

import subprocess
import sys
from pathlib import Path

import pytest
from source import ROOT

PROGRAM = Path(__file__).parent / "user_program.py"


def test_the_package_says_that_it_has_types():
    assert (ROOT / "py.typed").exists()


@pytest.mark.slow
def test_mypy_accepts_a_program_and_finds_its_errors():
    """The cache of the check of the package itself makes this fast."""
    words = [sys.executable, "-m", "mypy", "--strict", str(PROGRAM)]
    done = subprocess.run(
        words, cwd=ROOT.parent, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout
