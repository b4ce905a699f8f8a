"""Build the model that a configuration or a checkpoint describes, and check its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from seqcli import schema
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.errors import CheckpointError, UsageError
from seqcli.models.base import Model
from seqcli.models.build import build

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
