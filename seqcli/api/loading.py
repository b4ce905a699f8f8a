"""From a checkpoint to a model that answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seqcli import schema
from seqcli.api.reading import config_of, limits_of
from seqcli.arrays.memory import keep_freed_memory
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.errors import CheckpointError
from seqcli.models import kernels
from seqcli.models.base import Model
from seqcli.models.build import build
from seqcli.runs import find_checkpoint
from seqcli.training.torch_device import ShapesOnly, choose_device, in_format


@dataclass(frozen=True)
class Loaded:
    """A model as it was trained, ready to answer."""

    path: Path
    checkpoint: Checkpoint
    config: Config
    model: Model
    limits: MaxLengths

    @property
    def codec(self) -> Codec:
        """How text becomes ids and ids become text."""
        return self.checkpoint.codec


def load_model(ckpt: str | Path) -> Loaded:
    """Load the model of a run folder (its best) or of a checkpoint file.

    Raises:
        CheckpointError: it is missing, damaged or no checkpoint of seqcli.
    """
    keep_freed_memory()
    path = find_checkpoint(Path(ckpt))
    checkpoint = torch_file.load(path)
    config = config_of(checkpoint, path)
    kernels.use(config.train.kernels)
    limits = limits_of(checkpoint.about, checkpoint.codec, path)
    wanted = config.train.device if config.train.device != "cuda" else "auto"
    device = choose_device(wanted, config.train.precision)
    torch.set_num_threads(config.train.threads or 1)
    check_weights(checkpoint, config, limits, path)
    model = make_model(config, checkpoint.codec, limits)
    put_weights(model, checkpoint, path)
    return Loaded(path, checkpoint, config, model.to(device).eval(), limits)


def make_model(config: Config, codec: Codec, limits: MaxLengths) -> Model:
    """Build the model for a codec, with fresh weights."""
    source = None if codec.source is None else len(codec.source)
    model = build(config.model, source, len(codec.target), limits.positions)
    return in_format(model, config.train.precision)


def shape_model(config: Config, codec: Codec, limits: MaxLengths) -> Model:
    """Build the model that a configuration describes without its numbers: nothing is allocated."""
    plain = replace(config, model=replace(config.model, init="default"))
    with ShapesOnly():
        return make_model(plain, codec, limits)


def check_weights(checkpoint: Checkpoint, config: Config, limits: MaxLengths, path: Path) -> None:
    """Compare a checkpoint's weights with its configuration, before a model is made of either.

    A small file can name a model that no memory holds; its weights cannot lie about their size.

    Raises:
        CheckpointError: names, shapes or number formats differ.
    """
    try:
        wanted = shape_model(config, checkpoint.codec, limits).state_dict()
    except (RuntimeError, OverflowError, ValueError) as error:  # sizes beyond 64 bits
        raise _misfit(path, str(error).splitlines()[0][:200]) from error
    found = checkpoint.weights
    for name in [*wanted, *found]:
        if name not in found or name not in wanted:
            what = "is missing" if name not in found else "belongs to no part of it"
            raise _misfit(path, f"{schema.quoted(name)} {what}")
    for name, tensor in wanted.items():
        one = found[name]
        if tuple(one.shape) != tuple(tensor.shape):
            raise _misfit(path, f"{name} is {_shape(one)}, not {_shape(tensor)}")
        if one.dtype.is_floating_point != tensor.dtype.is_floating_point:
            raise _misfit(path, f"{name} holds numbers of {one.dtype}, not {tensor.dtype}")


def put_weights(model: Model, checkpoint: Checkpoint, path: Path) -> None:
    """Copy a checkpoint's weights, which `check_weights` has seen, into the model.

    Raises:
        CheckpointError: they do not fit.
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
