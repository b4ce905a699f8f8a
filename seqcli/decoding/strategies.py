"""Strategies of decoding: greedy, sampling with temperature, top-k and top-p, and beam search.

Each implements `seqcli.decoding.loop.Strategy`. Both backends sample in NumPy: with the same seed
they produce the same texts, up to rounding of the logits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.functions import Array, array_namespace, max_and_argmax, to_numpy, topk
from seqcli.config.sections import SamplingConfig
from seqcli.data.vocabulary import EOS
from seqcli.decoding.loop import Frontier, Hypothesis


class Greedy:
    """Choose the most likely token; see `seqcli.decoding.loop.Strategy`."""

    tokens: Array  # (B, T + 1), padded with EOS
    totals: Array  # (B,) log-probabilities
    waits = False

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


class GreedyCertificate:
    """Decode greedily, and certify predictions for which no beam search would find a better one.

    Appending a token never makes a hypothesis more likely. A continuation of an unfinished
    hypothesis with log-probability p therefore scores at most p / (limit + 1) ** penalty. If none
    of the hypotheses that greedy decoding discards could still reach the score of its finished
    hypothesis, then a beam of any width finds the same one: every discarded hypothesis is less
    likely than the greedy path at the same step, so the path ranks first in every beam. (Huang et
    al. 2017, arXiv:1809.00069 use such bounds to end a beam search; here they avoid starting one.)
    Confident models get the certificate for most sources, at the cost of one hypothesis per source.

    Args:
        length_penalty: as in beam search.
    """

    tokens: Array  # (B, T + 1) the paths
    best: Array  # (B,) the highest score of a finished hypothesis on the path
    total: Array  # (B,) its log-probability
    length: Array  # (B,) its number of tokens
    rival: Array  # (B,) log-probability of the most likely discarded unfinished hypothesis
    waits = False

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


Floats = NDArray[np.float64]


class Sampling(Greedy):
    """Sample the next token; see `seqcli.decoding.loop.Strategy`.

    Args:
        settings: temperature, top-k and top-p.
        random: one uniform number is drawn for each source and step.
    """

    waits = True  # NumPy draws, so that each backend and device draws the same

    def __init__(self, settings: SamplingConfig, random: np.random.Generator) -> None:
        self.settings, self.random = settings, random

    def choose(self, scores: Array) -> tuple[Array, Array]:
        """See `Greedy.choose`."""
        xp = array_namespace(scores)
        drawn = draw(probabilities(to_numpy(scores[:, 0]), self.settings), self.random)  # (R,)
        tokens = xp.asarray(drawn[:, None], device=scores.device)  # (R, 1)
        return xp.take_along_axis(scores, tokens[..., None], axis=-1)[..., 0], tokens


def probabilities(scores: NDArray[np.floating], settings: SamplingConfig) -> Floats:
    """Return the probabilities (B, V) to sample from.

    Args:
        scores: (B, V) log-probabilities; -inf for ids that must not be sampled.
        settings: the temperature is applied first, then top-k, then top-p to the rest.
    """
    shifted = scores.astype(np.float64)  # (B, V)
    shifted -= shifted.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # -inf at a low temperature is fine: exp(-inf) is 0
        weights = np.exp(shifted / settings.temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    if settings.top_k or settings.top_p < 1:
        weights = keep_likeliest(weights, settings.top_k, settings.top_p)
        weights /= weights.sum(axis=1, keepdims=True)
    return weights


def keep_likeliest(weights: Floats, top_k: int, top_p: float) -> Floats:
    """Return probabilities (B, V) with the unlikely ones set to 0; the rest is not rescaled.

    Args:
        weights: (B, V) probabilities.
        top_k: number to keep (Fan et al. 2018, arXiv:1805.04833); 0 keeps all.
        top_p: keep the fewest that together have this probability, at least one (nucleus
            sampling, Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all.
    """
    order = np.argsort(-weights, axis=1, kind="stable")  # (B, V)
    falling = np.take_along_axis(weights, order, axis=1)  # (B, V)
    if top_k:
        falling[:, top_k:] = 0.0
        falling /= falling.sum(axis=1, keepdims=True)
    falling[:, 1:][np.cumsum(falling, axis=1)[:, :-1] >= top_p] = 0.0
    kept = np.empty_like(falling)
    np.put_along_axis(kept, order, falling, axis=1)
    return kept


def draw(weights: Floats, random: np.random.Generator) -> NDArray[np.int64]:
    """Sample one id from each row of probabilities (B, V)."""
    heights = np.cumsum(weights, axis=1)  # (B, V)
    # in (0, 1]: an id of probability 0 is never the first whose height reaches the target
    target = (1.0 - random.random(len(heights))) * heights[:, -1]
    ids: NDArray[np.int64] = np.argmax(heights >= target[:, None], axis=1)  # (B,)
    return ids


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
    waits = False

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
