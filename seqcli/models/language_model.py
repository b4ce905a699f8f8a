"""Language models, with the same interface as models with a source.

The source is always (B, 0) and only determines the number of texts.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.errors import UsageError
from seqcli.models.base import Model
from seqcli.models.cells import make_cell
from seqcli.models.embedding import Dropout, TokenEmbedding, output_layer
from seqcli.models.rnn import make_rnn, one_hot
from seqcli.models.transformer_layers import KeysValues, final_norm, flat, make_layers, paired


class RecurrentLanguageModel(Model):
    """Recurrent layers over one-hot tokens, and a linear layer (Karpathy's char-rnn, 2015).

    There is no embedding: a one-hot token selects its column of the input weights, as in the
    classical exercise, so that the NumPy backend has the same weights. Padding is at the end, so it
    cannot affect a model that reads from left to right: nothing is packed.

    Args:
        config: ``cell``, ``hidden``, ``layers`` and ``dropout`` are used.
        vocabulary: V, special tokens included.
    """

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        cell = make_cell(config)
        self.vocabulary, self.sizes = vocabulary, (config.layers, config.hidden)
        sizes = (vocabulary, config.hidden, config.layers)
        self.rnn = make_rnn(
            cell, *sizes, config.dropout, bidirectional=False, layer_norm=config.layer_norm
        )
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, vocabulary)

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        outputs, _ = self.rnn(self._one_hot(target_in))  # (B, T, H)
        logits: Tensor = self.output(self.dropout(outputs))  # (B, T, V)
        return logits

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`."""
        zeros = self.output.weight.new_zeros(source.shape[0], *self.sizes)  # (B, L, H)
        return DecoderState((), (zeros,) * self.rnn.cell.states)

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Model.step`."""
        before = tuple(part.transpose(0, 1).contiguous() for part in state.past)  # (L, B, H)
        outputs, after = self.rnn(self._one_hot(token[:, None]), None, before)  # (B, 1, H)
        past = tuple(part.transpose(0, 1) for part in after)  # (B, L, H)
        logits = self.output(outputs[:, 0])  # (B, V)
        return logits, replace(state, past=past, position=state.position + 1)

    def _one_hot(self, tokens: Tensor) -> Tensor:
        return one_hot(tokens, self.vocabulary, self.output.weight)  # (B, T, V)


class TransformerLanguageModel(Model):
    """The decoder-only Transformer (Radford et al. 2018), keys and values cached in `step`.

    Args:
        config: ``hidden`` is the width H.
        vocabulary: V, special tokens included.
        max_length: maximum sequence length; the size of a table of learned positions.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, max_length: int) -> None:
        super().__init__()
        self.heads = (config.heads, config.hidden // config.heads)
        self.embedding = TokenEmbedding(config, vocabulary, max_length)
        self.layers = make_layers(config, self.embedding.positions, cross=False)
        self.norm = final_norm(config)
        self.output = output_layer(self.embedding.embedding, config.hidden, config.tied_embeddings)

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        x = self.embedding(target_in)  # (B, T, H)
        for layer in self.layers:
            x = layer(x, causal=True).states  # (B, T, H)
        logits: Tensor = self.output(self.norm(x))  # (B, T, V)
        return logits

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`."""
        heads, width = self.heads
        empty = self.output.weight.new_zeros(source.shape[0], heads, 0, width)  # (B, N, 0, d)
        return DecoderState((), (empty, empty) * len(self.layers))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Model.step`."""
        x = self.embedding(token[:, None], state.position)  # (B, 1, H)
        cache: list[KeysValues] = []
        for layer, past in zip(self.layers, paired(state.past), strict=True):
            x, kept, _ = layer(x, causal=True, past=past)  # (B, 1, H)
            cache.append(kept)
        logits = self.output(self.norm(x))[:, 0]  # (B, V)
        return logits, replace(state, past=tuple(flat(cache)), position=state.position + 1)


def language_model(config: ModelConfig, vocabulary: int, max_length: int) -> Model:
    """Build the language model described by a configuration.

    Raises:
        UsageError: a recurrent model, which has no embeddings, is to use them twice.
    """
    if config.cell == "transformer":
        return TransformerLanguageModel(config, vocabulary, max_length)
    if config.tied_embeddings:
        message = "model.tied_embeddings is true, but recurrent language models have no embeddings"
        raise UsageError(message, "set it to false, or use --cell transformer")
    return RecurrentLanguageModel(config, vocabulary)
