"""Checkpoints of every kind run where torch cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import torch
from both_models import (
    LIMITS,
    SMALL,
    TRANSFORMERS,
    batch,
    checkpoint_of,
    torch_model,
)

from seqcli.checkpoints import numpy_file

PAIRS = [
    replace(SMALL, attention="additive"),
    replace(SMALL, cell="lstm", attention="dot"),
    replace(SMALL, cell="rnn", attention="general"),
    replace(SMALL, bridge=False, bidirectional=False),
    *(one for one in TRANSFORMERS if one.norm == "pre"),
]
LANGUAGE = [SMALL, replace(SMALL, cell="lstm", layers=1), TRANSFORMERS[0]]
CHILD = """
import sys
from pathlib import Path
import numpy as np
from seqcli import config as configuration
from seqcli.checkpoints import numpy_file
from seqcli.data.corpus import MaxLengths
from seqcli.numpy_backend.forward import load_model

for path in sorted(Path(".").glob("*.pt")):
    checkpoint = numpy_file.load(path)
    config = configuration.from_plain(checkpoint.config)
    model = load_model(checkpoint, config, MaxLengths(*map(int, sys.argv[1:])), path, np.float64)
    with np.load(path.with_suffix(".npz")) as inputs:
        logits = model.forward(inputs["source"], inputs["lengths"], inputs["target"])
        np.testing.assert_allclose(logits, inputs["logits"], atol=1e-10, rtol=1e-10)
    print(path)
assert "torch" not in sys.modules
"""


def test_one_checkpoint_of_each_kind_runs_without_torch(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text('raise ImportError("torch was imported")\n')
    cases = [(one, False) for one in PAIRS] + [(one, True) for one in LANGUAGE]
    for number, (config, language) in enumerate(cases):
        model = torch_model(config, language)
        checkpoint = checkpoint_of(model, language)
        path = tmp_path / f"{number:02}.pt"
        numpy_file.save(path, replace(checkpoint, config={"model": asdict(config)}))
        save_inputs(path, model, batch(language))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(LIMITS.source), str(LIMITS.target)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "broken"), "OMP_NUM_THREADS": "1"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(cases)


def save_inputs(path, model, inputs):
    with torch.no_grad():
        logits = model(*map(torch.from_numpy, inputs)).numpy()
    source, lengths, target = inputs
    np.savez(path.with_suffix(".npz"), source=source, lengths=lengths, target=target, logits=logits)
