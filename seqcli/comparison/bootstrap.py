"""Is a difference between two models larger than its uncertainty? A paired bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
RESAMPLES, SEED = 5000, 0
BLOCK = 500  # resamples at a time, so that memory stays small
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean score of one model minus another's, and the interval that the bootstrap gives."""

    mean: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether zero is outside the interval."""
        return self.low > 0 or self.high < 0


def difference(
    one: Scores, other: Scores, weight: Sequence[int] | Scores, comparisons: int = 1
) -> Difference:
    """Return one model's score minus another's, with an interval by paired bootstrap.

    Test rows are drawn with replacement, the same ones for both models (paired: Koehn 2004, ACL
    W04-3250); seeds are drawn with replacement for each model by itself, so that the luck of a
    seed counts as well (Bouthillier et al. 2021, arXiv:2103.03098). With S seeds the spread of
    resampled means is too narrow by sqrt((S - 1) / S), so seeds' deviations are widened by as
    much. The interval is that of percentiles, at 1 - 0.05 / ``comparisons`` (Bonferroni).

    Args:
        one, other: (S, N) and (S', N), the score of each seed on each row.
        weight: (N,) what the scores are shares of.
        comparisons: how many intervals are to hold together.
    """
    weights = np.asarray(weight, np.float64)
    rng = np.random.Generator(np.random.PCG64(SEED))
    draws = np.concatenate(
        [_draws(one, other, weights, rng, size) for size in _blocks(RESAMPLES)]
    )  # (R,)
    tail = (1 - LEVEL) / max(comparisons, 1) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    total = weights.sum()
    mean = float(one.sum(1).mean() / total - other.sum(1).mean() / total)
    return Difference(mean, float(low), float(high))


def _blocks(number: int) -> list[int]:
    return [min(BLOCK, number - done) for done in range(0, number, BLOCK)]


def _draws(
    one: Scores, other: Scores, weights: Scores, rng: np.random.Generator, size: int
) -> Scores:
    """Return (R,) resampled differences."""
    rows = len(weights)
    times = rng.multinomial(rows, np.full(rows, 1 / rows), size).astype(np.float64)  # (R, N)
    total = times @ weights  # (R,)
    return _means(one, times, total, rng) - _means(other, times, total, rng)


def _means(scores: Scores, times: Scores, total: Scores, rng: np.random.Generator) -> Scores:
    """Return (R,) the mean over resampled seeds of the score on resampled rows."""
    seeds = len(scores)
    each = times @ scores.T / total[:, None]  # (R, S)
    drawn = np.take_along_axis(each, rng.integers(seeds, size=each.shape), axis=1)  # (R, S)
    centre, mean = each.mean(1), drawn.mean(1)  # (R,)
    wider = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    means: Scores = centre + wider * (mean - centre)
    return means
