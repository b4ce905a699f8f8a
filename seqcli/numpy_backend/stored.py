"""Weights as a configuration describes them: fresh, or from a checkpoint of either backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.errors import CheckpointError
from seqcli.numpy_backend.cells import CELLS
from seqcli.numpy_backend.parameters import (
    Parameters,
    from_torch_names,
    initialize_parameters,
    shapes,
)


def fresh_parameters(config: Config, symbols: int) -> Parameters:
    """Return new weights for a vocabulary of so many ids, drawn by the run's seed."""
    rng = np.random.default_rng(config.train.seed)
    gates = CELLS[config.model.cell].gates
    return initialize_parameters(rng, symbols, config.model.hidden, gates, _dtype(config))


def stored_parameters(checkpoint: Checkpoint, config: Config, path: Path) -> Parameters:
    """Return a copy of a checkpoint's weights.

    Raises:
        CheckpointError: names or shapes differ from what its configuration describes.
    """
    gates = CELLS[config.model.cell].gates
    wanted = shapes(len(checkpoint.codec.target), config.model.hidden, gates)
    try:
        found = from_torch_names(checkpoint.weights)
        for name, shape in wanted.items():
            if found[name].shape != shape:
                raise ValueError(f"{name} is {found[name].shape}, not {shape}")
    except (KeyError, ValueError) as error:
        message = f"{path}: the weights do not fit the model it describes: {error}"
        raise CheckpointError(message, "train again") from error
    return {name: np.array(found[name], _dtype(config), order="C") for name in wanted}


def _dtype(config: Config) -> type[np.floating]:
    return np.float64 if config.train.precision == "float64" else np.float32
