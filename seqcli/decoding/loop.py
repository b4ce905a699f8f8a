"""The decoding loop for models of any backend and for all strategies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.functions import (
    Array,
    array_namespace,
    is_on_gpu,
    log_softmax,
    send,
    start_reading,
)
from seqcli.arrays.state import DecoderState
from seqcli.data.vocabulary import BOS, EOS, PAD, UNK

NEVER_PREDICTED = (PAD, BOS, UNK)
COMPACT_BELOW = (
    0.75  # finished sources are removed from the batch if at most this share is unfinished
)


class StepModel(Protocol):
    """The part of a model that decoding uses; see `seqcli.models.base.Model`."""

    def start(self, source: Array, source_lengths: Array) -> DecoderState:
        """Encode the source (B, S); return the state before the first target token."""

    def step(self, token: Array, state: DecoderState) -> tuple[Array, DecoderState]:
        """Read one token of each hypothesis (B * K,); return logits (B * K, V) and the state."""


@dataclass(frozen=True)
class Hypothesis:
    """A prediction for one source.

    Args:
        ids: token ids, without BOS and EOS.
        log_probability: nats over all ids and EOS, also where the prediction is truncated.
        score: ranks the hypotheses of a source.
        truncated: whether decoding stopped at the maximum length, not at EOS.
    """

    ids: list[int]
    log_probability: float
    score: float
    truncated: bool = False


@dataclass(frozen=True)
class Frontier:
    """The hypotheses that decoding continues: K of each of R sources.

    Args:
        rows: (R,) index of each source among the B sources.
        tokens: (R, K) the last token of each hypothesis.
        totals: (R, K) log-probabilities so far.
        state: the state of the model for R sources and K beams.
    """

    rows: Array
    tokens: Array
    totals: Array
    state: DecoderState

    @classmethod
    def first(cls, rows: Array, state: DecoderState) -> Frontier:
        """Return one empty hypothesis per source."""
        xp = array_namespace(rows)
        shape, arrays = (rows.shape[0], 1), state.arrays
        dtype = xp.float64 if any(one.dtype == xp.float64 for one in arrays) else xp.float32
        tokens = xp.full(shape, BOS, dtype=xp.int64, device=rows.device)  # (R, 1)
        totals = xp.zeros(shape, dtype=dtype, device=rows.device)  # (R, 1)
        return cls(rows, tokens, totals, state)

    def select(self, index: Array) -> Frontier:
        """Return the hypotheses of the sources at ``index`` (R',)."""
        xp = array_namespace(index)
        rows, tokens, totals = (
            xp.take(part, index, axis=0) for part in (self.rows, self.tokens, self.totals)
        )
        return Frontier(rows, tokens, totals, self.state.select(index))


class Strategy(Protocol):
    """The choice of the next tokens. A strategy records its choices and returns the predictions.

    Attributes:
        waits: whether each step waits for the scores, because it chooses outside of the device.
    """

    waits: bool

    def begin(self, frontier: Frontier, limit: int) -> None:
        """Prepare for decoding B sources up to ``limit`` tokens and EOS."""

    def advance(self, t: int, frontier: Frontier, scores: Array) -> tuple[Frontier, Array]:
        """Choose the token after the first ``t`` ones.

        A source that is done may stay in the batch for some more steps, which must not change its
        predictions.

        Args:
            t: tokens so far.
            frontier: the hypotheses, with the state after the step.
            scores: (R, K, V) log-probabilities of the next token; may be overwritten.

        Returns:
            the new hypotheses, and (R,) which sources are done.
        """


def decode(
    model: StepModel,
    frontier: Frontier,
    limit: int,
    strategy: Strategy,
    ends: Array | None = None,
) -> None:
    """Extend hypotheses token by token until every source is done.

    Args:
        model: any model, in evaluation mode.
        frontier: initial hypotheses, from `Frontier.first`.
        limit: maximum length of a prediction; only EOS can follow.
        strategy: chooses the tokens and records the predictions.
        ends: (B,) the exact length of each prediction, at most ``limit``; None leaves it free.
    """
    xp = array_namespace(frontier.rows)
    strategy.begin(frontier, limit)
    unfinished = _Unfinished(strategy.waits)
    for t in range(limit + 1):
        width = frontier.tokens.shape[1]
        logits, state = model.step(xp.reshape(frontier.tokens, (-1,)), frontier.state)
        scores = xp.reshape(next_scores(logits), (-1, width, logits.shape[-1]))  # (R, K, V)
        if ends is not None:
            scores = _only_eos(scores, xp.take(ends, frontier.rows, axis=0) == t)
        elif t == limit:
            scores = _only_eos(scores, xp.ones_like(frontier.rows) > 0)
        frontier, done = strategy.advance(t, replace(frontier, state=state), scores)
        left = unfinished.rows(done)
        if left is None:
            continue
        if left.shape[0] == 0:
            break
        if left.shape[0] <= done.shape[0] * COMPACT_BELOW:
            frontier = frontier.select(left)
            unfinished.forget()


class _Unfinished:
    """Find the sources that are not done.

    A GPU would idle if the program waited for its last step before it gave it the next one. There,
    the answer is that of the step before: one step more is computed, and no step waits.

    Args:
        at_once: whether the answer is always that of the last step.
    """

    def __init__(self, at_once: bool) -> None:
        self.at_once = at_once
        self.forget()

    def forget(self) -> None:
        """Forget the step before, because the batch has other rows now."""
        self.before: Callable[[], NDArray[Any]] | None = None

    def rows(self, done: Array) -> Array | None:
        """Return the rows that are not ``done`` (R,); None if that is not known yet."""
        if self.at_once or not is_on_gpu(done):
            return array_namespace(done).nonzero(~done)[0]
        before, self.before = self.before, start_reading(done)
        return None if before is None else send(np.flatnonzero(~before()), done)


def next_scores(logits: Array) -> Array:
    """Convert logits (..., V) to log-probabilities; -inf for ids that are never predicted."""
    xp = array_namespace(logits)
    scores = log_softmax(logits)
    ids = xp.arange(scores.shape[-1], device=scores.device)  # (V,)
    never = (ids == PAD) | (ids == BOS) | (ids == UNK)
    return xp.where(never, -xp.inf, scores)


def _only_eos(scores: Array, at_end: Array) -> Array:
    """Allow only EOS where ``at_end`` (R,), and all but EOS elsewhere; scores (R, K, V)."""
    xp = array_namespace(scores)
    is_eos = xp.arange(scores.shape[-1], device=scores.device) == EOS  # (V,)
    return xp.where(is_eos == at_end[:, None, None], scores, -xp.inf)  # (R, K, V)


class PrefixedModel:
    """A model whose targets all begin with the same tokens.

    Args:
        model: any model.
        prefix: P ids.
    """

    def __init__(self, model: StepModel, prefix: Sequence[int]) -> None:
        self.model, self.prefix = model, tuple(prefix)

    def start(self, source: Array, source_lengths: Array) -> DecoderState:
        """Encode the source, then read BOS and all but the last token of the prefix."""
        state = self.model.start(source, source_lengths)
        for token in (BOS, *self.prefix)[:-1]:
            _, state = self.model.step(_repeated(token, source[:, :1], source.shape[0]), state)
        return state

    def step(self, token: Array, state: DecoderState) -> tuple[Array, DecoderState]:
        """Replace BOS, the first token, by the last token of the prefix; see `StepModel.step`."""
        if self.prefix and state.position == len(self.prefix):
            token = _repeated(self.prefix[-1], token, token.shape[0])
        return self.model.step(token, state)


def _repeated(token: int, like: Array, count: int) -> Array:
    xp = array_namespace(like)
    return xp.full((count,), token, dtype=xp.int64, device=like.device)
