"""Read and write checkpoints with PyTorch; only this module calls ``torch.save``."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint, to_plain
from seqcli.files.atomic import write_atomically
from seqcli.schema import is_array

_DTYPES = {torch.from_numpy(np.zeros(0, dtype)).dtype for dtype in numpy_file.STORAGES.values()}


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; tensors are moved to the CPU, so that any machine can read it.

    Raises:
        SeqcliError: the disk is full or broken; the old file is kept.
        UsageError: the path cannot be written.
        ValueError: a value could not be read back (a bug of the caller).
    """
    plain = _each_array(to_plain(checkpoint), _to_stored)
    buffer = io.BytesIO()  # PyTorch's writer may abort the process on a full disk
    torch.save(plain, buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; weights are CPU tensors, arrays in its record are NumPy arrays.

    ``torch.load`` can open these files, but is not used: a flipped bit in the attributes of a
    member, which no checksum covers, makes it treat the member as a folder and return zeros.
    ``restricted`` reads the verified content.

    Raises:
        CheckpointError: it is missing, damaged, malicious or not a checkpoint.
    """
    return with_tensors(numpy_file.load(path))


def with_tensors(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint of ``numpy_file`` with its weights and state converted to CPU tensors."""
    weights, training = to_tensors((checkpoint.weights, checkpoint.training))
    return replace(checkpoint, weights=weights, training=training)


def to_tensors(value: Any) -> Any:
    """Convert the NumPy arrays in nested plain data to tensors; tied weights stay tied.

    The arrays are copied. Tensors in the data are returned unchanged.
    """
    tensors: dict[int, torch.Tensor] = {}

    def tensor(array: NDArray[Any] | torch.Tensor) -> torch.Tensor:
        if isinstance(array, torch.Tensor):
            return array
        if id(array) not in tensors:
            view = torch.from_numpy(array)
            tensors[id(array)] = view.clone(memory_format=torch.contiguous_format)
        return tensors[id(array)]

    return _each_array(value, tensor)


def on_cpu(value: Any) -> Any:
    """Return nested plain data with every tensor detached and on the CPU."""

    def moved(array: Any) -> Any:
        return array.detach().cpu() if torch.is_tensor(array) else array

    return _each_array(value, moved)


def _each_array(value: Any, change: Callable[[Any], Any]) -> Any:
    """Apply ``change`` to every array in nested plain data."""
    if isinstance(value, dict):
        return {key: _each_array(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_each_array(item, change) for item in value)
    return change(value) if is_array(value) else value


def _to_stored(value: Any) -> torch.Tensor:
    """Return a detached CPU tensor whose storage contains only its own numbers."""
    if not isinstance(value, torch.Tensor):
        value = torch.from_numpy(np.array(value, order="C"))
    tensor: torch.Tensor = value.detach().cpu()
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"a checkpoint cannot contain numbers of {tensor.dtype}")
    whole = tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.is_contiguous()
    if whole and tensor.numel():  # tied weights stay tied
        return tensor
    return tensor.clone(memory_format=torch.contiguous_format)
