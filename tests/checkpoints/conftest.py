"""A checkpoint with a bit of everything, as NumPy arrays and as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import checkpoint_equality as equal
import numpy as np
import pytest

from seqcli.checkpoints.content import Checkpoint, FileLocation, RunRecord
from seqcli.data.corpus import Codec
from seqcli.data.vocabulary import Tokenizer, Vocabulary


@pytest.fixture
def checkpoint() -> Checkpoint:
    generator = np.random.default_rng(3)
    weight = generator.standard_normal((4, 3)).astype(np.float32)
    codec = Codec(
        Vocabulary(("a", "b", "\u0000", "é\u2028")), Tokenizer("chars"), Vocabulary(("1", "22"))
    )
    return Checkpoint(
        config={"model": {"cell": "gru", "layers": 1, "lr": 1e-3, "on": True}, "task": {"l": [1]}},
        codec=codec,
        weights={"embed": weight, "tied": weight, "bias": generator.standard_normal(3)},
        record=RunRecord(
            task="reverse",
            baselines={"val": {"chance": {"loss": 0.1}}},
            locations={"path": FileLocation("/data/pairs.tsv", "../pairs.tsv")},
            fingerprints={"train": np.arange(5)},
        ),
        metrics={"val_loss": 0.25, "epoch": 3},
        training={
            "optimizer": {"state": {0: {"step": np.float32(2).reshape(())}}, "betas": (0.9, 0.99)},
            "rng": generator.bit_generator.state,
            "mask": np.array([[True, False]]),
            "bytes": np.arange(6, dtype=np.uint8),
            "empty": np.zeros((0, 3)),
            "none": None,
        },
    )


@pytest.fixture
def in_torch(checkpoint: Checkpoint) -> Checkpoint:
    import torch

    tied = torch.from_numpy(checkpoint.weights["embed"])
    weights = {"embed": tied, "tied": tied, "bias": torch.from_numpy(checkpoint.weights["bias"])}
    return replace(checkpoint, weights=weights)


@pytest.fixture
def same() -> Callable[[Any, Any], bool]:
    """Whether two nested values are equal, bit for bit (a tensor equals its numbers)."""
    return equal.same
