"""Greedy decoding: choose the most likely token at each step."""

from __future__ import annotations

from dataclasses import replace

from seqcli.arrays.functions import max_and_argmax
from seqcli.arrays.namespace import Array, array_namespace
from seqcli.data.vocabulary import EOS
from seqcli.decoding.loop import Frontier, Hypothesis


class Greedy:
    """Choose the most likely token; see `seqcli.decoding.loop.Strategy`."""

    tokens: Array  # (B, T + 1), padded with EOS
    totals: Array  # (B,) log-probabilities

    def begin(self, frontier: Frontier, limit: int) -> None:
        """See `Strategy.begin`."""
        xp, totals = array_namespace(frontier.totals), frontier.totals
        shape = (totals.shape[0], limit + 1)
        self.tokens = xp.full(shape, EOS, dtype=xp.int64, device=totals.device)
        self.totals = xp.zeros_like(totals[:, 0])

    def choose(self, scores: Array) -> tuple[Array, Array]:
        """Return the log-probability and the id (R, 1) of the next tokens; scores (R, 1, V)."""
        return max_and_argmax(scores)

    def advance(self, t: int, frontier: Frontier, scores: Array) -> tuple[Frontier, Array]:
        """See `Strategy.advance`."""
        xp = array_namespace(scores)
        gains, chosen = self.choose(scores)  # (R, 1) each
        running = frontier.tokens != EOS  # (R, 1)
        tokens = xp.where(running, chosen, EOS)
        totals = frontier.totals + xp.where(running, gains, 0.0)
        self.tokens[frontier.rows, t] = tokens[:, 0]
        self.totals[frontier.rows] = totals[:, 0]
        return replace(frontier, tokens=tokens, totals=totals), tokens[:, 0] == EOS

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Return one hypothesis per source."""
        rows = zip(self.tokens.tolist(), self.totals.tolist(), strict=True)
        return [_hypothesis(tokens, total) for tokens, total in rows]


def _hypothesis(tokens: list[int], total: float) -> list[Hypothesis]:
    """Truncate tokens at EOS; the score is the mean log-probability per token."""
    length = tokens.index(EOS)
    return [Hypothesis(tokens[:length], total, total / (length + 1))]
