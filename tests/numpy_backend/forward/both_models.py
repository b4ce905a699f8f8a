"""Every kind of model, in PyTorch and in NumPy, with the same weights."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, ModelConfig
from seqcli.config.sections import describe
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.models import kernels
from seqcli.models.base import Model
from seqcli.models.build import build
from seqcli.numpy_backend.forward import NumpyModel, load_model

SMALL = ModelConfig(hidden=8, embedding=6, heads=2, feedforward=16, layers=2, dropout=0.1)
CELLS = [replace(SMALL, cell=cell) for cell in ("rnn", "gru", "lstm")]
RELU = replace(SMALL, cell="rnn", activation="relu")
RECURRENT = [
    replace(cell, attention=attention, bidirectional=both, bridge=bridge, layers=layers)
    for cell in CELLS
    for attention in ("none", "additive", "dot", "general", "monotonic")
    for both, bridge, layers in ((True, True, 2), (False, False, 1), (True, False, 1))
]
RECURRENT += [replace(one, feed_context=True) for one in RECURRENT if one.attention == "none"]
TRANSFORMERS = [
    replace(SMALL, cell="transformer", positions=positions, norm=norm)
    for positions in ("sinusoidal", "learned", "rotary", "none")
    for norm in ("pre", "post")
]
CONVOLVED = [
    replace(one, convolution=size, mark_ends=one.norm == "pre")
    for one, size in zip(TRANSFORMERS, (3, 3, 5, 5, 3, 3, 1, 3), strict=True)
]
CONTINUED = [replace(one, continue_positions=True) for one in TRANSFORMERS if one.norm == "pre"]
COPYING = [
    *(
        replace(one, copy=True)
        for one in RECURRENT
        if one.attention not in ("none", "monotonic") and one.layers == 2
    ),
    replace(SMALL, attention="additive", bidirectional=False, copy=True),
    *(replace(SMALL, cell="transformer", norm=norm, copy=True) for norm in ("pre", "post")),
]
OTHERS = [
    RELU,
    replace(RELU, attention="additive"),
    replace(SMALL, hidden=6, embedding=5, layers=3, attention="additive", cell="lstm"),
    replace(SMALL, cell="transformer", hidden=9, heads=1, layers=1, feedforward=7),
    replace(SMALL, cell="transformer", hidden=12, heads=3, layers=3, positions="rotary"),
]
TIED = [
    *(
        replace(SMALL, attention=attention, hidden=hidden, tied_embeddings=True)
        for attention in ("none", "additive", "dot")
        for hidden in (6, 8)  # as wide as the embeddings, and wider
    ),
    replace(SMALL, attention="additive", copy=True, tied_embeddings=True),
    replace(SMALL, feed_context=True, tied_embeddings=True),
    replace(SMALL, cell="transformer", tied_embeddings=True),
]
NORMALIZED = [
    replace(cell, attention=attention, layer_norm=True)
    for cell, attention in zip(CELLS, ("none", "additive", "dot"), strict=True)
]
NORMALIZED += [replace(NORMALIZED[0], feed_context=True)]
PAIR_MODELS = [
    *RECURRENT,
    *TRANSFORMERS,
    *CONVOLVED,
    *CONTINUED,
    *COPYING,
    *OTHERS,
    *TIED,
    *NORMALIZED,
]
LANGUAGE_MODELS = [
    TIED[-1],
    replace(CELLS[2], layer_norm=True),
    *(replace(cell, layers=layers) for cell in (*CELLS, RELU) for layers in (1, 3)),
    *TRANSFORMERS,
]
EVERY = [(one, False) for one in PAIR_MODELS] + [(one, True) for one in LANGUAGE_MODELS]
LARGE = [  # large enough for the kernels that need some work to pay
    replace(SMALL, hidden=64, embedding=64, attention="additive"),
    replace(SMALL, hidden=64, embedding=64, attention="dot", cell="lstm"),
    replace(SMALL, hidden=64, cell="transformer"),
    replace(SMALL, hidden=64, embedding=64, attention="additive", copy=True),
    replace(SMALL, hidden=64, cell="transformer", copy=True),
]
LIMITS = MaxLengths(source=5, target=7)
CODEC = Codec(
    Vocabulary(tuple("abcdefgh")),
    Tokenizer("chars"),
    Vocabulary(tuple("1ab23cf")),
    Tokenizer("chars"),
)
PATH = Path("best.pt")


def name(case: tuple[ModelConfig, bool]) -> str:
    """Return a test's name."""
    config, language = case
    extra = ("-bridge" if config.bridge else "") + ("-on" if config.continue_positions else "")
    relu = "-relu" if config.activation == "relu" else ""
    extra += relu + ("-tied" if config.tied_embeddings else "")
    extra += "-norm" if config.layer_norm else ""
    extra += "-ends" if config.mark_ends else ""
    return describe(config, language=language).replace(" ", "-") + extra


def torch_model(config: ModelConfig, language: bool = False, noise: float = 0.3) -> Model:
    """Return a model in float64 with random weights: initial ones, and noise added to them."""
    torch.manual_seed(zlib.crc32(name((config, language)).encode()))
    source = None if language else len(CODEC.source)
    sizes = source, len(CODEC.target), LIMITS.positions
    model = build(config, *sizes, CODEC.copy_ids).double().eval()
    with torch.no_grad():
        for weight in model.parameters():  # away from 0 and 1: those of norms, too
            weight += noise * torch.randn_like(weight)
    return model


def checkpoint_of(model: Model, language: bool = False) -> Checkpoint:
    """Return a checkpoint with the model's weights."""
    codec = replace(CODEC, source=None) if language else CODEC
    weights = {key: weight.numpy().copy() for key, weight in model.state_dict().items()}
    return Checkpoint(config={}, codec=codec, weights=weights)


def numpy_model(
    config: ModelConfig, model: Model, language: bool = False, dtype: Any = np.float64
) -> NumpyModel:
    """Return the NumPy model with the weights of a PyTorch model."""
    checkpoint = checkpoint_of(model, language)
    return load_model(checkpoint, Config(model=config), LIMITS, PATH, dtype)


def batch(
    language: bool = False, lengths: Sequence[int] = (5, 3, 1, 4)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return padded sources (B, 5), their lengths (B,), and targets (B, 7)."""
    rng, rows = np.random.default_rng(5), len(lengths)
    target = rng.integers(4, len(CODEC.target), (rows, 7))
    if language:
        return np.zeros((rows, 0), np.int64), np.zeros(rows, np.int64), target
    source = rng.integers(4, len(CODEC.source), (rows, 5))
    source[np.arange(5) >= np.array(lengths)[:, None]] = 0
    return source, np.array(lengths), target


@contextmanager
def mode(kind: str) -> Iterator[None]:
    """Run PyTorch in one of `MODES`."""
    kernel, _, gradients = kind.partition("-")
    with kernels.using(kernel), torch.set_grad_enabled(gradients == "gradients"):
        yield


MODES = ("auto", "auto-gradients", "reference")
