"""The whole configuration of a run: defaults < YAML < ``--set`` < flags, strict, with origins."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from seqcli import registry
from seqcli.errors import UsageError

Scalar = bool | int | float | str
Section = TypeVar("Section")


@dataclass(frozen=True)
class DataConfig:
    """What to train on: a task by name, or a path."""

    task: str = ""
    """A synthetic task (see `seqcli tasks`)."""
    path: str = ""
    """A folder made by gen-data, or a file of two tab-separated columns."""
    train: int = 10000
    """Training rows of a task."""
    val: int = 1000
    """Validation rows of a task."""
    test: int = 1000
    """Test rows of a task."""
    seed: int = 0
    """Seed of a task's rows, or of the split of a file."""
    source_tokens: str = "chars"
    """chars or words: how the source column of a file is cut into symbols."""
    target_tokens: str = "chars"
    """chars or words: how the target column of a file is cut into symbols."""


@dataclass(frozen=True)
class ModelConfig:
    """What the model is."""

    cell: str = "gru"
    """rnn, gru, lstm or transformer."""
    attention: str = "none"
    """none, additive (Bahdanau), dot or general (Luong); for recurrent cells."""
    layers: int = 1
    """Layers of the encoder, and of the decoder."""
    hidden: int = 128
    """Width of the state, or of the Transformer."""
    embedding: int = 64
    """Width of the embeddings; the Transformer takes `hidden` instead."""
    bidirectional: bool = True
    """Read the source in both directions (recurrent encoders)."""
    bridge: bool = True
    """A learned layer from the encoder's last state to the decoder's first."""
    dropout: float = 0.1
    """Dropout on embeddings, between layers and before the output."""
    activation: str = "tanh"
    """tanh or relu: the nonlinearity of the rnn cell."""
    init: str = "default"
    """default (PyTorch's), orthogonal or xavier."""
    heads: int = 4
    """Attention heads of the Transformer."""
    feedforward: int = 512
    """Width of the Transformer's feed-forward layers."""
    norm: str = "pre"
    """pre or post: where the Transformer's layer norms stand."""
    positions: str = "sinusoidal"
    """sinusoidal, learned, rotary or none: the Transformer's positions."""


@dataclass(frozen=True)
class TrainConfig:
    """How the model is trained."""

    epochs: int = 20
    """Passes over the training rows."""
    batch_size: int = 64
    """Rows per optimiser step."""
    optimiser: str = "adamw"
    """adamw, adam or sgd."""
    lr: float = 2e-3
    """Learning rate (the peak, where there is a schedule)."""
    momentum: float = 0.9
    """Momentum of sgd."""
    weight_decay: float = 1e-5
    """Weight decay (decoupled for adamw)."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 turns clipping off."""
    schedule: str = "constant"
    """constant, cosine, inverse_sqrt (both after a warm-up) or plateau."""
    warmup: int = 0
    """Steps over which the learning rate rises from 0."""
    plateau_factor: float = 0.5
    """plateau: what the learning rate is multiplied by."""
    plateau_patience: int = 2
    """plateau: epochs without improvement before that."""
    label_smoothing: float = 0.0
    """Share of the target spread over all symbols."""
    teacher_forcing: float = 1.0
    """Chance, at each step, that the decoder is fed the true symbol, at the start of training."""
    teacher_forcing_end: float = 0.0
    """The same at the end of training, where there is a schedule."""
    teacher_schedule: str = "constant"
    """constant, linear or inverse_sigmoid: how that chance falls."""
    metric: str = "loss"
    """What on validation makes a checkpoint the best."""
    patience: int = 0
    """Epochs without improvement before training stops; 0 never stops."""
    goal: float = 1.0
    """Stop once sequence accuracy on validation reaches this; 2 never stops."""
    seed: int = 0
    """Seed of initial weights, batch order, dropout and teacher forcing."""
    threads: int = 0
    """CPU threads; 0 chooses by a short probe."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: str = "float32"
    """float32 or bf16 (mixed precision)."""
    save_every: float = 30.0
    """Seconds between checkpoints inside an epoch (there is one after each epoch anyway)."""


@dataclass(frozen=True)
class DecodeConfig:
    """How answers are searched for."""

    beam: int = 1
    """Beam width; 1 is greedy."""
    length_penalty: float = 1.0
    """Scores are divided by length to this power; 0 compares plain sums."""


@dataclass(frozen=True)
class Config:
    """All sections. ``task`` holds the options of the synthetic task, checked by the task itself."""

    data: DataConfig = DataConfig()
    task: Mapping[str, Any] = field(default_factory=dict)
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    decode: DecodeConfig = DecodeConfig()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Dotted key -> where its value came from, for keys that are not at their default."""
