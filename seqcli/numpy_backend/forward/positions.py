"""Positional encodings of the Transformer; see `seqcli.models.positions`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from seqcli.errors import DataError
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.parameters import Floats, Ids


class Positions:
    """No positions: both methods return their input.

    Args:
        weights: the weights of this part.
        width: of the embeddings.
        head: width of one attention head.
        max_length: the number of positions in a table.
    """

    gives_order: ClassVar[bool] = True

    def __init__(self, weights: Weights, width: int, head: int, max_length: int) -> None:
        self.width = width

    def added(self, embedded: Floats, start: int | Ids = 0) -> Floats:
        """Return embeddings (B, T, H) with positions ``start``, ``start + 1`` ...

        ``start`` is one number, or one for each row (B, 1).
        """
        return embedded

    def rotated(self, heads: Floats, start: int = 0, size: int | None = None) -> Floats:
        """Return queries or keys (B, N, T, H / N) with positions ``start``, ``start + 1`` ...

        ``size`` is the number of positions, T by default; 1 if all of them are at ``start``.
        """
        return heads


class NoPositions(Positions):
    """The causal mask alone gives the order (Kazemnejad et al. 2023, arXiv:2305.19466)."""

    gives_order: ClassVar[bool] = False


class Sinusoidal(Positions):
    """Fixed sines and cosines (Vaswani et al. 2017, arXiv:1706.03762); any length."""

    def __init__(self, weights: Weights, width: int, head: int, max_length: int) -> None:
        super().__init__(weights, width, head, max_length)
        self.rates = _rates(width).astype(weights.dtype)  # (H / 2,)

    def added(self, embedded: Floats, start: int | Ids = 0) -> Floats:
        """See `Positions.added`."""
        angles = _angles(self.rates, embedded.shape[1], start)  # (1 or B, T, H / 2)
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)[:, :, : self.width]
        summed: Floats = embedded + waves  # (B, T, H)
        return summed


class Learned(Positions):
    """A learned vector for each position, up to ``max_length``."""

    def __init__(self, weights: Weights, width: int, head: int, max_length: int) -> None:
        super().__init__(weights, width, head, max_length)
        self.table = weights.embedding("table", max_length, width)

    def added(self, embedded: Floats, start: int | Ids = 0) -> Floats:
        """See `Positions.added`.

        Raises:
            DataError: the sequence is longer than the table.
        """
        end, max_length = int(np.max(start, initial=0)) + embedded.shape[1], len(self.table.weight)
        if end > max_length:
            raise DataError(
                f"a sequence of {end} tokens is longer than this model's "
                f"{max_length} learned positions",
                "shorten it, or train with --set model.positions=sinusoidal (or rotary)",
            )
        places = start + np.arange(embedded.shape[1])  # ([B,] T)
        return embedded + self.table(places)  # (B, T, H)


class Rotary(Positions):
    """Rotation of queries and keys by an angle that grows with the position; any length.

    Self-attention and attention to the source are both rotated.

    Source: RoFormer (Su et al. 2021, arXiv:2104.09864).
    """

    def __init__(self, weights: Weights, width: int, head: int, max_length: int) -> None:
        super().__init__(weights, width, head, max_length)
        self.rates = _rates(head).astype(weights.dtype)  # (H / 2N,)

    def rotated(self, heads: Floats, start: int = 0, size: int | None = None) -> Floats:
        """See `Positions.rotated`."""
        size = heads.shape[2] if size is None else size
        angles = _angles(self.rates, size, start)[0]  # (size, H / 2N)
        cos, sin = np.cos(angles), np.sin(angles)
        half = len(self.rates)
        left, right = heads[..., :half], heads[..., half:]  # (B, N, T, H / 2N) each
        return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=3)


def _rates(width: int) -> Floats:
    """Return the (ceil(width / 2),) angular rates, from 1 down to 1 / 10000, as in `seqcli.models`.

    They are computed in float64 and rounded to float32, for every dtype of the model.
    """
    steps = np.arange((width + 1) // 2)
    rates: Floats = np.exp(steps * (-2 * np.log(10000.0) / width)).astype(np.float32)
    return rates


def _angles(rates: Floats, size: int, start: int | Ids) -> Floats:
    """Return the (1 or B, size, width / 2) angles of positions from ``start``."""
    places = np.reshape(start + np.arange(size), (-1, size, 1)).astype(rates.dtype)
    angles: Floats = places * rates
    return angles
