"""From a checkpoint to a model that answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seqcli.api.reading import config_of, limits_of
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Codec
from seqcli.data.limits import Limits
from seqcli.engine.device import choose_device
from seqcli.engine.precision import in_format
from seqcli.errors import CheckpointError
from seqcli.memory import keep_freed_memory
from seqcli.models import kernels
from seqcli.models.base import Model
from seqcli.models.build import build
from seqcli.runs import find_checkpoint


@dataclass(frozen=True)
class Loaded:
    """A model as it was trained, ready to answer."""

    path: Path
    checkpoint: Checkpoint
    config: Config
    model: Model
    limits: Limits

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
    model = make_model(config, checkpoint.codec, limits)
    put_weights(model, checkpoint, path)
    return Loaded(path, checkpoint, config, model.to(device).eval(), limits)


def make_model(config: Config, codec: Codec, limits: Limits) -> Model:
    """Build the model for a codec, with fresh weights."""
    source = None if codec.source is None else len(codec.source)
    model = build(config.model, source, len(codec.target), limits.positions)
    return in_format(model, config.train.precision)


def put_weights(model: Model, checkpoint: Checkpoint, path: Path) -> None:
    """Copy a checkpoint's weights into the model.

    Raises:
        CheckpointError: names or shapes differ from what its configuration describes.
    """
    try:
        model.load_state_dict(dict(checkpoint.weights), strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{path}: the weights do not fit the model it describes: {first}", "train again"
        ) from error
