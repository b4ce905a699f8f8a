"""95% confidence intervals of scores that are ratios of sums, for rows that come in clusters.

The variance of a ratio is that of its linearization, from the sums over clusters (rows that share
a source). Near 0 and 1 that variance is not to be relied on: among few errors there may be none to
see. So one cluster more is counted in it, of which one half is right, and the interval is not
symmetric but that of a binomial share or a rate with the effective sample size, the number of
independent observations that would have the same variance (Korn and Graubard 1998, "Confidence
intervals for proportions with small expected number of positive counts"; Dean and Pagano 2015,
doi:10.1093/jssam/smv024). `tests/benchmarks/interval_coverage.py` measures how often such
intervals hold the true score.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from seqcli.statistics.clusters import Floats
from seqcli.statistics.distributions import beta_quantile, t_quantile

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
EXACT = "Clopper-Pearson"
SHARE = "Clopper-Pearson, effective sample size"
RATE = "score interval of a rate, effective sample size"
MEAN = "t interval of a ratio"

Interval = tuple[float, float]


def share_method(parts: Floats, of: Floats) -> str:
    """Return the method of `share_interval`; arguments as there."""
    return EXACT if _is_binomial(parts, of) else SHARE


def share_interval(parts: Floats, of: Floats) -> Interval | None:
    """Return the interval of a share, from 0 to 1; None of a single cluster of rows.

    Args:
        parts: (C,) what each cluster adds, from 0 to what it could.
        of: (C,) what it could add.
    """
    if _is_binomial(parts, of):
        return binomial_interval(float(parts.sum()), float(of.sum()))
    clusters, total = len(of), float(of.sum())
    if clusters < 2 or total <= 0:
        return None
    share, variance = _with_one_more(parts, of)
    size = min(share * (1 - share) / variance, total) * _shrunk(clusters - 1)
    return binomial_interval(float(parts.sum()) / total * size, size)


def rate_interval(parts: Floats, of: Floats) -> Interval | None:
    """Return the interval of a rate such as errors per token; it may exceed 1.

    Args:
        parts: (C,) the events of each cluster.
        of: (C,) what they are counted per.
    """
    clusters, total = len(of), float(of.sum())
    if clusters < 2 or total <= 0:
        return None
    smoothed, variance = _with_one_more(parts, of)
    size = min(smoothed / variance, total)
    rate, q = float(parts.sum()) / total, t_quantile(1 - LEVEL, clusters - 1)
    middle, half = rate + q * q / (2 * size), q * sqrt(rate / size + q * q / (4 * size * size))
    return max(middle - half, 0.0), middle + half


def mean_interval(parts: Floats, of: Floats) -> Interval | None:
    """Return the t interval of a ratio that has no bounds, such as a loss per token.

    Args:
        parts: (C,) what each cluster adds.
        of: (C,) what it is divided by.
    """
    clusters, total = len(of), float(of.sum())
    if clusters < 2 or total <= 0:
        return None
    ratio = float(parts.sum()) / total
    rest = parts - ratio * of
    error = sqrt(float(rest @ rest) * clusters / (clusters - 1)) / total
    half = t_quantile(1 - LEVEL, clusters - 1) * error
    return ratio - half, ratio + half


def binomial_interval(right: float, size: float) -> Interval:
    """Return the interval of Clopper and Pearson (1934); the numbers need not be whole."""
    wrong = max(size - right, 0.0)
    low = beta_quantile(TAIL, right, wrong + 1) if right > 0 else 0.0
    high = beta_quantile(1 - TAIL, right + 1, wrong) if wrong > 1e-9 else 1.0
    return low, high


def effective_size(share: float, variance: float, df: float) -> float:
    """Return how many independent observations have this variance, fewer if it is itself unsure.

    Args:
        share: from 0 to 1.
        variance: of ``share``.
        df: degrees of freedom of ``variance``.
    """
    return share * (1 - share) / variance * _shrunk(df)


def _is_binomial(parts: Floats, of: Floats) -> bool:
    """Whether every cluster is one observation, right or wrong."""
    return bool((of == 1).all() and ((parts == 0) | (parts == 1)).all() and len(of))


def _with_one_more(parts: Floats, of: Floats) -> tuple[float, float]:
    """Return the ratio and its variance with one cluster more, of average size, half of it right:
    half a cluster that is right throughout, and half a cluster that is wrong."""
    clusters, total = len(of), float(of.sum())
    size = total / clusters
    ratio = (float(parts.sum()) + size / 2) / (total + size)
    rest = parts - ratio * of
    more = (size * size) * (ratio**2 + (1 - ratio) ** 2) / 2
    squares = float(rest @ rest) + more
    return ratio, squares * (clusters + 1) / clusters / (total + size) ** 2


def _shrunk(df: float) -> float:
    """Return by how much a sample size shrinks for an interval of t in place of the normal."""
    normal = -NormalDist().inv_cdf(TAIL)
    return (normal / t_quantile(1 - LEVEL, df)) ** 2
