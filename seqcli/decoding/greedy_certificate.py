"""Certify greedy predictions for which no beam search would find a better one.

Appending a token never makes a hypothesis more likely. A continuation of an unfinished hypothesis
with log-probability p therefore scores at most p / (limit + 1) ** penalty. If none of the
hypotheses that greedy decoding discards could still reach the score of its finished hypothesis,
then a beam of any width finds the same one: every discarded hypothesis is less likely than the
greedy path at the same step, so the path ranks first in every beam. (Huang et al. 2017,
arXiv:1809.00069 use such bounds to end a beam search; here they avoid starting one.) Confident
models get the certificate for most sources, at the cost of one hypothesis per source.
"""

from __future__ import annotations

from dataclasses import replace

from seqcli.arrays.functions import topk
from seqcli.arrays.namespace import Array, array_namespace
from seqcli.data.vocabulary import EOS
from seqcli.decoding.loop import Frontier, Hypothesis


class GreedyCertificate:
    """Follow the greedy path of each source; see `seqcli.decoding.loop.Strategy`.

    Args:
        length_penalty: as in beam search.
    """

    tokens: Array  # (B, T + 1) the paths
    best: Array  # (B,) the highest score of a finished hypothesis on the path
    total: Array  # (B,) its log-probability
    length: Array  # (B,) its number of tokens
    rival: Array  # (B,) log-probability of the most likely discarded unfinished hypothesis

    def __init__(self, length_penalty: float) -> None:
        self.length_penalty = length_penalty

    def begin(self, frontier: Frontier, limit: int) -> None:
        """See `Strategy.begin`."""
        xp, rows = array_namespace(frontier.rows), frontier.rows
        self.largest_divisor = (limit + 1) ** self.length_penalty
        shape = (rows.shape[0], limit + 1)
        self.tokens = xp.full(shape, EOS, dtype=xp.int64, device=rows.device)
        self.best = xp.full_like(frontier.totals[:, 0], -xp.inf)
        self.total, self.rival = self.best + 0.0, self.best + 0.0
        self.length = xp.zeros_like(rows)

    def advance(self, t: int, frontier: Frontier, scores: Array) -> tuple[Frontier, Array]:
        """See `Strategy.advance`."""
        totals = frontier.totals + scores[:, 0]  # (R, V)
        self._finish(t, frontier.rows, totals[:, EOS])
        totals[:, EOS] = -float("inf")
        (first, second), (token, _) = _columns(topk(totals, 2))  # (R,) each
        done = self._extend(t, frontier.rows, token, first, second)
        return replace(frontier, tokens=token[:, None], totals=first[:, None]), done

    def _finish(self, t: int, rows: Array, totals: Array) -> None:
        """Record the paths ``rows`` (R,) that score best if they end after t tokens."""
        xp = array_namespace(rows)
        scores = totals / (t + 1) ** self.length_penalty  # (R,)
        better = scores > self.best[rows]
        self.best[rows] = xp.where(better, scores, self.best[rows])
        self.total[rows] = xp.where(better, totals, self.total[rows])
        self.length[rows] = xp.where(better, t, self.length[rows])

    def _extend(self, t: int, rows: Array, token: Array, total: Array, discarded: Array) -> Array:
        """Append tokens (R,) to paths of log-probability ``total``; return which are done (R,).

        A path is done if no continuation can improve on it, or if a discarded hypothesis (the
        most likely one has log-probability ``discarded``) is as likely as the path.
        """
        xp = array_namespace(rows)
        self.tokens[rows, t] = token
        rival = xp.maximum(self.rival[rows], discarded)  # (R,)
        done = (total / self.largest_divisor <= self.best[rows]) | (total <= rival)
        self.rival[rows] = xp.where(done, xp.maximum(rival, total), rival)
        return done

    def hypotheses(self) -> list[Hypothesis | None]:
        """Return the best hypothesis of each source, or None without a certificate."""
        certified = self.rival / self.largest_divisor <= self.best  # (B,)
        parts = (self.tokens, self.length, self.total, self.best, certified)
        return [
            Hypothesis(tokens[:length], total, score) if sure else None
            for tokens, length, total, score, sure in zip(*(x.tolist() for x in parts), strict=True)
        ]


def _columns(pair: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split two arrays (R, 2) into their columns."""
    values, index = pair
    return (values[:, 0], values[:, 1]), (index[:, 0], index[:, 1])
