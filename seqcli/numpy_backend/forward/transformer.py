"""The Transformer (Vaswani et al. 2017, arXiv:1706.03762); see `seqcli.models.transformer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.numpy_backend.forward.base import NumpyModel, token_mask
from seqcli.numpy_backend.forward.copying import CopyHead
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.forward.positions import Positions
from seqcli.numpy_backend.forward.transformer_layers import (
    CrossMemory,
    KeysValues,
    Mask,
    TokenEmbedding,
    final_norm,
    flat,
    make_layers,
    paired,
)
from seqcli.numpy_backend.parameters import Floats, Ids


class Transformer(NumpyModel):
    """Encoder and decoder, with keys and values cached in `step`.

    Args:
        weights: the weights of the model.
        config: ``hidden`` is the width H.
        sizes: the sizes of the source and target vocabularies.
        max_length: maximum sequence length; the size of a table of learned positions.
        positions: the kind of positions.
        copy_ids: see `CopyHead`; used if ``config.copy`` is set.
    """

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        sizes: tuple[int, int],
        max_length: int,
        positions: type[Positions],
        copy_ids: Sequence[int] = (),
    ) -> None:
        source, target = (
            TokenEmbedding(weights.part(f"{side}_embedding"), config, size, max_length, positions)
            for side, size in zip(("source", "target"), sizes, strict=True)
        )
        self.source_embedding, self.target_embedding = source, target
        part = weights.part("ends")
        self.ends = part.embedding("marks", 2, config.hidden) if config.mark_ends else None
        self.encoder = make_layers(
            weights.part("encoder"),
            config,
            source.positions,
            cross=False,
            convolution=config.convolution,
        )
        self.decoder = make_layers(weights.part("decoder"), config, target.positions, cross=True)
        self.source_norm = final_norm(weights, "source_norm", config)
        self.target_norm = final_norm(weights, "target_norm", config)
        self.output = weights.output_layer(target.embedding, config.hidden, config.tied_embeddings)
        self.continues = int(config.continue_positions)
        part = weights.part("copy")
        self.copy = CopyHead(part, config.hidden, sizes[1], copy_ids) if config.copy else None

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """See `NumpyModel.forward`."""
        mask, memories, copies = self._encode(source, source_lengths)
        x = self.target_embedding(target_in, self._first_position(source_lengths))  # (B, T, H)
        for layer, memory in zip(self.decoder, memories, strict=True):
            x = layer(x, causal=True, memory=CrossMemory(memory, mask)).states  # (B, T, H)
        return self._logits(x, mask, copies)

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """See `NumpyModel.start`."""
        mask, memories, copies = self._encode(source, source_lengths)
        if mask is None:
            mask = np.ones_like(source, dtype=np.bool_)[:, None, None]  # (B, 1, 1, S)
        first = self._first_position(source_lengths)
        empty = memories[0].keys[:, :, :0]  # (B, N, 0, d)
        memory = (mask, first, *flat(memories), *copies)
        return DecoderState(memory, (empty, empty) * len(self.decoder))

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """See `NumpyModel.step`."""
        mask, first, *rest = state.memory
        memories, copies = rest[: 2 * len(self.decoder)], rest[2 * len(self.decoder) :]
        positions = np.repeat(first, state.beams, axis=0) + state.position  # (R, 1)
        x = self.target_embedding(token[:, None], positions)  # (R, 1, H)
        cache: list[KeysValues] = []
        rows = zip(self.decoder, paired(state.past), paired(memories), strict=True)
        for layer, past, source in rows:
            x, kept, query = layer(x, past=past, memory=CrossMemory(source, mask))  # (R, 1, H)
            cache.append(kept)
        assert query is not None
        weights = layer.cross_attention.weights(query, source.keys, mask)  # (B, K, S)
        logits = self._logits(x, mask, copies)[:, 0]  # (R, V)
        attention = weights.reshape(len(token), -1)  # (R, S)
        after, position = tuple(flat(cache)), state.position + 1
        return logits, replace(state, past=after, position=position, attention=attention)

    def _logits(self, x: Floats, mask: Mask | None, copies: Sequence[Floats]) -> Floats:
        """Return the logits (R, T, V) of the last layer's states (R, T, H)."""
        x = self.target_norm(x)
        logits = self.output(x)  # (R, T, V)
        return logits if self.copy is None else self.copy.mixed(logits, x, mask, copies)

    def _encode(
        self, source: Ids, lengths: Ids
    ) -> tuple[Mask | None, list[KeysValues], tuple[Floats, ...]]:
        """Return the mask, keys and values (B, N, S, d) per decoder layer, and tensors to copy by.

        The mask is (B, 1, 1, S), or None without padding. Without positions the encoder is causal;
        otherwise it would see its source as a bag of tokens. A causal encoder needs no mask,
        because padding is at the end.
        """
        tokens = token_mask(lengths, source.shape[1])
        mask = None if tokens is None else tokens[:, None, None]  # (B, 1, 1, S)
        inside = None if tokens is None else tokens[..., None]  # (B, S, 1)
        causal = not self.source_embedding.positions.gives_order
        attended = None if causal else mask  # (B, 1, 1, S) or None
        x = self.source_embedding(source)  # (B, S, H)
        if self.ends is not None:
            x = x + self._end_marks(lengths, source.shape[1])  # (B, S, H)
        for layer in self.encoder:
            x = layer(x, mask=attended, causal=causal, inside=inside).states  # (B, S, H)
        x = self.source_norm(x)
        copies = () if self.copy is None else self.copy.prepare(source, x)
        return mask, [layer.source_memory(x) for layer in self.decoder], copies

    def _end_marks(self, lengths: Ids, size: int) -> Floats:
        """Return what is added to the first and to the last of S tokens: (B, S, H)."""
        assert self.ends is not None
        places = np.arange(size)  # (S,)
        last = places == lengths[:, None] - 1  # (B, S)
        ends = np.stack([np.broadcast_to(places == 0, last.shape), last], axis=2)  # (B, S, 2)
        marks: Floats = ends @ self.ends.weight  # (B, S, H)
        return marks

    def _first_position(self, lengths: Ids) -> Ids:
        """Return the target's first position (B, 1): 0, or the source's length."""
        first: Ids = lengths[:, None] * self.continues
        return first
