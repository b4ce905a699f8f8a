"""Average the predictions of several models, for arrays of any library.

An ensemble is a model itself: it starts, steps and scores like any of its members, and the next
token has the mean of their probabilities (Hansen and Salamon 1990). Its logits are the logarithms
of that mean.

Shapes use one alphabet: B batch, S source length, T target length, V vocabulary. R is the number of
hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seqcli.arrays.functions import Array, array_namespace, log_mean_exp, log_softmax
from seqcli.arrays.state import DecoderState


@dataclass(frozen=True)
class Member:
    """A model of an ensemble, and how its ids differ from those of the ensemble.

    Args:
        model: any model with ``forward``, ``start`` and ``step``.
        source_ids: the member's id of each source token of the ensemble; None if all are equal.
        target_ids: (V,) the member's id of each target token of the ensemble; None likewise.
    """

    model: Any
    source_ids: Array | None = None
    target_ids: Array | None = None

    def forward(self, source: Array, source_lengths: Array, target_in: Array) -> Array:
        """Return log-probabilities (B, T, V) for the ids of the ensemble."""
        source = _mapped(source, self.source_ids)  # (B, S)
        target_in = _mapped(target_in, self.target_ids)  # (B, T)
        return self._log_probabilities(self.model.forward(source, source_lengths, target_in))

    def start(self, source: Array, source_lengths: Array) -> DecoderState:
        """Encode the source (B, S)."""
        state: DecoderState = self.model.start(_mapped(source, self.source_ids), source_lengths)
        return state

    def step(self, token: Array, state: DecoderState) -> tuple[Array, DecoderState]:
        """Read one token (R,); return log-probabilities (R, V) and the new state."""
        logits, state = self.model.step(_mapped(token, self.target_ids), state)
        return self._log_probabilities(logits), state

    def _log_probabilities(self, logits: Array) -> Array:
        scores = log_softmax(logits)
        if self.target_ids is None:
            return scores
        return array_namespace(scores).take(scores, self.target_ids, axis=-1)


@dataclass(frozen=True)
class EnsembleState(DecoderState):
    """The state of every member; see `DecoderState`.

    Args:
        members: their states.
    """

    members: tuple[DecoderState, ...] = ()

    @classmethod
    def of(cls, members: Sequence[DecoderState]) -> EnsembleState:
        """Return the state of an ensemble; its attention is the mean of the members'."""
        first = members[0]
        maps = [one.attention for one in members if one.attention is not None]
        attention = sum(maps) / len(maps) if len(maps) == len(members) else None
        return cls((), (), first.position, attention, first.beams, tuple(members))

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All arrays of all members."""
        return tuple(part for member in self.members for part in member.arrays)

    def select(self, index: Array) -> EnsembleState:
        """See `DecoderState.select`."""
        return replace(self, members=tuple(member.select(index) for member in self.members))

    def reorder(self, index: Array, beams: int) -> EnsembleState:
        """See `DecoderState.reorder`."""
        members = tuple(member.reorder(index, beams) for member in self.members)
        return replace(self, members=members, beams=beams)


@dataclass(frozen=True)
class Ensemble:
    """A model whose probabilities are the mean of its members' at every step.

    Args:
        members: one or more models of any architecture, of the same array library.
    """

    members: tuple[Member, ...]

    def forward(self, source: Array, source_lengths: Array, target_in: Array) -> Array:
        """Score every next token under teacher forcing; return log-probabilities (B, T, V)."""
        arguments = (source, source_lengths, target_in)
        return log_mean_exp([member.forward(*arguments) for member in self.members])

    __call__ = forward

    def start(self, source: Array, source_lengths: Array) -> EnsembleState:
        """Encode the source (B, S) with every member."""
        return EnsembleState.of([one.start(source, source_lengths) for one in self.members])

    def step(self, token: Array, state: DecoderState) -> tuple[Array, EnsembleState]:
        """Read one token of each hypothesis (R,).

        Returns:
            log-probabilities (R, V) of the next token, and the new state.
        """
        assert isinstance(state, EnsembleState)
        pairs = zip(self.members, state.members, strict=True)
        scores, states = zip(*(member.step(token, own) for member, own in pairs), strict=True)
        return log_mean_exp(scores), EnsembleState.of(states)

    @property
    def device(self) -> Any:
        """The device of the members, for arrays that have one."""
        return self.members[0].model.device


def _mapped(ids: Array, mapping: Array | None) -> Array:
    """Return the ids of a member for ids of the ensemble, of any shape."""
    return ids if mapping is None else mapping[ids]
