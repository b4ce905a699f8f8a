"""Load a trained model with PyTorch."""

from __future__ import annotations

import torch

from seqcli.api.checkpoint_config import OpenedCheckpoint
from seqcli.checkpoints import torch_file
from seqcli.models import kernels
from seqcli.models.backend import TorchBackend
from seqcli.models.loading import load_model
from seqcli.training.torch_device import choose_device


def load(opened: OpenedCheckpoint) -> TorchBackend:
    """Load a model on its training device if that is available.

    Raises:
        CheckpointError: the weights do not fit the configuration.
    """
    config = opened.config
    checkpoint = torch_file.with_tensors(opened.checkpoint)
    kernels.use(config.train.kernels)
    name = config.train.device if config.train.device != "cuda" else "auto"
    device = choose_device(name, config.train.precision)
    torch.set_num_threads(config.train.threads or 1)
    model = load_model(checkpoint, config, opened.limits, opened.path)
    return TorchBackend(model.to(device).eval())
