"""Build a model from its configuration, initialize its weights, or load them from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqcli import registry, schema
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, ModelConfig
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.data.vocabulary import PAD
from seqcli.errors import CheckpointError, UsageError
from seqcli.models.attention import Attention
from seqcli.models.base import Model
from seqcli.models.decoders import BahdanauDecoder
from seqcli.models.language_model import language_model
from seqcli.models.monotonic import monotonic_seq2seq
from seqcli.models.rnn import RNN
from seqcli.models.seq2seq import seq2seq
from seqcli.models.transformer import Transformer


def build(
    config: ModelConfig,
    source: int | None,
    target: int,
    max_length: int,
    copy_ids: Sequence[int] = (),
) -> Model:
    """Build a model for vocabularies of ``source`` and ``target`` ids.

    Args:
        config: the architecture and its sizes.
        source: the size of the source vocabulary; None for a language model.
        target: the size of the target vocabulary.
        max_length: maximum sequence length; the size of a table of learned positions.
        copy_ids: for each source id the target id of the same token, or `PAD`; see
            `seqcli.models.copying.PointerGenerator`.

    Raises:
        UsageError: the settings are incompatible.
    """
    check_copying(config, copy_ids)
    if source is None:
        if config.attention != "none":
            raise UsageError(
                "a language model has no source to attend to",
                "leave --attention out, or train on pairs",
            )
        model = language_model(config, target, max_length)
    elif config.cell == "transformer":
        if config.attention != "none":
            raise UsageError(
                "a Transformer has attention already; --attention is for rnn, gru and lstm",
                "leave --attention out, or choose another --cell",
            )
        model = Transformer(config, source, target, max_length, copy_ids)
    else:
        kind = _attention(config)
        if kind is not None and kind.monotonic:
            model = monotonic_seq2seq(config, source, target, kind)
        else:
            model = seq2seq(config, source, target, copy_ids)
    registry.resolve("initialization", config.init, registry.INITIALIZATIONS)(model)
    return model


def _attention(config: ModelConfig) -> type[Attention] | None:
    """Return the attention of a recurrent decoder, or None without it."""
    if config.attention == "none":
        return None
    kind: type[Attention] = registry.resolve("attention", config.attention, registry.ATTENTIONS)
    return kind


def check_copying(config: ModelConfig, copy_ids: Sequence[int]) -> None:
    """Refuse to copy without a source, without attention, or without a token to copy.

    Args:
        config: a model, which may copy or not.
        copy_ids: see `build`; empty for a language model.

    Raises:
        UsageError: the model cannot copy.
    """
    if not config.copy:
        return
    if not copy_ids:
        raise UsageError("a language model has no source to copy from", "leave --copy out")
    if config.cell != "transformer" and config.attention == "none":
        message = "copying needs attention: it points to the token to copy"
        raise UsageError(message, "add --attention, or leave --copy out")
    kind = _attention(config)
    if kind is not None and kind.monotonic:
        message = f"copying does not work with {config.attention} attention"
        raise UsageError(message, "choose additive, dot or general, or leave --copy out")
    if all(target == PAD for target in copy_ids):
        message = "source and target have no token in common, so there is nothing to copy"
        raise UsageError(message, "leave --copy out")


def pytorch_default(model: nn.Module) -> None:
    """Keep PyTorch's initialization."""


def orthogonal(model: nn.Module) -> None:
    """Make each gate's block of every matrix orthogonal (Saxe et al. 2014, arXiv:1312.6120)."""
    _each_block(model, lambda block: nn.init.orthogonal_(block))


def xavier(model: nn.Module) -> None:
    """Initialize each gate's block with the uniform distribution of Glorot and Bengio (2010)."""
    _each_block(model, lambda block: nn.init.xavier_uniform_(block))


def _each_block(model: nn.Module, fill: Callable[[Tensor], object]) -> None:
    """Apply ``fill`` to each gate's block of each weight matrix, embeddings excepted."""
    gates = _gates(model)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            continue
        for weight in module.parameters(recurse=False):
            if weight.dim() == 2:
                for block in weight.data.chunk(gates.get(weight, 1)):  # (H, I) each
                    fill(block)


def _gates(model: nn.Module) -> dict[Tensor, int]:
    """Return the number of gates that the rows of each recurrent weight matrix are split into."""
    return {
        weight: module.cell.gates
        for module in model.modules()
        if isinstance(module, RNN | BahdanauDecoder)
        for part in module.gated()
        for weight in part.parameters()
    }


_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
_INITIALIZERS = {"normal_", "trunc_normal_", "kaiming_normal_", "xavier_normal_", "orthogonal_"}

_ENCODER = ("encoder.", "source_")  # recurrent models; Transformer: layers, embedding, final norm

_FROZEN: Mapping[str, Callable[[str], bool]] = {
    "encoder": lambda name: name.startswith(_ENCODER),
    "embeddings": lambda name: name.endswith("embedding.weight"),
}


class ShapesOnly(TorchFunctionMode):
    """Create weights on PyTorch's ``meta`` device inside this context: shapes without numbers.

    ``with torch.device("meta")`` does that too, but random initialization or computation makes
    PyTorch import its decompositions, which takes 2 s. Here initialization is skipped, and other
    computations (the rates of positions) run on the CPU.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Skip initialization, and create weights on the meta device."""
        options = kwargs or {}
        if getattr(func, "__name__", "") in _INITIALIZERS:
            return args[0] if args else options["tensor"]
        if func in _FACTORIES:
            options = {**options, "device": "meta"}
        return func(*args, **options)


def in_format(model: Model, precision: str) -> Model:
    """Convert the model to ``train.precision``; with bf16 the weights stay in float32."""
    return model.double() if precision == "float64" else model


def load_model(checkpoint: Checkpoint, config: Config, limits: MaxLengths, path: Path) -> Model:
    """Build the model of a checkpoint, with its weights.

    Args:
        checkpoint: a checkpoint with tensors.
        config: the configuration of its run.
        limits: the maximum lengths.
        path: its file, for messages.

    Raises:
        CheckpointError: the weights do not match the configuration.
    """
    check_weights(checkpoint, config, limits, path)
    model = make_model(config, checkpoint.codec, limits)
    put_weights(model, checkpoint, path)
    return model


def make_model(config: Config, codec: Codec, limits: MaxLengths) -> Model:
    """Build the model for a codec, with fresh weights."""
    source = None if codec.source is None else len(codec.source)
    model = build(config.model, source, len(codec.target), limits.positions, codec.copy_ids)
    return in_format(model, config.train.precision)


def freeze(model: Model, parts: str) -> None:
    """Exclude the weights of some parts from training.

    Args:
        model: the model.
        parts: "encoder" (with the source embeddings), "embeddings" (of tokens, on both sides), or
            both, separated by a comma.

    Raises:
        UsageError: the model has no such part.
    """
    for part in filter(None, parts.split(",")):
        weights = [weight for name, weight in model.named_parameters() if _FROZEN[part](name)]
        if not weights:
            message = f"train.freeze is {parts}, but this model has no {part} to freeze"
            raise UsageError(message, "omit --freeze, or freeze another part")
        for weight in weights:
            weight.requires_grad_(False)


def shape_model(config: Config, codec: Codec, limits: MaxLengths) -> Model:
    """Build the model with shapes only: no memory is allocated for its weights."""
    plain = replace(config, model=replace(config.model, init="default"))
    with ShapesOnly():
        return make_model(plain, codec, limits)


def check_weights(checkpoint: Checkpoint, config: Config, limits: MaxLengths, path: Path) -> None:
    """Compare a checkpoint's weights with its configuration before the model is built.

    A small file can describe a model that is too large for memory, so sizes are checked first.

    Raises:
        CheckpointError: names, shapes or number formats differ.
    """
    try:
        expected = shape_model(config, checkpoint.codec, limits).state_dict()
    except (RuntimeError, OverflowError, ValueError) as error:  # sizes beyond 64 bits
        raise _misfit(path, str(error).splitlines()[0][:200]) from error
    weights = checkpoint.weights
    for name in [*expected, *weights]:
        if name not in weights or name not in expected:
            problem = "is missing" if name not in weights else "belongs to no part of it"
            raise _misfit(path, f"{schema.quoted(name)} {problem}")
    for name, tensor in expected.items():
        weight = weights[name]
        if tuple(weight.shape) != tuple(tensor.shape):
            raise _misfit(path, f"{name} is {_shape(weight)}, not {_shape(tensor)}")
        if weight.dtype.is_floating_point != tensor.dtype.is_floating_point:
            raise _misfit(path, f"{name} holds numbers of {weight.dtype}, not {tensor.dtype}")


def put_weights(model: Model, checkpoint: Checkpoint, path: Path) -> None:
    """Copy a checkpoint's weights, checked by `check_weights`, into the model.

    Raises:
        CheckpointError: they do not match.
    """
    try:
        model.load_state_dict(dict(checkpoint.weights), strict=True)
    except RuntimeError as error:
        raise _misfit(path, str(error).splitlines()[-1].strip()[:200]) from error


def _misfit(path: Path, reason: str) -> CheckpointError:
    message = f"{path}: the weights do not fit the model it describes: {reason}"
    return CheckpointError(message, "train again")


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a scalar"
