"""The recurrent encoder-decoder; see `seqcli.models.seq2seq`."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.numpy_backend.forward.attention import Attention
from seqcli.numpy_backend.forward.base import NumpyModel, attention_bias, token_mask
from seqcli.numpy_backend.forward.copying import PointerGenerator
from seqcli.numpy_backend.forward.layers import Linear, Weights
from seqcli.numpy_backend.forward.rnn import RNN, Cell, CellState, NormalizedCell
from seqcli.numpy_backend.parameters import Floats, Ids

Memory: TypeAlias = tuple[Floats, ...]  # returned by `prepare` for the encoder's outputs


class Encoder:
    """Embed the source and run a recurrent layer over it, in one direction or both.

    Padding is ignored: each row is read up to its length, in both directions.

    Args:
        weights: the weights of this part.
        config: the sizes of the layers.
        vocabulary: V of the source.
        cell: the recurrent cell of the layers.
    """

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        self.embedding = weights.embedding("embedding", vocabulary, config.embedding)
        self.rnn = RNN(
            weights.part("rnn"),
            cell,
            config.embedding,
            config.hidden,
            config.layers,
            config.bidirectional,
            config.layer_norm,
        )

    def __call__(self, source: Ids, lengths: Ids) -> tuple[Floats, CellState]:
        """Return the outputs (B, S, D * H) and the last states, each (L * D, B, H)."""
        return self.rnn.read(source, self.embedding, lengths)

    def summary(self, last: CellState) -> Floats:
        """Return the highest layer's last hidden state in all directions (B, D * H)."""
        hidden = last[0][-self.rnn.directions :]  # (D, B, H)
        joined: Floats = hidden.swapaxes(0, 1).reshape(hidden.shape[1], -1)  # (B, D * H)
        return joined


class Bridge:
    """Compute the decoder's first state from the encoder's last, layer by layer.

    Learned: tanh of a linear layer over both directions (Bahdanau et al. 2015). The LSTM's cell
    state has a linear layer of its own, without tanh. Not learned: the sum of the directions.
    """

    def __init__(self, weights: Weights, config: ModelConfig, states: int) -> None:
        self.layers, self.directions = config.layers, 2 if config.bidirectional else 1
        size = config.hidden * self.directions
        count = config.layers * states if config.bridge else 0
        self.projections = [
            weights.linear(f"projections.{i}", size, config.hidden) for i in range(count)
        ]

    def __call__(self, state: CellState) -> CellState:
        """Map arrays (L * D, B, H) to arrays (L, B, H)."""
        return tuple(self._bridge(i, part) for i, part in enumerate(state))

    def _bridge(self, which: int, part: Floats) -> Floats:
        _, batch, hidden = part.shape
        directions = part.reshape(self.layers, self.directions, batch, hidden)  # (L, D, B, H)
        if not self.projections:
            summed: Floats = directions.sum(1)  # (L, B, H)
            return summed
        joined = directions.swapaxes(1, 2).reshape(self.layers, batch, -1)  # (L, B, D * H)
        first = which * self.layers
        projected = np.stack(
            [self.projections[first + i](layer) for i, layer in enumerate(joined)]
        )  # (L, B, H)
        return np.tanh(projected) if which == 0 else projected


class Decoded(NamedTuple):
    """The outputs of a decoder.

    Attributes:
        logits: (R, T, V).
        hidden: (R, T, H), the decoder's last hidden layer.
        state: the last state, each (L, R, H).
        weights: (R, T, S) attention weights, or None without attention.
    """

    logits: Floats
    hidden: Floats
    state: CellState
    weights: Floats | None


class Decoder:
    """A decoder's interface; R = B * K rows, K hypotheses for each of the memory's B sources."""

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary: int) -> None:
        self.embedding = weights.embedding("embedding", vocabulary, config.embedding)
        self.tied = config.tied_embeddings

    def output_layer(self, weights: Weights, inputs: int) -> Linear:
        """Return the layer that maps inputs of this size to logits."""
        scale = self.embedding.weight.shape[1] ** -0.5
        return weights.output_layer(self.embedding, inputs, self.tied, scale)

    def prepare(self, outputs: Floats, attn_bias: Floats | None, summary: Floats) -> Memory:
        """Precompute arrays from what the encoder computed; by default none.

        Args:
            outputs: (B, S, D * H), the encoder's outputs.
            attn_bias: (B, S) masks padding; None if there is no padding.
            summary: (B, D * H), the encoder's last hidden state.
        """
        return ()

    def __call__(self, tokens: Ids, memory: Memory, state: CellState) -> Decoded:
        """Read target tokens (R, T) from a state of arrays (L, R, H)."""
        raise TypeError(f"{type(self).__name__} has no __call__")


class PlainDecoder(Decoder):
    """A decoder without attention: only its first state depends on the source.

    Source: Sutskever et al. 2014, arXiv:1409.3215.
    """

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        super().__init__(weights, config, vocabulary)
        sizes = (config.embedding, config.hidden, config.layers)
        self.rnn = RNN(weights.part("rnn"), cell, *sizes, False, config.layer_norm)
        self.output = self.output_layer(weights, config.hidden)

    def __call__(self, tokens: Ids, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.__call__`."""
        outputs, state = self.rnn.read(tokens, self.embedding, None, state)  # (R, T, H)
        return Decoded(self.output(outputs), outputs, state, None)


class ContextDecoder(Decoder):
    """A decoder without attention that reads a summary of the source at every step.

    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        super().__init__(weights, config, vocabulary)
        context = config.hidden * (2 if config.bidirectional else 1)
        sizes = (config.embedding + context, config.hidden, config.layers)
        self.rnn = RNN(weights.part("rnn"), cell, *sizes, False, config.layer_norm)
        self.output = self.output_layer(weights, config.hidden + context + config.embedding)

    def prepare(self, outputs: Floats, attn_bias: Floats | None, summary: Floats) -> Memory:
        """Return the context (B, C)."""
        return (summary,)

    def __call__(self, tokens: Ids, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.__call__`."""
        (context,), embedded = memory, self.embedding(tokens)  # (R, T, E)
        beams, shape = len(tokens) // len(context), (*tokens.shape, context.shape[1])
        contexts = np.broadcast_to(context.repeat(beams, axis=0)[:, None], shape)  # (R, T, C)
        inputs = np.concatenate([embedded, contexts], axis=2)  # (R, T, E + C)
        outputs, state = self.rnn(inputs, None, state)  # (R, T, H)
        read = np.concatenate([outputs, contexts, embedded], axis=2)  # (R, T, H + C + E)
        return Decoded(self.output(read), outputs, state, None)


class LuongDecoder(PlainDecoder):
    """Attention after the cell, for all steps at once (Luong et al. 2015, arXiv:1508.04025)."""

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        vocabulary: int,
        cell: Cell,
        attention: Attention,
    ) -> None:
        super().__init__(weights, config, vocabulary, cell)
        self.attention = attention
        self.combine = weights.linear("combine", 2 * config.hidden, config.hidden)

    def prepare(self, outputs: Floats, attn_bias: Floats | None, summary: Floats) -> Memory:
        """Return keys (B, S, A), values (B, S, H), and the bias (B, S) if there is padding."""
        parts = (self.attention.project_keys(outputs), self.attention.values(outputs))
        return parts if attn_bias is None else (*parts, attn_bias)

    def __call__(self, tokens: Ids, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.__call__`."""
        keys, values, *bias = memory
        outputs, state = self.rnn.read(tokens, self.embedding, None, state)  # (R, T, H)
        states = outputs.reshape(len(keys), -1, outputs.shape[2])  # (B, K * T, H)
        queries = self.attention.project_queries(states)  # (B, K * T, H)
        weights = self.attention(queries, keys, bias[0] if bias else None)  # (B, K * T, S)
        contexts = (weights @ values).reshape(outputs.shape)  # (R, T, H)
        attended = np.tanh(self.combine(np.concatenate([outputs, contexts], axis=2)))  # (R, T, H)
        weights = weights.reshape(*tokens.shape, -1)  # (R, T, S)
        return Decoded(self.output(attended), attended, state, weights)


class BahdanauDecoder(Decoder):
    """Attention before each step; the context is an input of the cell (Bahdanau et al. 2015).

    The loop over the target only computes what depends on the previous state.
    """

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        vocabulary: int,
        cell: Cell,
        attention: Attention,
    ) -> None:
        super().__init__(weights, config, vocabulary)
        hidden, embedding = config.hidden, config.embedding
        context, gates = hidden * attention.directions, hidden * cell.gates
        self.cell, self.attention = cell, attention
        if config.layer_norm:
            self.cell = NormalizedCell(weights.part("cell"), cell, hidden)
        self.from_input = weights.linear("from_input", embedding, gates)
        self.from_context = weights.linear("from_context", context, gates, bias=False)
        self.from_state = weights.linear("from_state", hidden, gates)
        self.upper = None
        if config.layers > 1:
            part, sizes = weights.part("upper"), (hidden, hidden, config.layers - 1)
            self.upper = RNN(part, cell, *sizes, False, config.layer_norm)
        self.output = self.output_layer(weights, hidden + context + embedding)

    def prepare(self, outputs: Floats, attn_bias: Floats | None, summary: Floats) -> Memory:
        """Return values (B, S, C), keys (B, S, A) and gates (B, S, G) of the source, and the mask.

        A weighted sum of projected positions is the projection of their weighted sum, so the
        context's input weights are applied once per source.
        """
        parts = (outputs, self.attention.project_keys(outputs), self.from_context(outputs))
        return parts if attn_bias is None else (*parts, attn_bias)

    def __call__(self, tokens: Ids, memory: Memory, state: CellState) -> Decoded:
        """See `Decoder.__call__`."""
        values = memory[0]
        first = tuple(part[0] for part in state)  # (R, H) each
        outputs, weights, last = self._steps(tokens, memory, first)
        after = tuple(part[None] for part in last)  # (1, R, H) each
        if self.upper is not None:
            outputs, above = self.upper(outputs, None, tuple(part[1:] for part in state))
            after = tuple(np.concatenate(parts) for parts in zip(after, above, strict=True))
        size, width = values.shape[1:]
        contexts = weights.reshape(len(values), -1, size) @ values  # (B, K * T, C)
        parts = [outputs, contexts.reshape(*tokens.shape, width), self.embedding(tokens)]
        return Decoded(self.output(np.concatenate(parts, axis=2)), outputs, after, weights)

    def _steps(
        self, tokens: Ids, memory: Memory, state: CellState
    ) -> tuple[Floats, Floats, CellState]:
        """Run the first layer over tokens (R, T) from a state of arrays (R, H).

        Returns:
            outputs (R, T, H), attention weights (R, T, S), and the last state.
        """
        _, keys, gates, *mask = memory
        inputs = self.embedding.projected(tokens, self.from_input)  # (R, T, G)
        outputs, weights = [], []
        for t in range(tokens.shape[1]):
            states = state[0].reshape(len(keys), -1, state[0].shape[1])  # (B, K, H)
            queries = self.attention.project_queries(states)  # (B, K, A)
            attn_weights = self.attention(queries, keys, mask[0] if mask else None)  # (B, K, S)
            context = (attn_weights @ gates).reshape(len(tokens), -1)  # (R, G)
            state = self.cell.combine(inputs[:, t] + context, self.from_state(state[0]), state)
            outputs.append(state[0])
            weights.append(attn_weights.reshape(len(tokens), -1))  # (R, S)
        return np.stack(outputs, axis=1), np.stack(weights, axis=1), state


class Seq2Seq(NumpyModel):
    """An encoder, a bridge and a decoder, and optionally a pointer-generator."""

    def __init__(
        self, encoder: Encoder, bridge: Bridge, decoder: Decoder, copy: PointerGenerator | None
    ) -> None:
        self.encoder, self.bridge, self.decoder, self.copy = encoder, bridge, decoder, copy

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """See `NumpyModel.forward`."""
        memory, first = self._encode(source, source_lengths)
        return self._decode(target_in, memory, first)[0]  # (B, T, V)

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """See `NumpyModel.start`."""
        memory, first = self._encode(source, source_lengths)
        return DecoderState(memory, batch_first(first))

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """See `NumpyModel.step`."""
        past = batch_first(state.past)  # (L, R, H)
        logits, after, weights = self._decode(token[:, None], state.memory, past)
        attention = None if weights is None else weights[:, 0]  # (R, S)
        state = replace(
            state, past=batch_first(after), position=state.position + 1, attention=attention
        )
        return logits[:, 0], state  # (R, V)

    def _encode(self, source: Ids, lengths: Ids) -> tuple[Memory, CellState]:
        """Return the memory and the decoder's first state, arrays (L, B, H)."""
        outputs, last = self.encoder(source, lengths)  # (B, S, D * H)
        mask = token_mask(lengths, source.shape[1])
        summary = self.encoder.summary(last)  # (B, D * H)
        memory = self.decoder.prepare(outputs, attention_bias(mask, outputs), summary)
        if self.copy is not None:
            memory = (self.copy.pointers(source), *memory)
        return memory, self.bridge(last)

    def _decode(
        self, tokens: Ids, memory: Memory, state: CellState
    ) -> tuple[Floats, CellState, Floats | None]:
        """Return logits (R, T, V), the last state, and attention weights (R, T, S) or None."""
        if self.copy is None:
            logits, _, state, weights = self.decoder(tokens, memory, state)
            return logits, state, weights
        pointers, *rest = memory
        logits, hidden, state, weights = self.decoder(tokens, tuple(rest), state)
        assert weights is not None
        return self.copy(logits, hidden, weights, pointers), state, weights


def batch_first(state: CellState) -> CellState:
    """Swap the axes of arrays (L, B, H) to (B, L, H), the layout of a `DecoderState`, or back."""
    return tuple(part.swapaxes(0, 1) for part in state)  # (B, L, H)
