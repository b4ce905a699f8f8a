"""A task, a cell and a metric are each added by one file and one line; this does it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from source import ROOT

FILES = {
    "tasks/rotation.py": '''
"""Rotate."""
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from seqcli.tasks.rearrangement import Rearrangement

@dataclass(frozen=True)
class Rotate(Rearrangement):
    """The source, its first symbol last: 3 1 4 -> 1 4 3."""
    name: ClassVar[str] = "rotate"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the first symbol goes last"
    example: ClassVar[tuple[str, str]] = ("3 1 4", "1 4 3")
    def targets(self, sources):
        return np.roll(sources, -1, axis=1)
''',
    "models/minimal.py": '''
"""A minimal gated unit."""
import torch
from seqcli.models.cells import Cell

class MinimalCell(Cell):
    """One gate: h' = h + f (tanh(a) - h)."""
    gates = 2
    def combine(self, inputs, recurrent, state):
        (hidden,) = state
        gate, new = (inputs + recurrent).chunk(2, 1)
        return (torch.lerp(hidden, torch.tanh(new), torch.sigmoid(gate)),)
''',
    "metrics/first_symbol.py": '''
"""First symbols."""
import numpy as np
from seqcli.metrics.metric import Metric, Ratio
FIRST = Metric("first_symbol", True, lambda o: Ratio(o.truths.lengths > 0, np.ones(len(o))))
''',
}
LINES = {
    "TASKS": '    "rotate": "seqcli.tasks.rotation:Rotate",',
    "CELLS": '    "minimal": "seqcli.models.minimal:MinimalCell",',
    "METRICS": '    "first_symbol": "seqcli.metrics.first_symbol:FIRST",',
}


def with_lines(registry: str) -> str:
    lines = []
    for line in registry.splitlines():
        lines.append(line)
        table = line.partition(":")[0]
        if table in LINES and line.endswith("= {"):
            lines.append(LINES[table])
    return "\n".join(lines)


def test_one_file_and_one_line_add_a_task_a_cell_and_a_metric(tmp_path):
    copy = tmp_path / "seqcli"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in FILES.items():
        (copy / path).write_text(text)
    registry = copy / "registry.py"
    registry.write_text(with_lines(registry.read_text()))
    words = (
        "train --task rotate --cell minimal --attention --epochs 1 --set train.metric=first_symbol "
        "--train-rows 64 --val-rows 16 --test-rows 16 --hidden 16 --threads 1 --json"
    )
    done = subprocess.run(
        [sys.executable, "-m", "seqcli", *words.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["run"] == str(Path("runs", "rotate-minimal-attention"))
    assert found["best"]["val_first_symbol"] == 1.0
