"""Positional encodings of the Transformer.

A kind may add to the embeddings (`added`) or rotate queries and keys (`rotated`).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from seqcli.errors import DataError


class Positions(nn.Module):
    """No positions: both methods return their input.

    Args:
        width: of the embeddings.
        head: width of one attention head.
        max_length: the number of positions in a table.
    """

    gives_order: ClassVar[bool] = True

    def __init__(self, width: int, head: int, max_length: int) -> None:
        super().__init__()

    def check(self, end: int) -> None:
        """Check that there are ``end`` positions. It gets a number, which no GPU has to send.

        Raises:
            DataError: there are fewer.
        """

    def added(self, embedded: Tensor, start: int | Tensor = 0) -> Tensor:
        """Return embeddings (B, T, H) with positions ``start``, ``start + 1`` ...

        ``start`` is one number, or one for each row (B, 1).
        """
        return embedded

    def rotated(self, heads: Tensor, start: int = 0, size: int | None = None) -> Tensor:
        """Return queries or keys (B, N, T, H / N) with positions ``start``, ``start + 1`` ...

        ``size`` is the number of positions, T by default; 1 if all of them are at ``start``.
        """
        return heads


class NoPositions(Positions):
    """The causal mask alone gives the order (Kazemnejad et al. 2023, arXiv:2305.19466).

    The encoder is then causal too; otherwise it would see its source as a bag of tokens.
    """

    gives_order: ClassVar[bool] = False


class Sinusoidal(Positions):
    """Fixed sines and cosines (Vaswani et al. 2017, arXiv:1706.03762); any length.

    Position t adds [sin(t r); cos(t r)] (H,) with the rates r_i = 10000^(-2i / H), i < H / 2. The
    paper has the same numbers with sines and cosines interleaved.
    """

    def __init__(self, width: int, head: int, max_length: int) -> None:
        super().__init__(width, head, max_length)
        self.register_buffer("rates", _rates(width), persistent=False)  # (H / 2,)
        self.width = width

    def added(self, embedded: Tensor, start: int | Tensor = 0) -> Tensor:
        """See `Positions.added`."""
        angles = _angles(self.get_buffer("rates"), embedded.shape[1], start)  # (1 or B, T, H / 2)
        waves = torch.cat([angles.sin(), angles.cos()], dim=2)[:, :, : self.width]  # (.., T, H)
        return embedded + waves.to(embedded.dtype)


class Learned(Positions):
    """A learned vector for each position, up to ``max_length``."""

    def __init__(self, width: int, head: int, max_length: int) -> None:
        super().__init__(width, head, max_length)
        self.table = nn.Embedding(max_length, width)

    def check(self, end: int) -> None:
        """See `Positions.check`."""
        if end > self.table.num_embeddings:
            raise DataError(
                f"a sequence of {end} tokens is longer than this model's "
                f"{self.table.num_embeddings} learned positions",
                "shorten it, or train with --set model.positions=sinusoidal (or rotary)",
            )

    def added(self, embedded: Tensor, start: int | Tensor = 0) -> Tensor:
        """See `Positions.added`."""
        places = start + torch.arange(embedded.shape[1], device=embedded.device)  # ([B,] T)
        return embedded + self.table(places)  # type: ignore[no-any-return]  # (B, T, H)


class Rotary(Positions):
    """Rotation of queries and keys by an angle that grows with the position; any length.

    At position t each pair (x_i, x_{i + d/2}) of a head is rotated by the angle t r_i. So the
    product of a query at t and a key at s depends on their distance t - s. Attention to the source
    is rotated as well: nothing else would tell a decoder at position t where to look.

    Source: RoFormer (Su et al. 2021, arXiv:2104.09864).
    """

    def __init__(self, width: int, head: int, max_length: int) -> None:
        super().__init__(width, head, max_length)
        self.register_buffer("rates", _rates(head), persistent=False)  # (H / 2N,)

    def rotated(self, heads: Tensor, start: int = 0, size: int | None = None) -> Tensor:
        """See `Positions.rotated`."""
        size = heads.shape[2] if size is None else size
        angles = _angles(self.get_buffer("rates"), size, start)[0]  # (size, H / 2N)
        cos, sin = angles.cos().to(heads.dtype), angles.sin().to(heads.dtype)
        left, right = heads.chunk(2, dim=3)  # (B, N, T, H / 2N) each
        rotated = left * cos - right * sin, left * sin + right * cos  # (B, N, T, H / 2N) each
        return torch.cat(rotated, dim=3)  # (B, N, T, H / N)


def _rates(width: int) -> Tensor:
    """Return the (ceil(width / 2),) angular rates, from 1 down to 1 / 10000.

    They are computed in float64 and rounded to float32: the same numbers on every machine.
    """
    steps = torch.arange((width + 1) // 2, dtype=torch.float64)
    return torch.exp(steps * (-2 * math.log(10000.0) / width)).float()


def _angles(rates: Tensor, size: int, start: int | Tensor) -> Tensor:
    """Return the (1 or B, size, width / 2) angles of positions from ``start``."""
    places = start + torch.arange(size, device=rates.device)  # (size,) or (B, size)
    places = places.view(-1, size, 1)  # (1 or B, size, 1)
    return places * rates
