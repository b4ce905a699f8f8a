"""The forward pass of every model in NumPy, without gradients and without PyTorch.

`load_model` returns a `NumpyModel` for any checkpoint. Files, classes and attributes have the
names they have in `seqcli.models`, so that both can be read side by side; what is missing here is
what a trained model does not need: dropout, initialization and gradients.

The tests compare both in float64: logits, decoding steps and attention weights agree to 1e-10.
"""

from seqcli.numpy_backend.forward.base import NumpyModel
from seqcli.numpy_backend.forward.build import has_forward, load_model

__all__ = ["NumpyModel", "has_forward", "load_model"]
