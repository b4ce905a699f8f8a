"""Weights of a checkpoint, of either backend, as this backend's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.errors import CheckpointError
from seqcli.numpy_backend.parameters import Parameters, from_torch_names


def put_weights(parameters: Parameters, weights: Mapping[str, Any], path: Path) -> None:
    """Copy a checkpoint's weights into the parameters.

    Raises:
        CheckpointError: names or shapes differ from what its configuration describes.
    """
    try:
        found = from_torch_names(weights)
        shapes = {name: np.shape(array) for name, array in found.items()}
        wanted = {name: array.shape for name, array in parameters.items()}
        if shapes != wanted:
            name = next(n for n in wanted if shapes.get(n) != wanted[n])
            raise ValueError(f"{name} has shape {shapes.get(name)}, not {wanted[name]}")
    except (KeyError, ValueError) as error:
        message = f"{path}: the weights do not fit the model it describes: {error}"
        raise CheckpointError(message, "train again") from error
    for name, array in found.items():
        parameters[name][...] = array
