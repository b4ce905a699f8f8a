"""The Transformer, an encoder-decoder (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import token_mask
from seqcli.models.base import Model, copy_to
from seqcli.models.copying import CopyHead
from seqcli.models.embedding import EndMarks, TokenEmbedding, output_layer
from seqcli.models.transformer_layers import (
    CrossMemory,
    KeysValues,
    final_norm,
    flat,
    make_layers,
    paired,
)


class Transformer(Model):
    """Encoder and decoder, with keys and values cached in `step`.

    Args:
        config: ``hidden`` is the width H.
        source, target: the sizes of the vocabularies.
        max_length: maximum sequence length; the size of a table of learned positions.
        copy_ids: see `PointerGenerator`; used if ``config.copy`` is set.
    """

    def __init__(
        self,
        config: ModelConfig,
        source: int,
        target: int,
        max_length: int,
        copy_ids: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.source_embedding = TokenEmbedding(config, source, max_length)
        self.target_embedding = TokenEmbedding(config, target, max_length)
        self.ends = EndMarks(config.hidden) if config.mark_ends else None
        positions = self.source_embedding.positions
        self.encoder = make_layers(config, positions, cross=False, convolution=config.convolution)
        self.decoder = make_layers(config, self.target_embedding.positions, cross=True)
        self.source_norm, self.target_norm = final_norm(config), final_norm(config)
        embedding = self.target_embedding.embedding
        self.output = output_layer(embedding, config.hidden, config.tied_embeddings)
        # 1: the target's positions continue those of the source; 0: they start at 0
        self.continues = int(config.continue_positions)
        self.copy = CopyHead(config.hidden, target, copy_ids) if config.copy else None

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        mask, memories, copies = self._encode(source, source_lengths)
        first = self._first_position(source, source_lengths) if self.continues else None
        last = self.continues * source.shape[1]
        x = self.target_embedding(target_in, last, first)  # (B, T, H)
        for layer, memory in zip(self.decoder, memories, strict=True):
            x = layer(x, causal=True, memory=CrossMemory(memory, mask)).states  # (B, T, H)
        return self._logits(x, mask, copies)  # (B, T, V)

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`."""
        mask, memories, copies = self._encode(source, source_lengths)
        if mask is None:
            mask = torch.ones_like(source, dtype=torch.bool)[:, None, None]  # (B, 1, 1, S)
        first = self._first_position(source, source_lengths)
        empty = memories[0].keys[:, :, :0]  # (B, N, 0, d)
        memory = (mask, first, *flat(memories), *copies)
        return DecoderState(memory, (empty, empty) * len(self.decoder))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Model.step`."""
        mask, first, *rest = state.memory
        memories, copies = rest[: 2 * len(self.decoder)], rest[2 * len(self.decoder) :]
        positions = first.repeat_interleave(state.beams, dim=0) + state.position  # (R, 1)
        last = self.continues * mask.shape[3] + state.position
        x = self.target_embedding(token[:, None], last, positions)  # (R, 1, H)
        cache: list[KeysValues] = []
        rows = zip(self.decoder, paired(state.past), paired(memories), strict=True)
        for layer, past, source in rows:
            out = layer(x, causal=True, past=past, memory=CrossMemory(source, mask))
            x, kept, query = out  # (R, 1, H)
            cache.append(kept)
        # of the last layer, for display
        weights = layer.cross_attention.weights(query, source.keys, mask).flatten(0, 1)  # (R, S)
        logits = self._logits(x, mask, copies)[:, 0]  # (R, V)
        after, position = tuple(flat(cache)), state.position + 1
        return logits, replace(state, past=after, position=position, attention=weights)

    def _logits(self, x: Tensor, mask: Tensor | None, copies: Sequence[Tensor]) -> Tensor:
        """Return the logits (R, T, V) of the last layer's states (R, T, H)."""
        x = self.target_norm(x)
        logits: Tensor = self.output(x)  # (R, T, V)
        return logits if self.copy is None else self.copy.mixed(logits, x, mask, copies)

    def _encode(
        self, source: Tensor, lengths: Tensor
    ) -> tuple[Tensor | None, list[KeysValues], tuple[Tensor, ...]]:
        """Return the mask, keys and values (B, N, S, d) per decoder layer, and tensors to copy by.

        The mask is (B, 1, 1, S), or None without padding. Without positions the encoder is causal;
        otherwise it would see its source as a bag of tokens. A causal encoder needs no mask,
        because padding is at the end.
        """
        tokens = token_mask(lengths, source.shape[1], source.device)
        mask = None if tokens is None else tokens[:, None, None]  # (B, 1, 1, S)
        inside = None if tokens is None else tokens[..., None]  # (B, S, 1)
        causal = not self.source_embedding.positions.gives_order
        attended = None if causal else mask  # (B, 1, 1, S) or None
        x = self.source_embedding(source)  # (B, S, H)
        if self.ends is not None:
            x = self.ends(x, lengths)  # (B, S, H)
        for layer in self.encoder:
            x = layer(x, mask=attended, causal=causal, inside=inside).states  # (B, S, H)
        x = self.source_norm(x)
        copies = () if self.copy is None else self.copy.prepare(source, x)
        return mask, [layer.source_memory(x) for layer in self.decoder], copies

    def _first_position(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Return the target's first position (B, 1): 0, or the source's length."""
        return copy_to(lengths, source.device)[:, None] * self.continues  # (B, 1)
