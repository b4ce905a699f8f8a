"""Language models; see `seqcli.models.language_model`.

The source is always (B, 0) and only determines the number of texts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.numpy_backend.forward.base import NumpyModel
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.forward.positions import Positions
from seqcli.numpy_backend.forward.rnn import RNN, Cell
from seqcli.numpy_backend.forward.seq2seq import batch_first
from seqcli.numpy_backend.forward.transformer_layers import (
    KeysValues,
    TokenEmbedding,
    final_norm,
    flat,
    make_layers,
    paired,
)
from seqcli.numpy_backend.parameters import Floats, Ids


class RecurrentLanguageModel(NumpyModel):
    """Recurrent layers over one-hot tokens, and a linear layer (Karpathy's char-rnn, 2015).

    A one-hot token selects its column of the input weights.

    Args:
        weights: the weights of the model.
        config: ``hidden`` and ``layers`` are used.
        vocabulary: V, special tokens included.
        cell: the recurrent cell of the layers.
    """

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        self.sizes = (config.layers, config.hidden)
        part, sizes = weights.part("rnn"), (vocabulary, config.hidden, config.layers)
        self.rnn = RNN(part, cell, *sizes, False, config.layer_norm)
        self.output = weights.linear("output", config.hidden, vocabulary)

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """See `NumpyModel.forward`."""
        outputs, _ = self.rnn.read(target_in, embedding=None)  # (B, T, H)
        return self.output(outputs)

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """See `NumpyModel.start`."""
        zeros = np.zeros((len(source), *self.sizes), self.output.weight.dtype)  # (B, L, H)
        return DecoderState((), (zeros,) * self.rnn.cell.states)

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """See `NumpyModel.step`."""
        before = batch_first(state.past)  # (L, B, H)
        outputs, after = self.rnn.read(token[:, None], None, None, before)  # (B, 1, H)
        logits = self.output(outputs[:, 0])  # (B, V)
        return logits, replace(state, past=batch_first(after), position=state.position + 1)


class TransformerLanguageModel(NumpyModel):
    """The decoder-only Transformer (Radford et al. 2018), keys and values cached in `step`.

    Args:
        weights: the weights of the model.
        config: ``hidden`` is the width H.
        vocabulary: V, special tokens included.
        max_length: maximum sequence length; the size of a table of learned positions.
        positions: the kind of positions.
    """

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        vocabulary: int,
        max_length: int,
        positions: type[Positions],
    ) -> None:
        self.heads = (config.heads, config.hidden // config.heads)
        part = weights.part("embedding")
        self.embedding = TokenEmbedding(part, config, vocabulary, max_length, positions)
        kind = self.embedding.positions
        self.layers = make_layers(weights.part("layers"), config, kind, cross=False)
        self.norm = final_norm(weights, "norm", config)
        self.output = weights.output_layer(
            self.embedding.embedding, config.hidden, config.tied_embeddings
        )

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """See `NumpyModel.forward`."""
        x = self.embedding(target_in)  # (B, T, H)
        for layer in self.layers:
            x = layer(x, causal=True).states  # (B, T, H)
        return self.output(self.norm(x))

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """See `NumpyModel.start`."""
        heads, width = self.heads
        empty = np.zeros((len(source), heads, 0, width), self.output.weight.dtype)  # (B, N, 0, d)
        return DecoderState((), (empty, empty) * len(self.layers))

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """See `NumpyModel.step`."""
        x = self.embedding(token[:, None], state.position)  # (B, 1, H)
        cache: list[KeysValues] = []
        for layer, past in zip(self.layers, paired(state.past), strict=True):
            x, kept, _ = layer(x, past=past)  # (B, 1, H)
            cache.append(kept)
        logits = self.output(self.norm(x))[:, 0]  # (B, V)
        return logits, replace(state, past=tuple(flat(cache)), position=state.position + 1)
