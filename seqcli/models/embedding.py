"""Embeddings of tokens, tied output layers, and dropout fused into neighboring operations."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.models.base import copy_to
from seqcli.models.kernels import enabled
from seqcli.models.kernels.dropout_mask import dropout_scales, dropped_relu
from seqcli.models.positions import Positions


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` (Srivastava et al. 2014)."""

    @property
    def active(self) -> bool:
        """Whether anything is dropped."""
        return self.training and self.p > 0

    def forward(self, input: Tensor) -> Tensor:
        """Zero each element with probability ``p``, scale the others by 1 / (1 - p)."""
        return input * dropout_scales(input, self.p) if self.active else input

    def added(self, base: Tensor, input: Tensor) -> Tensor:
        """Return base + dropout(input)."""
        if not self.active:
            return base + input
        return torch.addcmul(base, input, dropout_scales(input, self.p))

    def relu(self, input: Tensor) -> Tensor:
        """Return dropout(relu(input)); the input may be overwritten."""
        return dropped_relu(input, self.p) if self.active else torch.relu(input)


class EmbeddedTokens(NamedTuple):
    """Embedded tokens: ``rows`` (B, T) selects rows of ``table`` (U, E)."""

    rows: Tensor
    table: Tensor

    def vectors(self) -> Tensor:
        """Return the vector of each token (B, T, E)."""
        return F.embedding(self.rows, self.table)

    def projected(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Apply a linear layer to each token's vector: (B, T, any).

        A token that occurs several times is projected once.
        """
        if len(self.table) > self.rows.numel() or not enabled(self.table):
            return F.linear(self.vectors(), weight, bias)  # (B, T, any)
        return F.embedding(self.rows, F.linear(self.table, weight, bias))  # (B, T, any)


class Embedding(nn.Embedding):
    """`torch.nn.Embedding` with dropout.

    ``type`` dropout draws one mask for each distinct token of a batch and applies it wherever the
    token occurs: dropout on the embedding matrix, as in variational dropout (Gal and Ghahramani
    2016, arXiv:1512.05287) and in Merity et al. 2018 (arXiv:1708.02182, section 4.3), but for each
    component instead of whole vectors. The next layer can then process each distinct token once,
    and on small data the accuracy is at least as high. ``position`` dropout, the usual kind, draws
    a mask for every position.

    Args:
        vocabulary, size: V and E.
        dropout: the probability of zeroing each component.
        kind: ``type`` or ``position``.
    """

    def __init__(self, vocabulary: int, size: int, dropout: float, kind: str = "type") -> None:
        super().__init__(vocabulary, size)
        self.dropout, self.kind = Dropout(dropout), kind

    def embed(self, tokens: Tensor) -> EmbeddedTokens:
        """Embed token ids (B, T).

        On the CPU the table has the distinct tokens of this batch only; on other devices
        finding them costs more than it saves, and an exported program must not depend on the batch.
        """
        if self.kind == "position" and self.training:
            vectors = self.dropout(self(tokens)).flatten(0, 1)  # (B * T, E)
            rows = torch.arange(tokens.numel(), device=tokens.device).view_as(tokens)  # (B, T)
            return EmbeddedTokens(rows, vectors)
        if torch.compiler.is_exporting() or tokens.device.type != "cpu":
            return EmbeddedTokens(tokens, self.dropout(self.weight))
        used, rows = torch.unique(tokens, return_inverse=True)  # (U,), (B, T)
        return EmbeddedTokens(rows, self.dropout(F.embedding(used, self.weight)))  # (U, E)


class TokenEmbedding(nn.Module):
    """The token embeddings of a Transformer, with positions.

    Args:
        config: ``hidden`` is the width H, ``positions`` the kind.
        vocabulary: V.
        max_length: maximum sequence length; the size of a table of learned positions.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, max_length: int) -> None:
        super().__init__()
        width = config.hidden
        kind = registry.resolve("kind of positions", config.positions, registry.POSITIONS)
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.positions: Positions = kind(width, width // config.heads, max_length)
        self.scale, self.dropout = math.sqrt(width), Dropout(config.dropout)

    def forward(self, tokens: Tensor, start: int = 0, starts: Tensor | None = None) -> Tensor:
        """Embed token ids (B, T), the first at position ``start``: (B, T, H).

        Args:
            tokens: (B, T) token ids.
            start: the first position, or the largest one that ``starts`` may hold.
            starts: (B, 1) the first position of each row, if they differ.
        """
        self.positions.check(start + tokens.shape[1])
        embedded = self.embedding(tokens) * self.scale  # (B, T, H)
        places = start if starts is None else starts
        positioned: Tensor = self.dropout(self.positions.added(embedded, places))  # (B, T, H)
        return positioned


class EndMarks(nn.Module):
    """A learned vector for the first token of each source, and one for the last.

    Positions alone do not tell an encoder where its source ends, and rotary positions not even
    where it begins.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.marks = nn.Embedding(2, width)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Add the vectors to embedded tokens (B, S, H) of sources with lengths (B,), on the CPU."""
        places = torch.arange(x.shape[1], device=x.device)  # (S,)
        last = places == copy_to(lengths, x.device)[:, None] - 1  # (B, S)
        ends = torch.stack([(places == 0).expand_as(last), last], dim=2)  # (B, S, 2)
        return x + ends.to(x.dtype) @ self.marks.weight  # (B, S, H)


class TiedLinear(nn.Module):
    """An output layer whose weights are an embedding matrix.

    It has fewer weights than `nn.Linear`, and tokens with similar embeddings get similar logits
    (Press and Wolf 2017, arXiv:1608.05859; Inan et al. 2017, arXiv:1611.01462). Inputs of another
    size than the embeddings are projected first.

    Args:
        embedding: the embedding, (V, E).
        inputs: I, the size of the inputs.
        scale: the factor of the logits, E^-0.5 for embeddings with a variance of 1.
    """

    def __init__(self, embedding: nn.Embedding, inputs: int, scale: float = 1.0) -> None:
        super().__init__()
        vocabulary, size = embedding.weight.shape
        self.embedding = (embedding,)  # a tuple, so that it is not registered as a submodule
        self.scale = scale
        same = inputs == size
        self.projection = None if same else nn.Linear(inputs, size, bias=False)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    @property
    def weight(self) -> Tensor:
        """The weights (V, I) of the equivalent linear layer."""
        table = self.embedding[0].weight * self.scale  # (V, E)
        return table if self.projection is None else table @ self.projection.weight  # (V, I)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (..., V) of inputs (..., I)."""
        if self.projection is not None:
            inputs = self.projection(inputs)  # (..., E)
        return F.linear(inputs * self.scale, self.embedding[0].weight, self.bias)  # (..., V)


OutputLayer: TypeAlias = nn.Linear | TiedLinear  # with `weight` (V, I) and `bias` (V,)


def output_layer(
    embedding: nn.Embedding, inputs: int, tied: bool, scale: float = 1.0
) -> OutputLayer:
    """Return the layer that maps inputs of size I to logits; see `TiedLinear` for the arguments."""
    if tied:
        return TiedLinear(embedding, inputs, scale)
    return nn.Linear(inputs, embedding.num_embeddings)
