"""Array functions for decoding, for arrays of any library: the standard's, and those it lacks.

See https://data-apis.org/array-api/latest/. NumPy 2 implements the standard. PyTorch needs
`array_api_compat`, which is imported for PyTorch only: its NumPy part imports every submodule of
NumPy, which takes longer than decoding a line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any  # a NumPy array or a PyTorch tensor; the standard has no common base class

_by_type: dict[type, Any] = {}


def array_namespace(array: Array) -> Any:
    """Return the module with the standard's functions for arrays of this type."""
    namespace = _by_type.get(type(array))
    if namespace is None:
        namespace = _by_type[type(array)] = _namespace(array)
    return namespace


def _namespace(array: Array) -> Any:
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    import array_api_compat

    return array_api_compat.array_namespace(array)


def log_softmax(logits: Array) -> Array:
    """Compute log-probabilities along the last axis, in float32 or float64."""
    xp = array_namespace(logits)
    if logits.dtype not in (xp.float32, xp.float64):
        logits = xp.astype(logits, xp.float32)
    if hasattr(logits, "log_softmax"):  # PyTorch: one kernel instead of five
        return logits.log_softmax(-1)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def log_mean_exp(scores: Sequence[Array]) -> Array:
    """Compute the logarithm of the mean of exp(scores), elementwise over arrays of one shape."""
    xp, top = array_namespace(scores[0]), scores[0]
    for one in scores[1:]:
        top = xp.maximum(top, one)
    possible = top > -xp.inf
    top = xp.where(possible, top, 0.0)
    total = sum(xp.exp(one - top) for one in scores)  # at least 1 where possible
    mean = xp.where(possible, total, 1.0) / len(scores)
    return xp.where(possible, top + xp.log(mean), -xp.inf)


def max_and_argmax(values: Array) -> tuple[Array, Array]:
    """Return the maximum along the last axis and its index."""
    xp = array_namespace(values)
    if hasattr(values, "topk"):  # PyTorch: one pass for both
        largest = values.max(-1)
        return largest.values, largest.indices
    index = xp.argmax(values, axis=-1)
    return xp.take_along_axis(values, index[..., None], axis=-1)[..., 0], index


def topk(values: Array, k: int) -> tuple[Array, Array]:
    """Return the k largest values along the last axis, largest first, and their indices."""
    if hasattr(values, "topk"):
        largest = values.topk(k, dim=-1)
        return largest.values, largest.indices
    count = values.shape[-1]
    if k < count:
        candidates = np.sort(np.argpartition(values, count - k, axis=-1)[..., count - k :], axis=-1)
    else:
        candidates = np.broadcast_to(np.arange(count), values.shape)
    order = np.argsort(-np.take_along_axis(values, candidates, -1), axis=-1, kind="stable")
    index = np.take_along_axis(candidates, order, axis=-1)
    return np.take_along_axis(values, index, axis=-1), index


def is_on_gpu(array: Array) -> bool:
    """Return whether an array is computed by a CUDA device, while the program goes on."""
    return bool(getattr(array, "is_cuda", False))


def to_floats(values: Sequence[SupportsFloat]) -> list[float]:
    """Convert numbers to floats; scalars on a CUDA device are copied from it all at once."""
    if len(values) > 1 and all(map(is_on_gpu, values)):
        import torch

        numbers: list[float] = torch.stack(list(values)).tolist()  # type: ignore[arg-type]
        return numbers
    return [float(value) for value in values]


def start_reading(array: Array) -> Callable[[], NDArray[Any]]:
    """Start to copy an array from a CUDA device; return a function that waits for the copy.

    It does not wait for what the device is given afterwards.
    """
    import torch

    copied = array.to("cpu", non_blocking=True)  # to pinned memory
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call,unused-ignore]
    arrived.record()

    def read() -> NDArray[Any]:
        arrived.synchronize()
        return to_numpy(copied)

    return read


def send(values: NDArray[Any], like: Array) -> Array:
    """Copy values to the CUDA device of an array, without waiting for it."""
    import torch

    return torch.from_numpy(values).pin_memory().to(like.device, non_blocking=True)


def to_numpy(array: Array) -> NDArray[Any]:
    """Convert an array to NumPy, without a copy if it is in CPU memory."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)
