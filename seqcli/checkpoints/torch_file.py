"""Checkpoints with PyTorch: the only module that calls ``torch.save`` and ``torch.load``."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from seqcli.checkpoints import restricted
from seqcli.checkpoints.archive import open_archive
from seqcli.checkpoints.atomic import write_atomically
from seqcli.checkpoints.content import Checkpoint, from_plain, is_array, to_plain
from seqcli.errors import UsageError

_DTYPES = {torch.from_numpy(np.zeros(0, dtype)).dtype for dtype in restricted.STORAGES.values()}
_OLDEST_TORCH = (2, 10)  # before: code execution or memory corruption by a hostile file


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in one step; tensors go to the CPU, so that any machine reads it.

    Raises:
        SeqcliError: the disk is full or broken; the old file is whole.
        UsageError: the place cannot be written.
        ValueError: a value could not be read back (a bug of the caller).
    """
    plain = _each_array(to_plain(checkpoint), _to_stored)
    buffer = io.BytesIO()  # torch's own writer may abort the process on a full disk
    torch.save(plain, buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; weights are CPU tensors, arrays in ``about`` are NumPy's.

    Raises:
        CheckpointError: missing, damaged, hostile, or of another kind.
        UsageError: this torch is too old to open a file safely.
    """
    _check_torch()
    with open_archive(path) as archive:
        restricted.inspect(archive)
        checkpoint = from_plain(_load(archive.file), path)
    about = _each_array(checkpoint.about, lambda tensor: tensor.numpy())
    return replace(checkpoint, about=about)


def _load(file: BinaryIO) -> object:
    file.seek(0)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # its text advises weights_only=False: not to be shown
        raise ValueError("torch refuses what is in it") from error


def _check_torch() -> None:
    numbers = torch.__version__.split(".")[:2]
    if tuple(map(int, numbers)) < _OLDEST_TORCH:
        message = f"torch {torch.__version__} cannot open checkpoints safely"
        raise UsageError(message, "pip install 'torch>=2.10'")


def _each_array(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return nested plain data with every array in it changed."""
    if isinstance(value, dict):
        return {key: _each_array(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_each_array(item, change) for item in value)
    return change(value) if is_array(value) else value


def _to_stored(value: Any) -> torch.Tensor:
    """Return a CPU tensor without gradient whose storage holds its own numbers and no more."""
    tensor = value.detach().cpu() if isinstance(value, torch.Tensor) else torch.tensor(value)
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"a checkpoint cannot hold numbers of {tensor.dtype}")
    if tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.is_contiguous():
        return tensor
    return tensor.contiguous().clone()
