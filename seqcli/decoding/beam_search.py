"""Batched beam search with length penalty and n-best lists."""

from __future__ import annotations

from dataclasses import replace

from seqcli.arrays.functions import topk
from seqcli.arrays.namespace import Array, array_namespace
from seqcli.data.vocabulary import EOS
from seqcli.decoding.loop import Frontier, Hypothesis


class BeamSearch:
    """Keep the best unfinished hypotheses; see `seqcli.decoding.loop.Strategy`.

    The score of a finished hypothesis is its log-probability / (its length with EOS) **
    ``length_penalty``. A source is done once none of its unfinished hypotheses can score higher
    than the last of its ``nbest`` finished ones. A hypothesis of ``limit`` tokens is scored with
    EOS appended. Hypotheses are not copied: each entry stores its token and its predecessor.

    Args:
        width: K, at least ``nbest``.
        length_penalty: the exponent; 0 disables it.
        nbest: number of finished hypotheses to return per source.
    """

    tokens: Array  # (T + 1, B, K) the t-th token, from t = 1 on
    previous: Array  # (T + 1, B, K) the entry before it in the beam
    totals: Array  # (T + 1, B, K) log-probabilities of hypotheses finished after t tokens
    scores: Array  # (T + 1, B, K) their scores
    best: Array  # (B, nbest) the best scores of finished hypotheses so far

    def __init__(self, width: int, length_penalty: float, nbest: int) -> None:
        self.width, self.length_penalty, self.nbest = width, length_penalty, nbest

    def begin(self, frontier: Frontier, limit: int) -> None:
        """See `Strategy.begin`."""
        xp, totals = array_namespace(frontier.totals), frontier.totals
        shape = (limit + 1, totals.shape[0], self.width)
        self.largest_divisor = (limit + 1) ** self.length_penalty
        self.tokens = xp.full(shape, EOS, dtype=xp.int64, device=totals.device)
        self.previous = xp.zeros_like(self.tokens)
        self.totals = xp.full(shape, -xp.inf, dtype=totals.dtype, device=totals.device)
        self.scores = self.totals + 0.0
        self.best = self.totals[0, :, : self.nbest] + 0.0

    def advance(self, t: int, frontier: Frontier, scores: Array) -> tuple[Frontier, Array]:
        """See `Strategy.advance`."""
        totals = frontier.totals[:, :, None] + scores  # (R, K, V)
        self._finish(t, frontier.rows, totals[:, :, EOS])
        totals[:, :, EOS] = -float("inf")
        frontier, previous = self._grow(frontier, totals)
        if t + 1 < self.tokens.shape[0]:
            self.tokens[t + 1, frontier.rows, : previous.shape[1]] = frontier.tokens
            self.previous[t + 1, frontier.rows, : previous.shape[1]] = previous
        highest_possible = frontier.totals[:, 0] / self.largest_divisor  # (R,)
        return frontier, self.best[frontier.rows, -1] >= highest_possible

    def _finish(self, t: int, rows: Array, totals: Array) -> None:
        """Record the scores of the hypotheses (R, K) if they end after t tokens."""
        xp, width = array_namespace(totals), totals.shape[1]
        scores = totals / (t + 1) ** self.length_penalty  # (R, K)
        self.totals[t, rows, :width] = totals
        self.scores[t, rows, :width] = scores
        finished = xp.concat([self.best[rows], scores], axis=1)  # (R, nbest + K)
        self.best[rows] = topk(finished, self.nbest)[0]

    def _grow(self, frontier: Frontier, totals: Array) -> tuple[Frontier, Array]:
        """Keep the best unfinished hypotheses.

        Returns:
            the K' hypotheses of each source, and (R, K') the ones that they extend.
        """
        xp = array_namespace(totals)
        sources, before, vocabulary = totals.shape
        width = min(self.width, before * vocabulary)
        kept, flat = topk(xp.reshape(totals, (sources, -1)), width)  # (R, K')
        previous = flat // vocabulary  # (R, K')
        first = xp.arange(0, sources * before, before, device=flat.device)[:, None]  # (R, 1)
        state = frontier.state.reorder(xp.reshape(first + previous, (-1,)), width)
        tokens = flat % vocabulary  # (R, K')
        return replace(frontier, tokens=tokens, totals=kept, state=state), previous

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Return the best hypotheses of each source, best first."""
        xp, (steps, sources, width) = array_namespace(self.scores), self.scores.shape
        scores, index = topk(_by_source(self.scores), self.nbest)  # (B, n)
        totals = xp.take_along_axis(_by_source(self.totals), index, axis=1)  # (B, n)
        lengths, entries = index // width, index % width  # (B, n) each
        shape = (*index.shape, steps - 1)
        ids = xp.full(shape, EOS, dtype=xp.int64, device=index.device)  # (B, n, T)
        rows = xp.arange(sources, device=index.device)[:, None]  # (B, 1)
        for t in range(int(xp.max(lengths)), 0, -1):
            inside = lengths >= t
            ids[:, :, t - 1] = xp.where(inside, self.tokens[t, rows, entries], EOS)
            entries = xp.where(inside, self.previous[t, rows, entries], entries)
        columns = (part.tolist() for part in (ids, lengths, totals, scores))
        return [_finite(*row) for row in zip(*columns, strict=True)]


def _by_source(table: Array) -> Array:
    """Reshape a table (T + 1, B, K) to (B, (T + 1) * K)."""
    xp = array_namespace(table)
    return xp.reshape(xp.permute_dims(table, (1, 0, 2)), (table.shape[1], -1))


def _finite(
    ids: list[list[int]], lengths: list[int], totals: list[float], scores: list[float]
) -> list[Hypothesis]:
    """Return the hypotheses of one source, without the empty entries of the beam."""
    return [
        Hypothesis(row[:length], total, score)
        for row, length, total, score in zip(ids, lengths, totals, scores, strict=True)
        if score > -float("inf")
    ]
