"""Build a model from a checkpoint; see `seqcli.models.build`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from seqcli import registry
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, ModelConfig
from seqcli.data.corpus import MaxLengths
from seqcli.errors import UsageError
from seqcli.numpy_backend.forward.attention import Attention
from seqcli.numpy_backend.forward.base import NumpyModel
from seqcli.numpy_backend.forward.copying import PointerGenerator
from seqcli.numpy_backend.forward.language_model import (
    RecurrentLanguageModel,
    TransformerLanguageModel,
)
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.forward.monotonic import MonotonicDecoder, MonotonicSeq2Seq
from seqcli.numpy_backend.forward.positions import Positions
from seqcli.numpy_backend.forward.rnn import Cell
from seqcli.numpy_backend.forward.seq2seq import (
    BahdanauDecoder,
    Bridge,
    ContextDecoder,
    Decoder,
    Encoder,
    LuongDecoder,
    PlainDecoder,
    Seq2Seq,
)
from seqcli.numpy_backend.forward.transformer import Transformer


def load_model(
    checkpoint: Checkpoint,
    config: Config,
    limits: MaxLengths,
    path: Path,
    dtype: DTypeLike = np.float32,
) -> NumpyModel:
    """Build the model of a checkpoint, with its weights.

    Args:
        checkpoint: its weights and its vocabularies are used.
        config: the configuration in the checkpoint.
        limits: the maximum lengths, which determine the number of learned positions.
        path: the checkpoint, for messages.
        dtype: the dtype of the computation.

    Raises:
        CheckpointError: names, shapes or number formats of the weights differ from what the
            configuration describes.
        UsageError: a part of the model has no NumPy forward.
    """
    weights, codec = Weights(checkpoint.weights, path, dtype), checkpoint.codec
    source = None if codec.source is None else len(codec.source)
    sizes = (source, len(codec.target))
    model = build(weights, config.model, *sizes, limits.positions, codec.copy_ids)
    weights.check_all_read()
    return model


def has_forward(config: ModelConfig) -> bool:
    """Return whether every part of a model has a NumPy forward."""
    return all(name in table for _, name, table in _parts(config))


def build(
    weights: Weights,
    config: ModelConfig,
    source: int | None,
    target: int,
    max_length: int,
    copy_ids: Sequence[int],
) -> NumpyModel:
    """Build a model for vocabularies of ``source`` (None: a language model) and ``target`` ids.

    ``copy_ids``: for each source id the target id of the same token, or PAD.
    """
    parts = {kind: resolve(kind, name, table) for kind, name, table in _parts(config)}
    if config.cell == "transformer":
        positions: type[Positions] = parts["positions"]
        if source is None:
            return TransformerLanguageModel(weights, config, target, max_length, positions)
        return Transformer(weights, config, (source, target), max_length, positions, copy_ids)
    cell: Cell = parts["cell"](config.activation)
    if source is None:
        return RecurrentLanguageModel(weights, config, target, cell)
    return seq2seq(weights, config, (source, target), cell, parts.get("attention"), copy_ids)


def seq2seq(
    weights: Weights,
    config: ModelConfig,
    sizes: tuple[int, int],
    cell: Cell,
    kind: type[Attention] | None,
    copy_ids: Sequence[int],
) -> Seq2Seq:
    """Build the recurrent encoder-decoder for vocabularies of the given sizes."""
    encoder = Encoder(weights.part("encoder"), config, sizes[0], cell)
    bridge = Bridge(weights.part("bridge"), config, cell.states)
    decoder = _decoder(weights.part("decoder"), config, sizes[1], cell, kind)
    copy = None
    if config.copy:
        copy = PointerGenerator(weights.part("copy"), config.hidden, sizes[1], copy_ids)
    model = MonotonicSeq2Seq if isinstance(decoder, MonotonicDecoder) else Seq2Seq
    return model(encoder, bridge, decoder, copy)


def _decoder(
    weights: Weights, config: ModelConfig, vocabulary: int, cell: Cell, kind: type[Attention] | None
) -> Decoder:
    if kind is None:
        plain = ContextDecoder if config.feed_context else PlainDecoder
        return plain(weights, config, vocabulary, cell)
    attention = kind(weights.part("attention"), config.hidden, 2 if config.bidirectional else 1)
    decoder: type[MonotonicDecoder | BahdanauDecoder | LuongDecoder] = LuongDecoder
    if kind.monotonic or kind.before_step:
        decoder = MonotonicDecoder if kind.monotonic else BahdanauDecoder
    return decoder(weights, config, vocabulary, cell, attention)


def resolve(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """Return the NumPy definition of a part of a model.

    Raises:
        UsageError: there is no NumPy definition.
    """
    if name not in table:
        raise UsageError(f"no NumPy forward for {kind} {name!r}", "use --backend torch")
    return registry.resolve(kind, name, table)


def _parts(config: ModelConfig) -> list[tuple[str, str, registry.Table]]:
    """Return kind, name and table of every part of a model that has a name."""
    parts = [("cell", config.cell, registry.NUMPY_CELLS)]
    if config.cell == "transformer":
        parts.append(("positions", config.positions, registry.NUMPY_POSITIONS))
    elif config.attention != "none":
        parts.append(("attention", config.attention, registry.NUMPY_ATTENTIONS))
    return parts
