"""A model without numbers has the shapes of the real one."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch

from seqcli.config import ModelConfig
from seqcli.models.build import ShapesOnly, build

RECURRENT = [
    {"cell": cell, "attention": attention, "layers": layers, "bidirectional": both, "bridge": both}
    for cell, attention, layers, both in itertools.product(
        ("rnn", "gru", "lstm"),
        ("none", "additive", "dot", "general", "monotonic"),
        (1, 2),
        (True, False),
    )
]
TRANSFORMERS = [
    {"cell": "transformer", "positions": positions, "norm": norm, "layers": 2}
    for positions, norm in itertools.product(
        ("sinusoidal", "learned", "rotary", "none"), ("pre", "post")
    )
]


@pytest.mark.parametrize("source", [7, None])
def test_shapes_are_those_of_the_real_model(source):
    for options in [*RECURRENT, *TRANSFORMERS]:
        if source is None and options.get("attention", "none") != "none":
            continue
        config = ModelConfig(hidden=8, embedding=4, feedforward=6, heads=2, **options)
        with ShapesOnly():
            empty = build(config, source, 9, 11)
        real = build(config, source, 9, 11)
        assert {tensor.device.type for tensor in empty.state_dict().values()} == {"meta"}
        wanted = {name: (t.shape, t.dtype) for name, t in real.state_dict().items()}
        assert {name: (t.shape, t.dtype) for name, t in empty.state_dict().items()} == wanted


def test_the_largest_model_takes_no_memory():
    config = ModelConfig(
        cell="transformer", hidden=2**16, feedforward=2**16, layers=4, positions="learned"
    )
    with ShapesOnly():
        model = build(config, 10**6, 10**6, 10**6)
    assert sum(weight.numel() for weight in model.parameters()) > 10**11
    assert torch.zeros(1).device.type == "cpu"


@pytest.mark.slow
def test_no_decompositions_are_imported():
    """PyTorch's own way takes 2 s of imports before the first answer."""
    code = (
        "import sys, torch; from seqcli.config import ModelConfig;"
        "from seqcli.models.build import ShapesOnly\n"
        "from seqcli.models.build import build\n"
        "before = set(sys.modules)\n"
        "with ShapesOnly(): build(ModelConfig(cell='transformer'), 9, 9, 9)\n"
        "found = {name for name in set(sys.modules) - before if name.startswith('torch._')}\n"
        "assert len(found) < 20, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
