"""Exact hard monotonic attention; see `seqcli.models.monotonic`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.numpy_backend.forward.attention import Attention
from seqcli.numpy_backend.forward.base import MASKED
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.forward.rnn import Cell, CellState
from seqcli.numpy_backend.forward.seq2seq import Memory, PlainDecoder, Seq2Seq, batch_first
from seqcli.numpy_backend.functional import log_softmax
from seqcli.numpy_backend.parameters import Floats, Ids


class MonotonicDecoder(PlainDecoder):
    """Compute the probabilities of moving to each source position, and of each token there."""

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        vocabulary: int,
        cell: Cell,
        attention: Attention,
    ) -> None:
        super().__init__(weights, config, vocabulary, cell)
        hidden, width = config.hidden, config.hidden * attention.directions
        self.attention = attention
        self.from_state = weights.linear("from_state", hidden, hidden)
        self.from_source = weights.linear("from_source", width, hidden, bias=False)

    def prepare(self, outputs: Floats, attn_bias: Floats | None, summary: Floats) -> Memory:
        """Return keys and projected outputs of the source (B, S, H), and the mask (B, S) if any."""
        parts = (self.attention.project_keys(outputs), self.from_source(outputs))
        return parts if attn_bias is None else (*parts, attn_bias)

    def log_probabilities(
        self, tokens: Ids, memory: Memory, state: CellState
    ) -> tuple[Floats, Floats, CellState]:
        """Read target tokens (R, T) from a state of arrays (L, R, H).

        Returns:
            log p(a_t = j | a_{t-1} = i) (R, T, S, S), log p(y_t | a_t = j) (R, T, S, V), and the
            last state.
        """
        keys, positions, *rest = memory
        outputs, state = self.rnn.read(tokens, self.embedding, None, state)  # (R, T, H)
        together = outputs.reshape(len(keys), -1, outputs.shape[2])  # (B, K * T, H)
        energies = self.attention.energies(self.attention.project_queries(together), keys)
        if rest:
            energies = energies + rest[0][:, None]  # (B, K * T, S)
        steps, size = tokens.shape, keys.shape[1]
        earlier = np.tril(np.full((size, size), MASKED, energies.dtype), -1)  # (S, S)
        transitions = log_softmax(energies.reshape(*steps, 1, size) + earlier)  # (R, T, S, S)
        states = self.from_state(together)[:, :, None]  # (B, K * T, 1, H)
        hidden = np.tanh(states + positions[:, None])  # (B, K * T, S, H)
        emissions = log_softmax(self.output(hidden))  # (B, K * T, S, V)
        return transitions, emissions.reshape(*steps, size, -1), state


class MonotonicSeq2Seq(Seq2Seq):
    """A recurrent encoder-decoder with exact hard monotonic attention.

    The past of its decoding state begins with log p(a_t = j, y_t | y_<t, x) (R, S, V). The
    attention weights are p(a_t | y_<t, x).
    """

    decoder: MonotonicDecoder

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """Return log-probabilities (B, T, V); see `NumpyModel.forward`."""
        state, outputs = self.start(source, source_lengths), []
        for token in target_in.T:
            logits, state = self.step(token, state)  # (B, V)
            outputs.append(logits)
        return np.stack(outputs, axis=1)  # (B, T, V)

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """See `NumpyModel.start`; BOS is emitted from the first position."""
        state = super().start(source, source_lengths)
        vocabulary = len(self.decoder.embedding.weight)
        joint = np.full((*source.shape, vocabulary), MASKED, state.past[0].dtype)  # (B, S, V)
        joint[:, 0] = 0
        return replace(state, past=(joint, *state.past))

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """Return log-probabilities (R, V); see `NumpyModel.step`."""
        joint, *past = state.past
        alignment = log_softmax(joint[np.arange(len(token)), :, token])  # (R, S)
        transitions, emissions, after = self.decoder.log_probabilities(
            token[:, None], state.memory, batch_first(tuple(past))
        )
        expected = _log_sum_exp(alignment[:, :, None] + transitions[:, 0])  # (R, S)
        joint = expected[:, :, None] + emissions[:, 0]  # (R, S, V)
        state = replace(
            state,
            past=(joint, *batch_first(after)),
            position=state.position + 1,
            attention=np.exp(expected),
        )
        return _log_sum_exp(joint), state  # (R, V)


def _log_sum_exp(values: Floats) -> Floats:
    """Return log(sum(exp(values))) over the second axis of values (R, S, any)."""
    highest = values.max(axis=1, keepdims=True)  # (R, 1, any)
    total: Floats = highest[:, 0] + np.log(np.exp(values - highest).sum(axis=1))
    return total
