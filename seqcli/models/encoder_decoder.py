"""The recurrent encoder-decoder."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.models.cells import Cell, CellState
from seqcli.models.contract import Model, State, padding_mask
from seqcli.models.decoders import BahdanauDecoder, LuongDecoder, PlainDecoder
from seqcli.models.encoder import Bridge, Encoder


class EncoderDecoder(Model):
    """An encoder, a bridge and one of the decoders."""

    def __init__(
        self, encoder: Encoder, bridge: Bridge, decoder: PlainDecoder | BahdanauDecoder
    ) -> None:
        super().__init__()
        self.encoder, self.bridge, self.decoder = encoder, bridge, decoder

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        memory, first = self._read(source, source_lengths)
        logits, _, _ = self.decoder(target_in, memory, first)
        return logits  # type: ignore[no-any-return]

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        """See `Model.start`."""
        memory, first = self._read(source, source_lengths)
        return State(memory, _batch_first(first))

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Model.step`."""
        past = tuple(part.transpose(0, 1).contiguous() for part in state.past)  # (L, B * K, H)
        logits, after, weights = self.decoder(token[:, None], state.memory, past)
        looked = None if weights is None else weights[:, 0]  # (B * K, S)
        state = replace(
            state, past=_batch_first(after), position=state.position + 1, attention=looked
        )
        return logits[:, 0], state  # (B * K, V)

    def _read(self, source: Tensor, lengths: Tensor) -> tuple[tuple[Tensor, ...], CellState]:
        """Return the decoder's memory and its first state, parts (L, B, H)."""
        outputs, last = self.encoder(source, lengths)  # (B, S, D * H)
        mask = padding_mask(lengths, source.shape[1], source.device)
        hidden = None if mask is None else outputs.new_zeros(mask.shape).masked_fill(mask, -1e9)
        return self.decoder.prepare(outputs, hidden), self.bridge(last)


def _batch_first(state: CellState) -> tuple[Tensor, ...]:
    return tuple(part.transpose(0, 1) for part in state)  # (B, L, H)


def encoder_decoder(config: ModelConfig, source: int, target: int) -> EncoderDecoder:
    """Build the model for vocabularies of ``source`` and ``target`` ids."""
    cell: Cell = registry.resolve("cell", config.cell, registry.CELLS)(config.activation)
    directions = 2 if config.bidirectional else 1
    encoder = Encoder(
        source,
        config.embedding,
        config.hidden,
        cell,
        config.layers,
        config.bidirectional,
        config.dropout,
    )
    bridge = Bridge(config.hidden, config.layers, directions, cell.states, config.bridge)
    return EncoderDecoder(encoder, bridge, _decoder(config, cell, target, directions))


def _decoder(
    config: ModelConfig, cell: Cell, vocabulary: int, directions: int
) -> PlainDecoder | BahdanauDecoder:
    sizes = (vocabulary, config.embedding, config.hidden, cell, config.layers, config.dropout)
    if config.attention == "none":
        return PlainDecoder(*sizes)
    scorer = registry.resolve("attention", config.attention, registry.ATTENTIONS)
    attention = scorer(config.hidden, directions)
    if scorer.inside:
        return BahdanauDecoder(*sizes, attention, directions)
    return LuongDecoder(*sizes, attention)
