"""The layers that models consist of, and access to the weights of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from seqcli.errors import CheckpointError
from seqcli.numpy_backend.parameters import Floats, Ids
from seqcli.schema import quoted

EPSILON = 1e-5  # of layer norms, as in PyTorch


class Linear:
    """y = x Wᵀ + b; see `torch.nn.Linear`.

    Args:
        weight: (O, I).
        bias: (O,), or None.
    """

    def __init__(self, weight: Floats, bias: Floats | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Floats) -> Floats:
        """Map (..., I) to (..., O) by one matrix product."""
        outputs, inputs = self.weight.shape
        y: Floats = x.reshape(-1, inputs) @ self.weight.T  # (rows, O)
        if self.bias is not None:
            y += self.bias
        return y.reshape(*x.shape[:-1], outputs)  # (..., O)

    def one_hot(self, tokens: Ids) -> Floats:
        """Map the one-hot vectors of token ids (B, T) to (B, T, O): select columns of W."""
        columns: Floats = self.weight.T[tokens]  # (B, T, O)
        return columns if self.bias is None else columns + self.bias


class TiedLinear(Linear):
    """An output layer whose weights are an embedding matrix; see `seqcli.models.embedding`.

    Args:
        weight: (V, E), the scaled embeddings.
        bias: (V,).
        projection: from inputs of another size to E, or None.
    """

    def __init__(self, weight: Floats, bias: Floats, projection: Linear | None) -> None:
        super().__init__(weight, bias)
        self.projection = projection

    def __call__(self, x: Floats) -> Floats:
        """Map (..., I) to (..., V)."""
        return super().__call__(x if self.projection is None else self.projection(x))


class Embedding:
    """A vector for each token; see `torch.nn.Embedding`.

    Args:
        weight: (V, E).
    """

    def __init__(self, weight: Floats) -> None:
        self.weight = weight

    def __call__(self, tokens: Ids) -> Floats:
        """Embed token ids (B, T): (B, T, E)."""
        vectors: Floats = self.weight[tokens]  # (B, T, E)
        return vectors

    def projected(self, tokens: Ids, layer: Linear) -> Floats:
        """Embed token ids (B, T) and apply a linear layer: (B, T, O).

        If there are more tokens than ids, each id is projected once.
        """
        if tokens.size < len(self.weight):
            return layer(self(tokens))
        table = layer(self.weight)  # (V, O)
        return table[tokens]  # (B, T, O)


class LayerNorm:
    """Normalize each vector to mean 0 and variance 1, then scale and shift it.

    Args:
        weight, bias: (H,).
    """

    def __init__(self, weight: Floats, bias: Floats) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Floats) -> Floats:
        """Normalize states (..., H)."""
        centered = x - x.mean(axis=-1, keepdims=True)  # (..., H)
        variance = np.square(centered).mean(axis=-1, keepdims=True)  # (..., 1)
        normalized: Floats = centered / np.sqrt(variance + EPSILON)  # (..., H)
        return normalized * self.weight + self.bias


class Identity:
    """Return the input; see `torch.nn.Identity`."""

    def __call__(self, x: Floats) -> Floats:
        """Return ``x``."""
        return x


class Weights:
    """The weights of a checkpoint, by their PyTorch names, or those of one part of the model.

    A layer is read with the sizes from the configuration. Memory is only allocated after the stored
    array matches these sizes, because a small file can describe a model that is too large.

    Args:
        arrays: name -> array.
        path: the checkpoint, for messages.
        dtype: the dtype of the computation.
        prefix: the prefix of the names of this part.
        unread: names that no layer has read; shared by all parts.
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        path: Path,
        dtype: DTypeLike,
        prefix: str = "",
        unread: set[str] | None = None,
    ) -> None:
        self.arrays, self.path, self.dtype, self.prefix = arrays, path, dtype, prefix
        self.unread = set(arrays) if unread is None else unread

    def part(self, name: str) -> Weights:
        """Return the weights of one part."""
        prefix = f"{self.prefix}{name}."
        return Weights(self.arrays, self.path, self.dtype, prefix, self.unread)

    def array(self, name: str, *shape: int) -> Floats:
        """Return an array, checked to have this shape, in `dtype`.

        Raises:
            CheckpointError: it is missing, or its shape or number format differs.
        """
        name = self.prefix + name
        if name not in self.arrays:
            raise misfit(self.path, f"{quoted(name)} is missing")
        stored = np.asarray(self.arrays[name])
        if stored.shape != shape:
            raise misfit(self.path, f"{name} is {_sizes(stored.shape)}, not {_sizes(shape)}")
        if stored.dtype.kind != "f":
            raise misfit(self.path, f"{name} has dtype {stored.dtype}")
        self.unread.discard(name)
        return np.ascontiguousarray(stored, self.dtype)

    def linear(self, name: str, inputs: int, outputs: int, bias: bool = True) -> Linear:
        """Return a linear layer from ``inputs`` to ``outputs`` features."""
        part = self.part(name)
        weight = part.array("weight", outputs, inputs)
        return Linear(weight, part.array("bias", outputs) if bias else None)

    def embedding(self, name: str, vocabulary: int, size: int) -> Embedding:
        """Return an embedding of ``vocabulary`` ids."""
        return Embedding(self.part(name).array("weight", vocabulary, size))

    def output_layer(
        self, embedding: Embedding, inputs: int, tied: bool, scale: float = 1.0
    ) -> Linear:
        """Return the layer ``output`` from inputs to logits; see `seqcli.models.embedding`."""
        part, (vocabulary, size) = self.part("output"), embedding.weight.shape
        if not tied:
            return self.linear("output", inputs, vocabulary)
        same = inputs == size
        projection = None if same else part.linear("projection", inputs, size, bias=False)
        return TiedLinear(embedding.weight * scale, part.array("bias", vocabulary), projection)

    def layer_norm(self, name: str, width: int) -> LayerNorm:
        """Return the layer norm of states of ``width`` features."""
        part = self.part(name)
        return LayerNorm(part.array("weight", width), part.array("bias", width))

    def check_all_read(self) -> None:
        """Refuse weights that belong to no layer.

        Raises:
            CheckpointError: there are such weights.
        """
        if self.unread:
            raise misfit(self.path, f"{quoted(min(self.unread))} belongs to no part of it")


def misfit(path: Path, reason: str) -> CheckpointError:
    """Return the error for weights that differ from what the configuration describes."""
    message = f"{path}: the weights do not fit the model it describes: {reason}"
    return CheckpointError(message, "train again")


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a scalar"
