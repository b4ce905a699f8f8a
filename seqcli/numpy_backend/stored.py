"""Weights as a configuration describes them: fresh, or from a checkpoint of either backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.errors import CheckpointError
from seqcli.numpy_backend.cells import CELLS
from seqcli.numpy_backend.parameters import (
    TORCH_NAMES,
    Parameters,
    from_torch_names,
    initialize_parameters,
    shapes,
)
from seqcli.schema import quoted


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
    if set(checkpoint.weights) != set(TORCH_NAMES.values()):
        odd = min(set(checkpoint.weights) ^ set(TORCH_NAMES.values()))
        raise _misfit(path, f"{quoted(odd)} is missing or belongs to no part of it")
    found = from_torch_names(checkpoint.weights)
    for name, shape in wanted.items():
        if found[name].shape != shape:
            raise _misfit(path, f"{TORCH_NAMES[name]} is {found[name].shape}, not {shape}")
        if found[name].dtype.kind != "f":
            raise _misfit(path, f"{TORCH_NAMES[name]} holds numbers of {found[name].dtype}")
    return {name: np.array(found[name], _dtype(config), order="C") for name in wanted}


def _misfit(path: Path, reason: str) -> CheckpointError:
    message = f"{path}: the weights do not fit the model it describes: {reason}"
    return CheckpointError(message, "train again")


def _dtype(config: Config) -> type[np.floating]:
    return np.float64 if config.train.precision == "float64" else np.float32
