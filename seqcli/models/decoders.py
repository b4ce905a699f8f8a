"""Decoders of recurrent sequence-to-sequence models.

They have no attention, attention after each step (Luong), or before each step (Bahdanau). Without
attention, a decoder sees the source in its first state only, or in a summary at every step.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.config import ModelConfig
from seqcli.models.attention import Attention
from seqcli.models.cells import Cell, CellState, NormalizedCell
from seqcli.models.embedding import Dropout, EmbeddedTokens, Embedding, OutputLayer, output_layer
from seqcli.models.kernels.bahdanau_decoder import Source, bahdanau_decoder
from seqcli.models.rnn import RNN, make_rnn

Memory: TypeAlias = tuple[Tensor, ...]  # returned by `prepare` for the encoder's outputs


class Decoded(NamedTuple):
    """The outputs of a decoder.

    Attributes:
        logits: (R, T, V).
        hidden: (R, T, H), the decoder's last hidden layer.
        state: the last state, each (L, R, H).
        weights: (R, T, S) attention weights, or None without attention.
    """

    logits: Tensor
    hidden: Tensor
    state: CellState
    weights: Tensor | None


class Decoder(nn.Module):
    """A decoder's interface.

    There are R = B * K rows, K hypotheses for each of the memory's B sources (K is 1 except in
    beam search).
    """

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.embedding = Embedding(
            vocabulary, config.embedding, config.dropout, config.embedding_dropout
        )
        self.dropout = Dropout(config.dropout)
        self.tied = config.tied_embeddings

    def output_layer(self, inputs: int) -> OutputLayer:
        """Return the layer that maps inputs of this size to logits."""
        scale = self.embedding.embedding_dim**-0.5
        return output_layer(self.embedding, inputs, self.tied, scale)

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None, summary: Tensor) -> Memory:
        """Precompute tensors from what the encoder computed; by default none.

        Args:
            outputs: (B, S, D * H), the encoder's outputs.
            attn_bias: (B, S) masks padding; None if there is no padding.
            summary: (B, D * H), the encoder's last hidden state.
        """
        return ()

    def forward(self, tokens: Tensor, memory: Memory, state: CellState) -> Decoded:
        """Read target tokens (R, T) from a state of tensors (L, R, H)."""
        raise TypeError(f"{type(self).__name__} has no forward")


class PlainDecoder(Decoder):
    """A decoder without attention: only its first state depends on the source.

        s_t = cell(y_{t-1}, s_{t-1})    hidden states (R, T, H)
        p(y_t) = softmax(W s_t + b)

    Source: Sutskever et al. 2014, arXiv:1409.3215.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        super().__init__(config, vocabulary)
        self.rnn = _decoder_rnn(config, cell, config.embedding)
        self.output = self.output_layer(config.hidden)

    def forward(self, tokens: Tensor, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.forward`."""
        outputs, state = self.rnn.run_embedded(
            self.embedding.embed(tokens), None, state
        )  # (R, T, H)
        return Decoded(self.output(self.dropout(outputs)), outputs, state, None)


class ContextDecoder(Decoder):
    """A decoder without attention that reads a summary of the source at every step.

        c = the encoder's last hidden state      context (B, C)
        s_t = cell([y_{t-1}; c], s_{t-1})        hidden states (R, T, H)
        p(y_t) = softmax(W [s_t; c; y_{t-1}] + b)

    In a `PlainDecoder` the hidden state has to carry the source up to the last step.

    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        super().__init__(config, vocabulary)
        context = config.hidden * (2 if config.bidirectional else 1)
        self.rnn = _decoder_rnn(config, cell, config.embedding + context)
        self.output = self.output_layer(config.hidden + context + config.embedding)

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None, summary: Tensor) -> Memory:
        """Return the context (B, C)."""
        return (summary,)

    def forward(self, tokens: Tensor, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.forward`."""
        (context,) = memory
        embedded = self.embedding.embed(tokens).vectors()  # (R, T, E)
        beams, steps = len(tokens) // len(context), tokens.shape[1]
        repeated = context.repeat_interleave(beams, dim=0)  # (R, C)
        contexts = repeated[:, None].expand(-1, steps, -1)  # (R, T, C)
        outputs, state = self.rnn(torch.cat([embedded, contexts], 2), None, state)  # (R, T, H)
        dropped = self.dropout(torch.cat([outputs, contexts], 2))  # (R, T, H + C)
        logits: Tensor = self.output(torch.cat([dropped, embedded], 2))  # (R, T, V)
        return Decoded(logits, outputs, state, None)


class LuongDecoder(PlainDecoder):
    """Attention after the cell, for all steps at once (Luong et al. 2015, arXiv:1508.04025).

    s_t = cell(y_{t-1}, s_{t-1})          hidden states (R, T, H)
    a_tj = softmax over j of energy(s_t, h_j)
    c_t = sum over j of a_tj h_j          contexts (R, T, H)
    r_t = tanh(W_c [s_t; c_t])            attended (R, T, H)
    p(y_t) = softmax(W r_t + b)
    """

    def __init__(
        self, config: ModelConfig, vocabulary: int, cell: Cell, attention: Attention
    ) -> None:
        super().__init__(config, vocabulary, cell)
        self.attention = attention
        self.combine = nn.Linear(2 * config.hidden, config.hidden)

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None, summary: Tensor) -> Memory:
        """Return keys (B, S, A), values (B, S, H), and the bias (B, S) if there is padding."""
        parts = (self.attention.project_keys(outputs), self.attention.values(outputs))
        return parts if attn_bias is None else (*parts, attn_bias)

    def forward(self, tokens: Tensor, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.forward`."""
        keys, values, *bias = memory
        outputs, state = self.rnn.run_embedded(
            self.embedding.embed(tokens), None, state
        )  # (R, T, H)
        states = outputs.reshape(keys.shape[0], -1, outputs.shape[2])  # (B, K * T, H)
        queries = self.attention.project_queries(states)  # (B, K * T, H)
        weights = self.attention(queries, keys, bias[0] if bias else None)  # (B, K * T, S)
        contexts = (weights @ values).view_as(outputs)  # (R, T, H)
        attended = torch.tanh(self.combine(torch.cat([outputs, contexts], 2)))  # (R, T, H)
        logits: Tensor = self.output(self.dropout(attended))  # (R, T, V)
        weights = weights.view(*tokens.shape, -1)  # (R, T, S)
        return Decoded(logits, attended, state, weights)


class BahdanauDecoder(Decoder):
    """Attention before each step; the context is an input of the cell (Bahdanau et al. 2015).

        a_tj = softmax over j of energy(s_{t-1}, h_j)
        c_t = sum over j of a_tj h_j            contexts (R, T, C)
        s_t = cell([y_{t-1}; c_t], s_{t-1})     hidden states (R, T, H)
        p(y_t) = softmax(W [s_t; c_t; y_{t-1}] + b)

    Products with a concatenation are sums of products: W [s; c; y] = W_s s + W_c c + W_y y. So the
    loop over the target (`kernels.bahdanau_decoder.bahdanau_decoder_reference`) only computes what
    depends on s_{t-1}. The input weights of the tokens and of the source positions, and the keys,
    are applied before it. The output layer, and the layers above the first, run over all positions
    after it.
    """

    def __init__(
        self, config: ModelConfig, vocabulary: int, cell: Cell, attention: Attention
    ) -> None:
        super().__init__(config, vocabulary)
        hidden, embedding = config.hidden, config.embedding
        context, gates = hidden * attention.directions, hidden * cell.gates
        self.cell = NormalizedCell(cell, hidden) if config.layer_norm else cell
        self.attention = attention
        self.from_input = nn.Linear(embedding, gates)
        self.from_context = nn.Linear(context, gates, bias=False)
        self.from_state = nn.Linear(hidden, gates)
        self.upper = None
        if config.layers > 1:
            sizes = (hidden, hidden, config.layers - 1, config.dropout)
            self.upper = make_rnn(cell, *sizes, bidirectional=False, layer_norm=config.layer_norm)
        self.output = self.output_layer(hidden + context + embedding)

    def gated(self) -> tuple[nn.Module, ...]:
        """Return the modules whose weights (gates * H, I) have one block of rows per gate."""
        return self.from_input, self.from_context, self.from_state

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None, summary: Tensor) -> Memory:
        """Return values, keys (B, S, A) and gates (B, S, G) of the source, and the mask if any.

        The values are the encoder's outputs (B, S, C). Outside of training, where nothing is
        dropped, they are already multiplied by the output layer's weights (B, S, V).
        """
        _, from_context, _ = self._output_weights()
        values = outputs if self.training else F.linear(outputs, from_context)  # (B, S, C or V)
        parts = (values, self.attention.project_keys(outputs), self.from_context(outputs))
        return parts if attn_bias is None else (*parts, attn_bias)

    def forward(self, tokens: Tensor, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.forward`."""
        values, keys, gates, *bias = memory
        source = Source(keys, gates, bias[0] if bias else None)
        embedded = self.embedding.embed(tokens)
        inputs = embedded.projected(self.from_input.weight, self.from_input.bias)  # (R, T, G)
        first = tuple(part[0] for part in state)  # (R, H) each
        outputs, weights, last = bahdanau_decoder(
            self.cell, self.attention, self.from_state, inputs, source, first
        )  # (R, T, H), (R, T, S)
        after = tuple(part[None] for part in last)  # (1, R, H) each
        if self.upper is not None:
            above = tuple(part[1:].contiguous() for part in state)  # (L - 1, R, H) each
            outputs, above = self.upper(self.dropout(outputs), None, above)  # (R, T, H)
            after = tuple(torch.cat(parts) for parts in zip(after, above, strict=True))  # (L, R, H)
        sources, size, width = values.shape
        contexts = weights.view(sources, -1, size) @ values  # (B, K * T, C or V)
        contexts = contexts.view(*tokens.shape, width)  # (R, T, C or V)
        return Decoded(self._logits(embedded, outputs, contexts), outputs, after, weights)

    def _logits(self, embedded: EmbeddedTokens, outputs: Tensor, contexts: Tensor) -> Tensor:
        """Apply the output layer to state (R, T, H), context and token: (R, T, V)."""
        from_state, from_context, from_input = self._output_weights()
        if self.training:
            contexts = F.linear(self.dropout(contexts), from_context)  # (R, T, V)
        from_token = embedded.projected(from_input, self.output.bias)  # (R, T, V)
        return F.linear(self.dropout(outputs), from_state) + contexts + from_token  # (R, T, V)

    def _output_weights(self) -> tuple[Tensor, ...]:
        """Return the output layer's weights for state (V, H), context (V, C) and token (V, E)."""
        hidden, embedding = self.from_state.in_features, self.from_input.in_features
        sizes = [hidden, self.from_context.in_features, embedding]
        return torch.split(self.output.weight, sizes, dim=1)  # (V, H), (V, C), (V, E)


def _decoder_rnn(config: ModelConfig, cell: Cell, size: int) -> RNN:
    """Return the layers of a decoder over inputs (R, T, I) of a size I."""
    return make_rnn(
        cell,
        size,
        config.hidden,
        config.layers,
        config.dropout,
        bidirectional=False,
        layer_norm=config.layer_norm,
    )
