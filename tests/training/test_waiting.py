"""Neither a training step nor a decoding step waits for the device, for every kind of model.

The models are on PyTorch's meta device, which has no numbers: reading one raises. Copies from the
CPU are allowed where `copy_to` makes them, which pins the memory of what it copies to a GPU.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from thorough import THOROUGH
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import TorchDispatchMode

from seqcli import registry
from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, ModelConfig
from seqcli.data.batches import padded_batch
from seqcli.data.corpus import Codec, Corpus, MaxLengths, Pairs
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.decoding import loop
from seqcli.decoding.strategies import BeamSearch, Greedy, GreedyCertificate
from seqcli.models import kernels
from seqcli.models.base import Model
from seqcli.models.build import ShapesOnly, build
from seqcli.models.kernels import rnn_layer
from seqcli.training.torch_batches import to_device
from seqcli.training.torch_trainer import TorchTrainer
from seqcli.training.trainer import TrainingStep

PAIRS = Pairs(
    Ragged.from_rows([[4], [5, 5, 4], [4, 4]]), Ragged.from_rows([[4, 5], [5], [4, 4, 5]])
)
CHARS, AB = Tokenizer("chars"), Vocabulary(("a", "b"))
CELLS = [name for name in registry.CELLS if name != "transformer"]
TRANSFORMERS = [{"cell": "transformer", "positions": name} for name in registry.POSITIONS]
RICH = [
    {"cell": "gru", "attention": "additive", "layer_norm": True, "layers": 2, "copy": True},
    {"cell": "transformer", "positions": "learned", "continue_positions": True, "copy": True},
]
USUAL = [
    {"cell": "rnn", "attention": "monotonic"},
    {"cell": "lstm", "attention": "general"},
    {"cell": "gru", "attention": "none"},
    *RICH,
]
EVERY = [
    *({"cell": cell, "attention": "none"} for cell in CELLS),
    *({"cell": cell, "attention": name} for cell in CELLS for name in registry.ATTENTIONS),
    *TRANSFORMERS,
    *RICH,
]
MODELS = EVERY if THOROUGH else USUAL
LANGUAGE_MODELS = [{"cell": cell} for cell in (registry.CELLS if THOROUGH else ("transformer",))]
SETTINGS = {"label_smoothing": 0.1, "grad_clip_value": 1.0}


class NoWaiting(TorchDispatchMode):
    """Refuses operations that would wait for a GPU; the meta device refuses to send numbers."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("_to_copy", "copy_"):
            sent = args[1] if name == "copy_" else args[0]
            arrived = args[0] if name == "copy_" else found
            if sent.device != arrived.device:
                assert sent.dim() == 0 or _within("copy_to"), f"a copy of {sent.shape} waits"
        if name in ("index", "index_put", "index_put_"):
            masks = [one for one in args[1] if one is not None and one.dtype == torch.bool]
            assert not masks, "it counts the rows that a mask selects"
        return found


def _within(function: str) -> bool:
    """Return whether a function of this name is running."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False


def on_meta(settings: dict[str, object], source: int | None = 6) -> Model:
    sizes = {"hidden": 8, "embedding": 6, "heads": 2, "feedforward": 8, "dropout": 0.1}
    copied = range(6) if settings.get("copy") else ()
    with ShapesOnly():
        return build(ModelConfig(**sizes, **settings), source, 6, 20, copied).to("meta")


@pytest.fixture(autouse=True)
def packing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack rows on the meta device, which PyTorch cannot; and use an optimizer that works there."""

    def pack(rows: Tensor, lengths: Tensor, batch_first: bool) -> PackedSequence:
        sizes = (torch.arange(rows.shape[1])[:, None] < lengths).sum(1)  # (T,)
        return PackedSequence(rows.flatten(0, 1)[: int(lengths.sum())], sizes)

    def pad(packed: PackedSequence, batch_first: bool, total_length: int):
        shape = (int(packed.batch_sizes[0]), total_length, packed.data.shape[1])
        return packed.data.new_zeros(shape) + packed.data.sum(0), None

    monkeypatch.setattr(rnn_layer, "pack_padded_sequence", pack)
    monkeypatch.setattr(rnn_layer, "pad_packed_sequence", pad)
    plain = lambda weights, train: torch.optim.SGD(weights, lr=train.lr, foreach=True)  # noqa: E731
    monkeypatch.setitem(registry.OPTIMIZERS, "plain", plain)


def name_of(settings: dict[str, object]) -> str:
    return "-".join(str(value) for value in settings.values())


@pytest.mark.slow
def test_what_waits_is_refused() -> None:
    values = torch.zeros(3, device="meta")
    waiting = (
        lambda: float(values.sum()),
        lambda: values.tolist(),
        lambda: values.cpu(),
        lambda: bool((values > 0).any()),
        lambda: values[values > 0],
        lambda: values.index_put_((values > 0,), torch.ones(3, device="meta")),
        lambda: torch.ones(3).to("meta"),
    )
    for wait in waiting:
        with pytest.raises((RuntimeError, NotImplementedError, AssertionError)), NoWaiting():
            wait()


@pytest.mark.slow
@pytest.mark.parametrize("settings", MODELS, ids=name_of)
def test_no_step_waits(settings: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    model = on_meta(settings)
    train_with(model, PAIRS, Codec(AB, CHARS, AB, CHARS))
    decode_with(model.eval(), PAIRS, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("settings", LANGUAGE_MODELS, ids=name_of)
def test_no_step_of_a_language_model_waits(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = on_meta(settings, None), Pairs(PAIRS.targets)
    train_with(model, texts, Codec(AB, CHARS))
    decode_with(model.eval(), texts, monkeypatch)


def train_with(model: Model, pairs: Pairs, codec: Codec) -> None:
    """Make training steps on the meta device, with true tokens and with the model's own."""
    corpus, batch = Corpus("ab", codec, {"train": pairs}), padded_batch(pairs, np.arange(3))
    for ratio in (1.0, 0.5):
        train = replace(Config().train, optimizer="plain", teacher_forcing=ratio, **SETTINGS)
        trainer = TorchTrainer(model, corpus, replace(Config(), train=train), MaxLengths(6, 6))
        with NoWaiting():
            result = trainer.training_step(TrainingStep(batch, 1e-3, 0.5))
        assert not kernels.enabled(result.loss)
        assert (result.loss.device.type, result.grad_norm.device.type) == ("meta", "meta")


def decode_with(model: Model, pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode on the meta device; what arrives late says that one of three sources is done."""
    arrived: list[int] = []

    def start_reading(done: Tensor):
        return lambda: (arrived.append(len(done)), np.arange(len(done)) == 2)[1]

    def send(values, like: Tensor) -> Tensor:
        return torch.empty(len(values), dtype=torch.int64, device="meta")

    monkeypatch.setattr(loop, "is_on_gpu", lambda array: True)
    monkeypatch.setattr(loop, "start_reading", start_reading)
    monkeypatch.setattr(loop, "send", send)
    data = to_device(padded_batch(pairs, np.arange(3)), model.device)
    for strategy in (Greedy(), GreedyCertificate(1.0), BeamSearch(2, 1.0, 2)):
        with torch.inference_mode(), NoWaiting():
            state = model.start(data.source, data.source_lengths)
            rows = torch.arange(3, device="meta")
            loop.decode(model, loop.Frontier.first(rows, state), 3, strategy)
    assert set(arrived) == {2, 3}
