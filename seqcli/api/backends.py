"""Choose and load the backend that computes a trained model: NumPy or PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from seqcli import registry
from seqcli.api.checkpoint_config import OpenedCheckpoint
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
        opened: the checkpoint.
        name: auto, torch or numpy.

    Raises:
        UsageError: the backend does not exist.
    """

    def __init__(self, opened: OpenedCheckpoint, name: str) -> None:
        self.opened = opened
        self.name = registry.check("backend", name, (AUTO, *LOADERS))
        self.work = 0.0
        self.parameters = sum(weight.size for weight in opened.checkpoint.weights.values())
        self._loaded: dict[str, Backend] = {}

    def for_tokens(self, tokens: int) -> Backend:
        """Return the backend to compute ``tokens`` more tokens with."""
        self.work += float(tokens) * self.parameters
        name = self._automatic() if self.name == AUTO else self.name
        if name not in self._loaded:
            self._loaded[name] = LOADERS[name](self.opened)
        return self._loaded[name]

    def _automatic(self) -> str:
        from seqcli.numpy_backend.forward import has_forward

        is_small = self.work <= NUMPY_WORK and "torch" not in self._loaded
        return "numpy" if is_small and has_forward(self.opened.config.model) else "torch"


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
