"""The choice of the device, and what runs on a GPU, as far as a machine without one can tell.

``tests/device/check.sh`` runs on a GPU.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, ModelConfig
from seqcli.data.batches import padded_batch
from seqcli.data.corpus import Codec, Corpus, MaxLengths, Pairs
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.errors import UsageError
from seqcli.models.base import copy_to
from seqcli.models.build import build
from seqcli.training.processes import Place
from seqcli.training.torch_batches import choose_device, to_device
from seqcli.training.torch_trainer import TorchTrainer

SOURCES = Ragged.from_rows([[4, 5, 5, 4], [5], [4, 4], [5, 4, 4]] * 2)
TARGETS = Ragged.from_rows([[4], [5, 5, 4, 4, 5], [4, 4], [5]] * 2)
PAIRS = Pairs(TARGETS, SOURCES)


def pretend(monkeypatch: pytest.MonkeyPatch, gpus: int, built: str | None = "13.0") -> None:
    """Pretend to have a number of GPUs, and a PyTorch for this version of CUDA."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_a_gpu_that_is_not_there_is_refused_with_the_reason(monkeypatch) -> None:
    pretend(monkeypatch, 0, built=None)
    with pytest.raises(UsageError, match=r"--device cuda: this PyTorch .* without CUDA"):
        choose_device("cuda")
    pretend(monkeypatch, 0)
    with pytest.raises(UsageError, match="PyTorch finds no GPU"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="no Apple GPU"):
        choose_device("mps")
    assert choose_device("auto").type == "cpu"


def test_auto_prefers_a_gpu(monkeypatch) -> None:
    pretend(monkeypatch, 1)
    assert choose_device("auto") == torch.device("cuda")
    pretend(monkeypatch, 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    assert choose_device("auto", "float64").type == "cpu"
    with pytest.raises(UsageError, match="float64"):
        choose_device("mps", "float64")


def test_each_process_has_a_gpu_of_its_own(monkeypatch) -> None:
    pretend(monkeypatch, 2)
    assert choose_device("auto", place=Place(5, 8, 1, 2)) == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="4 processes on a machine with 2 GPUs"):
        choose_device("auto", place=Place(1, 4, 1, 4))
    assert choose_device("cpu", place=Place(1, 4, 1, 4)).type == "cpu"


class Pinned:
    """Values that record how they are copied."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def pin_memory(self) -> Pinned:
        self.calls.append("pinned")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> Pinned:
        self.calls.append((device.type, non_blocking))
        return self


def test_copies_to_a_gpu_are_asynchronous() -> None:
    values = Pinned()
    copy_to(values, torch.device("cuda"))
    assert values.calls == ["pinned", ("cuda", True)]
    values = Pinned()
    copy_to(values, torch.device("mps"))
    assert values.calls == [("mps", False)]


@pytest.mark.parametrize(
    ("cell", "attention"), [("gru", "additive"), ("lstm", "none"), ("rnn", "dot")]
)
def test_a_step_in_bf16_on_the_cpu(cell: str, attention: str) -> None:
    chars, ab = Tokenizer("chars"), Vocabulary(("a", "b"))
    corpus = Corpus("ab", Codec(ab, chars, ab, chars), {"train": PAIRS})
    batch, losses = padded_batch(PAIRS, np.arange(8)), {}
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        sizes = ModelConfig(cell=cell, attention=attention, hidden=16, embedding=8)
        model = build(sizes, 6, 6, 9)
        train = replace(Config().train, precision=precision)
        trainer = TorchTrainer(model, corpus, replace(Config(), train=train), MaxLengths(6, 6))
        model.train()
        objective, nats = trainer.loss(to_device(batch, model.device))
        objective.backward()
        losses[precision] = float(nats)
        assert objective.dtype == torch.float32
        assert all(p.grad.dtype == torch.float32 for p in model.parameters())
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.02)
