"""The recurrent encoder-decoder."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from seqcli import registry
from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import Attention
from seqcli.models.base import Model, attention_bias, padding_mask
from seqcli.models.cells import Cell, CellState
from seqcli.models.decoders import BahdanauDecoder, Decoder, LuongDecoder, PlainDecoder
from seqcli.models.encoder import Bridge, Encoder


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
