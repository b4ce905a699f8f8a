"""From a checkpoint to a model that answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seqcli import config as configuration
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Codec
from seqcli.engine.answering import Limits
from seqcli.engine.device import choose_device
from seqcli.errors import CheckpointError, UsageError
from seqcli.models.build import build
from seqcli.models.contract import Model
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
    path = find_checkpoint(Path(ckpt))
    checkpoint = torch_file.load(path)
    config = config_of(checkpoint, path)
    limits = limits_of(checkpoint.about, path)
    device = choose_device(config.train.device if config.train.device != "cuda" else "auto")
    torch.set_num_threads(config.train.threads or 1)
    model = make_model(config, checkpoint.codec, limits)
    put_weights(model, checkpoint, path)
    return Loaded(path, checkpoint, config, model.to(device).eval(), limits)


def config_of(checkpoint: Checkpoint, path: Path) -> Config:
    """Return the configuration in a checkpoint, checked as strictly as one from a user.

    Raises:
        CheckpointError: it holds something this version does not know.
    """
    origins = checkpoint.about.get("origins", {})
    try:
        return replace(configuration.from_plain(checkpoint.config), origins=origins)
    except UsageError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def limits_of(about: Mapping[str, Any], path: Path) -> Limits:
    """Return the longest rows of training, as a checkpoint or corpus tells them."""
    source, target = about.get("max_source"), about.get("max_target")
    if not (isinstance(source, int) and isinstance(target, int) and source >= 0 <= target):
        raise CheckpointError(
            f"{path}: does not say how long its training rows were", "train again"
        )
    return Limits(source, target)


def make_model(config: Config, codec: Codec, limits: Limits) -> Model:
    """Build the model for a codec, with fresh weights."""
    assert codec.source is not None
    return build(config.model, len(codec.source), len(codec.target), limits.positions)


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
