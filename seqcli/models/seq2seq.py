"""Recurrent sequence-to-sequence models: an encoder, a bridge, and a decoder.

The decoder has no attention, attention after each step (Luong), or before each step (Bahdanau).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli import registry
from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import Attention, attention_bias, token_mask
from seqcli.models.base import Model
from seqcli.models.cells import Cell, CellState, NormalizedCell, make_cell
from seqcli.models.copying import PointerGenerator
from seqcli.models.embedding import Dropout, EmbeddedTokens, Embedding, OutputLayer, output_layer
from seqcli.models.kernels.bahdanau_decoder import Source, bahdanau_decoder
from seqcli.models.rnn import make_rnn

Memory: TypeAlias = tuple[Tensor, ...]  # returned by `prepare` for the encoder's outputs


class Encoder(nn.Module):
    """Embed the source and run a recurrent layer over it, in one direction or both.

    Padding is ignored: each row is read up to its length, in both directions.

    Args:
        config: the sizes of the layers.
        vocabulary: V of the source.
        cell: the recurrent cell of the layers.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        super().__init__()
        self.embedding = Embedding(
            vocabulary, config.embedding, config.dropout, config.embedding_dropout
        )
        self.rnn = make_rnn(
            cell,
            config.embedding,
            config.hidden,
            config.layers,
            config.dropout,
            config.bidirectional,
            config.layer_norm,
        )

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, CellState]:
        """Return the outputs (B, S, D * H) and the last states, each (L * D, B, H)."""
        return self.rnn.run_embedded(self.embedding.embed(source), lengths)


class Bridge(nn.Module):
    """Compute the decoder's first state from the encoder's last, layer by layer.

    Learned: tanh of a linear layer over both directions (Bahdanau et al. 2015). The LSTM's cell
    state has a linear layer of its own, without tanh. Not learned: the sum of the directions.
    """

    def __init__(self, config: ModelConfig, states: int) -> None:
        super().__init__()
        self.layers, self.directions = config.layers, 2 if config.bidirectional else 1
        size = config.hidden * self.directions
        count = config.layers * states if config.bridge else 0
        self.projections = nn.ModuleList(nn.Linear(size, config.hidden) for _ in range(count))

    def forward(self, state: CellState) -> CellState:
        """Map tensors (L * D, B, H) to tensors (L, B, H)."""
        return tuple(self._bridge(i, part) for i, part in enumerate(state))

    def _bridge(self, which: int, part: Tensor) -> Tensor:
        batch, hidden = part.shape[1:]
        directions = part.view(self.layers, self.directions, batch, hidden)  # (L, D, B, H)
        if not len(self.projections):
            return directions.sum(1)  # (L, B, H)
        joined = directions.transpose(1, 2).reshape(self.layers, batch, -1)  # (L, B, D * H)
        first = which * self.layers
        projected = torch.stack(
            [self.projections[first + i](layer) for i, layer in enumerate(joined)]
        )  # (L, B, H)
        return torch.tanh(projected) if which == 0 else projected


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

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None) -> Memory:
        """Precompute tensors from the encoder's outputs (B, S, D * H); by default none.

        ``attn_bias`` (B, S) masks padding; None if there is no padding.
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
        self.rnn = make_rnn(
            cell,
            config.embedding,
            config.hidden,
            config.layers,
            config.dropout,
            bidirectional=False,
            layer_norm=config.layer_norm,
        )
        self.output = self.output_layer(config.hidden)

    def forward(self, tokens: Tensor, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.forward`."""
        outputs, state = self.rnn.run_embedded(
            self.embedding.embed(tokens), None, state
        )  # (R, T, H)
        return Decoded(self.output(self.dropout(outputs)), outputs, state, None)


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

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None) -> Memory:
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

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None) -> Memory:
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


class Seq2Seq(Model):
    """An encoder, a bridge and a decoder, and optionally a pointer-generator.

    The pointer-generator copies by the attention of the decoder, so the memory begins with its
    pointers.
    """

    def __init__(
        self, encoder: Encoder, bridge: Bridge, decoder: Decoder, copy: PointerGenerator | None
    ) -> None:
        super().__init__()
        self.encoder, self.bridge, self.decoder, self.copy = encoder, bridge, decoder, copy

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        memory, first = self._encode(source, source_lengths)
        return self._decode(target_in, memory, first)[0]  # (B, T, V)

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`."""
        memory, first = self._encode(source, source_lengths)
        return DecoderState(memory, batch_first(first))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Model.step`."""
        past = tuple(part.transpose(0, 1).contiguous() for part in state.past)  # (L, B * K, H)
        logits, after, weights = self._decode(token[:, None], state.memory, past)  # (B * K, 1, V)
        attention = None if weights is None else weights[:, 0]  # (B * K, S)
        state = replace(
            state, past=batch_first(after), position=state.position + 1, attention=attention
        )
        return logits[:, 0], state  # (B * K, V)

    def _encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, CellState]:
        """Return the memory and the decoder's first state, tensors (L, B, H)."""
        outputs, last = self.encoder(source, lengths)  # (B, S, D * H)
        mask = token_mask(lengths, source.shape[1], source.device)
        memory = self.decoder.prepare(outputs, attention_bias(mask, outputs))
        if self.copy is not None:
            memory = (self.copy.pointers(source), *memory)
        return memory, self.bridge(last)

    def _decode(
        self, tokens: Tensor, memory: Memory, state: CellState
    ) -> tuple[Tensor, CellState, Tensor | None]:
        """Return logits (R, T, V), the last state, and attention weights (R, T, S) or None."""
        if self.copy is None:
            logits, _, state, weights = self.decoder(tokens, memory, state)
            return logits, state, weights
        pointers, *rest = memory
        logits, hidden, state, weights = self.decoder(tokens, tuple(rest), state)
        return self.copy(logits, hidden, weights, pointers), state, weights


def batch_first(state: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Swap the axes of tensors (L, B, H) to (B, L, H), the layout of a `DecoderState`, or back."""
    return tuple(part.transpose(0, 1) for part in state)  # (B, L, H)


def seq2seq(config: ModelConfig, source: int, target: int, copy_ids: Sequence[int]) -> Seq2Seq:
    """Build the model for vocabularies of ``source`` and ``target`` tokens.

    ``copy_ids``: see `PointerGenerator`; used if ``config.copy`` is set.
    """
    cell = make_cell(config)
    encoder, bridge = Encoder(config, source, cell), Bridge(config, cell.states)
    copy = PointerGenerator(config.hidden, target, copy_ids) if config.copy else None
    return Seq2Seq(encoder, bridge, _decoder(config, target, cell), copy)


def _decoder(config: ModelConfig, vocabulary: int, cell: Cell) -> Decoder:
    if config.attention == "none":
        return PlainDecoder(config, vocabulary, cell)
    kind: type[Attention] = registry.resolve("attention", config.attention, registry.ATTENTIONS)
    attention = kind(config.hidden, 2 if config.bidirectional else 1)
    decoder = BahdanauDecoder if kind.before_step else LuongDecoder
    return decoder(config, vocabulary, cell, attention)
