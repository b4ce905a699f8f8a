"""The recurrent encoder, and the bridge from its last state to the decoder's first."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seqcli import registry
from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import Attention
from seqcli.models.base import Model, attention_bias, padding_mask
from seqcli.models.cells import Cell, CellState
from seqcli.models.decoders import BahdanauDecoder, Decoder, LuongDecoder, PlainDecoder
from seqcli.models.embedding import Embedding
from seqcli.models.rnn import make_rnn


class Encoder(nn.Module):
    """Embed the source and run a recurrent layer over it, in one direction or both.

    Padding changes nothing: each row is read to its own length, in both directions.

    Args:
        config: the sizes.
        vocabulary: V of the source.
        cell: what the layers are made of.
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
        )

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, CellState]:
        """Return the outputs (B, S, D * H) and the last states, each (L * D, B, H)."""
        return self.rnn.read(self.embedding.embed(source), lengths)


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
        """Turn tensors (L * D, B, H) into tensors (L, B, H)."""
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
    """An encoder, a bridge and a decoder."""

    def __init__(self, encoder: Encoder, bridge: Bridge, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.bridge, self.decoder = encoder, bridge, decoder

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        memory, first = self._encode(source, source_lengths)
        logits, _, _ = self.decoder(target_in, memory, first)
        return logits  # type: ignore[no-any-return]

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`."""
        memory, first = self._encode(source, source_lengths)
        return DecoderState(memory, _batch_first(first))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Model.step`."""
        past = tuple(part.transpose(0, 1).contiguous() for part in state.past)  # (L, B * K, H)
        logits, after, weights = self.decoder(token[:, None], state.memory, past)
        attention = None if weights is None else weights[:, 0]  # (B * K, S)
        state = replace(
            state, past=_batch_first(after), position=state.position + 1, attention=attention
        )
        return logits[:, 0], state  # (B * K, V)

    def _encode(self, source: Tensor, lengths: Tensor) -> tuple[tuple[Tensor, ...], CellState]:
        """Return the decoder's memory and its first state, tensors (L, B, H)."""
        outputs, last = self.encoder(source, lengths)  # (B, S, D * H)
        mask = padding_mask(lengths, source.shape[1], source.device)
        return self.decoder.prepare(outputs, attention_bias(mask, outputs)), self.bridge(last)


def _batch_first(state: CellState) -> tuple[Tensor, ...]:
    return tuple(part.transpose(0, 1) for part in state)  # (B, L, H)


def seq2seq(config: ModelConfig, source: int, target: int) -> Seq2Seq:
    """Build the model for vocabularies of ``source`` and ``target`` tokens."""
    cell: Cell = registry.resolve("cell", config.cell, registry.CELLS)(config.activation)
    encoder, bridge = Encoder(config, source, cell), Bridge(config, cell.states)
    return Seq2Seq(encoder, bridge, _decoder(config, target, cell))


def _decoder(config: ModelConfig, vocabulary: int, cell: Cell) -> Decoder:
    if config.attention == "none":
        return PlainDecoder(config, vocabulary, cell)
    kind: type[Attention] = registry.resolve("attention", config.attention, registry.ATTENTIONS)
    attention = kind(config.hidden, 2 if config.bidirectional else 1)
    decoder = BahdanauDecoder if kind.before_step else LuongDecoder
    return decoder(config, vocabulary, cell, attention)
