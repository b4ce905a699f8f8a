"""Exact hard monotonic attention (Wu and Cotterell 2019, arXiv:1905.06319).

Every target token is emitted from exactly one source position, and the position never decreases:

    p(y | x) = sum over alignments a_1 <= ... <= a_T of
               product over t of p(a_t | a_{t-1}, y_<t, x) p(y_t | a_t, y_<t, x)

The alignment is not observed, so the forward algorithm sums over all of them, in O(T S²). Its
filtered distribution p(a_t | y_<t, x) turns the sum into next-token probabilities, so that search,
sampling and evaluation treat the model like any other:

    p(y_t | y_<t, x) = sum over j of p(a_t = j | y_<t, x) p(y_t | a_t = j, y_<t, x)

As in the paper's model of order zero (Wu, Shapiro and Cotterell 2018, arXiv:1808.10024), the energy
of a position does not depend on the position before, except that earlier ones are excluded. The
decoder reads the target only, so all its steps are computed at once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import MASKED, Attention
from seqcli.models.cells import Cell, CellState, make_cell
from seqcli.models.decoders import Memory, PlainDecoder
from seqcli.models.seq2seq import Bridge, Encoder, Seq2Seq, batch_first

MAX_ELEMENTS = 1 << 26  # of a tensor (B, T, S, V) without gradients; larger batches are split


class MonotonicDecoder(PlainDecoder):
    """Compute the probabilities of moving to each source position, and of each token there.

    A token is predicted from tanh(U h_t + W e_j), with the decoder's state h_t and the encoder's
    output e_j at the position. Training stores these probabilities, (B, T, S, V), for all
    positions, which suits characters, but neither large vocabularies nor long texts.
    """

    def __init__(
        self, config: ModelConfig, vocabulary: int, cell: Cell, attention: Attention
    ) -> None:
        super().__init__(config, vocabulary, cell)
        hidden = config.hidden
        self.attention = attention
        self.from_state = nn.Linear(hidden, hidden)
        self.from_source = nn.Linear(hidden * attention.directions, hidden, bias=False)

    def prepare(self, outputs: Tensor, attn_bias: Tensor | None, summary: Tensor) -> Memory:
        """Return keys and projected outputs of the source (B, S, H), and the mask (B, S) if any."""
        parts = (self.attention.project_keys(outputs), self.from_source(outputs))
        return parts if attn_bias is None else (*parts, attn_bias)

    def log_probabilities(
        self, tokens: Tensor, memory: Memory, state: CellState
    ) -> tuple[Tensor, Tensor, CellState]:
        """Read target tokens (R, T) from a state of tensors (L, R, H).

        Returns:
            log p(a_t = j | a_{t-1} = i) (R, T, S, S), log p(y_t | a_t = j) (R, T, S, V), and the
            last state.
        """
        keys, positions, *rest = memory
        outputs, state = self.rnn.run_embedded(
            self.embedding.embed(tokens), None, state
        )  # (R, T, H)
        together = outputs.reshape(len(keys), -1, outputs.shape[2])  # (B, K * T, H)
        energies = self.attention.energies(self.attention.project_queries(together), keys)
        if rest:
            energies = energies + rest[0][:, None]  # (B, K * T, S)
        steps, size = tokens.shape, keys.shape[1]
        earlier = energies.new_ones(size, size).tril(-1) * MASKED  # (S, S), j < i is excluded
        transitions = (energies.view(*steps, 1, size) + earlier).log_softmax(3)  # (R, T, S, S)
        states = self.from_state(together)[:, :, None]  # (B, K * T, 1, H)
        hidden = torch.tanh(states + positions[:, None])  # (B, K * T, S, H)
        emissions = self.output(self.dropout(hidden)).log_softmax(3)  # (B, K * T, S, V)
        return transitions, emissions.view(*steps, size, -1), state


class MonotonicSeq2Seq(Seq2Seq):
    """A recurrent encoder-decoder with exact hard monotonic attention.

    The past of its decoding state begins with log p(a_t = j, y_t | y_<t, x) (R, S, V), in which
    the next token selects its column. The attention weights are p(a_t | y_<t, x): what is known
    about the position before the token is.
    """

    decoder: MonotonicDecoder

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """Return log-probabilities (B, T, V), which serve as logits; see `Model.forward`."""
        sizes = self.decoder.embedding.num_embeddings, self.decoder.from_state.out_features
        row = source.shape[1] * target_in.shape[1] * max(sizes)  # elements of one row
        rows = max(1, MAX_ELEMENTS // max(1, row))
        if len(source) > rows and not torch.is_grad_enabled():
            parts = (torch.split(part, rows) for part in (source, source_lengths, target_in))
            return torch.cat([self(*inputs) for inputs in zip(*parts, strict=True)])
        memory, first = self._encode(source, source_lengths)
        transitions, emissions, _ = self.decoder.log_probabilities(target_in, memory, first)
        tokens = target_in[:, 1:, None, None].expand(-1, -1, source.shape[1], 1)  # (B, T - 1, S, 1)
        observed = emissions[:, :-1].gather(3, tokens)[..., 0]  # (B, T - 1, S)
        alignment = _at_first_position(source, emissions)  # (B, S)
        expected = [_move(alignment, transitions[:, 0])]  # (B, S) each
        for t in range(1, target_in.shape[1]):
            alignment = (expected[-1] + observed[:, t - 1]).log_softmax(1)  # (B, S)
            expected.append(_move(alignment, transitions[:, t]))
        joint = torch.stack(expected, dim=1)[..., None] + emissions  # (B, T, S, V)
        return joint.logsumexp(2)  # (B, T, V)

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`; BOS is emitted from the first position."""
        state = super().start(source, source_lengths)
        like = state.past[0]
        first = _at_first_position(source, like)  # (B, S)
        vocabulary = self.decoder.embedding.num_embeddings
        joint = first[:, :, None].expand(-1, -1, vocabulary).contiguous()  # (B, S, V)
        return replace(state, past=(joint, *state.past))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Return log-probabilities (R, V), which serve as logits; see `Model.step`."""
        joint, *past = state.past
        index = token[:, None, None].expand(-1, joint.shape[1], 1)  # (R, S, 1)
        alignment = joint.gather(2, index)[..., 0].log_softmax(1)  # (R, S)
        before = tuple(part.contiguous() for part in batch_first(past))  # (L, R, H)
        transitions, emissions, after = self.decoder.log_probabilities(
            token[:, None], state.memory, before
        )
        expected = _move(alignment, transitions[:, 0])  # (R, S)
        joint = expected[:, :, None] + emissions[:, 0]  # (R, S, V)
        state = replace(
            state,
            past=(joint, *batch_first(after)),
            position=state.position + 1,
            attention=expected.exp(),
        )
        return joint.logsumexp(1), state  # (R, V)


def _at_first_position(source: Tensor, like: Tensor) -> Tensor:
    """Return the logarithm (B, S) of the distribution with all mass on the first position."""
    positions = torch.arange(source.shape[1], device=source.device)  # (S,)
    log = (positions > 0).to(like.dtype) * MASKED  # (S,)
    return log.expand(len(source), -1)  # (B, S)


def _move(alignment: Tensor, transitions: Tensor) -> Tensor:
    """Return log p(a_t) (R, S) from log p(a_{t-1}) (R, S) and log p(a_t | a_{t-1}) (R, S, S)."""
    return (alignment[:, :, None] + transitions).logsumexp(1)  # (R, S)


def monotonic_seq2seq(
    config: ModelConfig, source: int, target: int, kind: type[Attention]
) -> MonotonicSeq2Seq:
    """Build the model for vocabularies of ``source`` and ``target`` tokens."""
    cell = make_cell(config)
    encoder, bridge = Encoder(config, source, cell), Bridge(config, cell.states)
    attention = kind(config.hidden, 2 if config.bidirectional else 1)
    return MonotonicSeq2Seq(
        encoder, bridge, MonotonicDecoder(config, target, cell, attention), None
    )
