"""Recurrent sequence-to-sequence models: an encoder, a bridge, and a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from seqcli import registry
from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import Attention, attention_bias, token_mask
from seqcli.models.base import Model
from seqcli.models.cells import Cell, CellState, make_cell
from seqcli.models.copying import PointerGenerator
from seqcli.models.decoders import (
    BahdanauDecoder,
    ContextDecoder,
    Decoder,
    LuongDecoder,
    Memory,
    PlainDecoder,
)
from seqcli.models.embedding import Embedding
from seqcli.models.rnn import make_rnn


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
        self.directions = 2 if config.bidirectional else 1
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

    def summary(self, last: CellState) -> Tensor:
        """Return the highest layer's last hidden state in all directions (B, D * H)."""
        hidden = last[0][-self.directions :]  # (D, B, H)
        return hidden.transpose(0, 1).flatten(1)  # (B, D * H)


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
        summary = self.encoder.summary(last)  # (B, D * H)
        memory = self.decoder.prepare(outputs, attention_bias(mask, outputs), summary)
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
        plain = ContextDecoder if config.feed_context else PlainDecoder
        return plain(config, vocabulary, cell)
    kind: type[Attention] = registry.resolve("attention", config.attention, registry.ATTENTIONS)
    attention = kind(config.hidden, 2 if config.bidirectional else 1)
    decoder = BahdanauDecoder if kind.before_step else LuongDecoder
    return decoder(config, vocabulary, cell, attention)
