"""From a checkpoint to a model that answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seqcli.api.reading import config_of, limits_of
from seqcli.arrays.memory import keep_freed_memory
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Codec, Limits
from seqcli.models import kernels
from seqcli.models.base import Model
from seqcli.models.loading import load_model as build_with_weights
from seqcli.runs import find_checkpoint
from seqcli.training.torch_device import choose_device


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
    name = config.train.device if config.train.device != "cuda" else "auto"
    device = choose_device(name, config.train.precision)
    torch.set_num_threads(config.train.threads or 1)
    model = build_with_weights(checkpoint, config, limits, path)
    return Loaded(path, checkpoint, config, model.to(device).eval(), limits)
