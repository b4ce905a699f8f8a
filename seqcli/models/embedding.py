"""The embedding of symbols, arranged so that each is worked on once a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.models.dropout import Dropout


class Symbols(NamedTuple):
    """Embedded symbols: what stands where, and the vectors of all that stand anywhere.

    ``places`` (B, T) are rows of ``table`` (U, E).
    """

    places: Tensor
    table: Tensor

    def vectors(self) -> Tensor:
        """Return each place's vector (B, T, E)."""
        return F.embedding(self.places, self.table)

    def projected(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return a linear layer's product with each place's vector (B, T, any).

        A symbol that stands at many places is projected but once.
        """
        if torch.compiler.is_exporting() or len(self.table) > self.places.numel():
            return F.linear(self.vectors(), weight, bias)
        return F.embedding(self.places, F.linear(self.table, weight, bias))


class Embedding(nn.Embedding):
    """`nn.Embedding` with dropout on its table.

    What is dropped of a symbol's vector is dropped wherever the symbol stands in the batch, so
    that a layer above need not tell its places apart (on the table as in Merity et al. 2018,
    arXiv:1708.02182, section 4.3, but each component by itself). It also makes better models of
    small data than a draw for each place.

    Args:
        vocabulary, size: V and E.
        dropout: the probability of each component to be dropped.
    """

    def __init__(self, vocabulary: int, size: int, dropout: float) -> None:
        super().__init__(vocabulary, size)
        self.dropout = Dropout(dropout)

    def symbols(self, tokens: Tensor) -> Symbols:
        """Embed ids (B, T).

        On the CPU the table has the symbols of this batch alone; elsewhere to find them would
        cost more than it saves, and a traced program has to be the same for all batches.
        """
        if torch.compiler.is_exporting() or tokens.device.type != "cpu":
            return Symbols(tokens, self.dropout(self.weight))
        used, places = torch.unique(tokens, return_inverse=True)  # (U,), (B, T)
        return Symbols(places, self.dropout(F.embedding(used, self.weight)))  # (U, E)
