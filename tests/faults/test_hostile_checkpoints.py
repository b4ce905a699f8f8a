"""Crafted and mutated checkpoints, through every command that reads one.

Each is answered at a bounded cost: no traceback, no crash, no hang, nothing outside its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_checkpoints import CRAFTED, EDITS, craft, mutate
from hostile_runs import RUNS, Child, child, good_runs, outcome
from thorough import THOROUGH, repeats

MOST_CPU = 5.0  # seconds: 2 are promised, on a machine that is not busy
MOST_MEMORY = 250 << 20  # beyond what the process with PyTorch takes
MUTATED = repeats(200, 6)  # of each run
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Child, Path]]:
    """A process to ask, and a folder with good runs."""
    root = tmp_path_factory.mktemp("hostile")
    os.mkfifo(root / "fifo")
    with child(root) as made:
        good_runs(made, root)
        yield made, root


def test_there_are_many_of_them() -> None:
    assert len(set(CRAFTED)) >= 40


def test_the_good_runs_are_answered(asked: tuple[Child, Path]) -> None:
    process, root = asked
    for run in RUNS:
        bad = root / "new.pt"
        bad.write_bytes((root / run / "last.pt").read_bytes())
        found = outcome(process, root, run, "good", bad)
        assert not found.faults()
        refused = {("predict" if run == "names" else "")}
        assert {one["argv"][0] for one in found.answers if one["code"]} <= refused


def runs_of(name: str) -> list[str]:
    """Return the runs that a crafted file is made of: raw ones do not depend on it."""
    return list(RUNS) if name in EDITS and THOROUGH else ["pairs"]


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_checkpoint_is_answered(name: str, asked: tuple[Child, Path]) -> None:
    process, root = asked
    for run in runs_of(name):
        bad = root / "new.pt"
        craft(name, root / run / "last.pt", bad)
        found = outcome(process, root, run, name, bad)
        assert not found.faults(MOST_CPU, MOST_MEMORY)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.timeout(3600)
def test_mutated_checkpoints_are_answered(run: str, asked: tuple[Child, Path]) -> None:
    process, root = asked
    faults: list[str] = []
    for seed in range(MUTATED):
        bad = root / "new.pt"
        kind = mutate(root / run / "last.pt", bad, seed)
        found = outcome(process, root, run, f"{seed} {kind}", bad)
        faults += found.faults(MOST_CPU, MOST_MEMORY)
    assert not faults
