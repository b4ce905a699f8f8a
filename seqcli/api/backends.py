"""Choose and load the backend that computes a trained model: NumPy or PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from seqcli import registry
from seqcli.api.checkpoint_config import OpenedCheckpoint
from seqcli.api.members import OpenedMembers, id_maps
from seqcli.arrays.ensemble import Ensemble, Member
from seqcli.decoding.inference import Backend

AUTO = "auto"
# Work, in tokens times parameters, up to which NumPy is faster than importing and using PyTorch. On
# one core of a server CPU, PyTorch takes 1.9 s to import. NumPy takes at most 0.017 s longer per
# 1e9 of work: GRU of 64 and 256, 2-layer LSTM of 256 and 512, Transformer of 128; greedy decoding,
# beam 5 and log-likelihoods, 1 to 1000 rows. For a few rows NumPy is 1.5 to 3 times as fast.
NUMPY_WORK = 1e11


class BackendChoice:
    """Choose a backend, and load it on first use.

    With "auto", NumPy computes the model until the total work exceeds `NUMPY_WORK`; PyTorch takes
    over from then on.

    Args:
        opened: the checkpoint, or those of an ensemble.
        name: auto, torch or numpy.

    Raises:
        UsageError: the backend does not exist.
    """

    def __init__(self, opened: OpenedMembers, name: str) -> None:
        self.opened = opened
        self.name = registry.check("backend", name, (AUTO, *LOADERS))
        self.work = 0.0
        weights = [one.checkpoint.weights for one in opened.members]
        self.parameters = sum(weight.size for some in weights for weight in some.values())
        self._loaded: dict[str, Backend] = {}

    def for_tokens(self, tokens: int) -> Backend:
        """Return the backend to compute ``tokens`` more tokens with."""
        name = self.name_for(tokens)
        if name not in self._loaded:
            self._loaded[name] = _load(self.opened, name)
        return self._loaded[name]

    def name_for(self, tokens: int) -> str:
        """Add ``tokens`` tokens to the work, and return the name of the backend for them."""
        self.work += float(tokens) * self.parameters
        return self._automatic() if self.name == AUTO else self.name

    def _automatic(self) -> str:
        from seqcli.numpy_backend.forward import has_forward

        is_small = self.work <= NUMPY_WORK and "torch" not in self._loaded
        forward = all(has_forward(one.config.model) for one in self.opened.members)
        return "numpy" if is_small and forward else "torch"


def _load(opened: OpenedMembers, name: str) -> Backend:
    """Load a model, or all members of an ensemble, into the backend of a name."""
    backends = [LOADERS[name](_with_device_of(opened.first, one)) for one in opened.members]
    if len(backends) == 1:
        return backends[0]
    members, codec = [], opened.first.checkpoint.codec
    for backend, one in zip(backends, opened.members, strict=True):
        maps = id_maps(codec, one.checkpoint.codec)
        arrays = (None if ids is None else backend.array(ids) for ids in maps)
        members.append(Member(backend.model, *arrays))
    return backends[0].with_model(Ensemble(tuple(members)))


def _with_device_of(first: OpenedCheckpoint, one: OpenedCheckpoint) -> OpenedCheckpoint:
    """Return a checkpoint that is loaded on the device of the first member of its ensemble."""
    train = replace(one.config.train, device=first.config.train.device)
    return replace(one, config=replace(one.config, train=train))


def load_numpy(opened: OpenedCheckpoint) -> Backend:
    """Load a model into NumPy.

    Raises:
        CheckpointError: the weights do not fit the configuration.
        UsageError: a part of the model has no NumPy implementation.
    """
    from threadpoolctl import threadpool_limits

    from seqcli.numpy_backend.backend import NumpyBackend
    from seqcli.numpy_backend.forward import load_model

    threadpool_limits(1, user_api="blas")  # more threads are slower for models of this size
    dtype = np.float64 if opened.config.train.precision == "float64" else np.float32
    parts = (opened.checkpoint, opened.config, opened.limits, opened.path)
    return NumpyBackend(load_model(*parts, dtype))


def load_torch(opened: OpenedCheckpoint) -> Backend:
    """Load a model into PyTorch, on its training device if that is available.

    Raises:
        CheckpointError: the weights do not fit the configuration.
    """
    from seqcli.api.torch_model import load

    return load(opened)


LOADERS: Mapping[str, Callable[[OpenedCheckpoint], Backend]] = {
    "torch": load_torch,
    "numpy": load_numpy,
}
