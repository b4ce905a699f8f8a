"""Student's t and the beta distribution, by the regularized incomplete beta function.

SciPy has all of this, but importing it takes longer than most commands of this program run.
"""

from __future__ import annotations

import math
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-300
_NORMAL_DF = 1e6  # from here on Student's t is the normal distribution to six digits


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the continued fraction converges fast on the other side
        return 1 - incomplete_beta(b, a, 1 - x)
    log = a * math.log(x) + b * math.log1p(-x)
    log += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log) / (a * _continued_fraction(a, b, x))


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of I_x(a, b) (DLMF 8.17.22) by Lentz's method."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, 10_000):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + term * d) or _TINY)
        c = (1 + term / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value


def t_p_value(t: float, df: float) -> float:
    """Return the two-sided p-value of Student's t with ``df`` > 0 degrees of freedom."""
    if df >= _NORMAL_DF:
        return math.erfc(abs(t) / math.sqrt(2))
    return incomplete_beta(df / 2, 0.5, df / (df + t * t))


def t_quantile(p: float, df: float) -> float:
    """Return the t whose two-sided tail probability is ``p`` (0 < p < 1)."""
    t = -NormalDist().inv_cdf(p / 2)
    if df >= _NORMAL_DF:
        return t
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    for _ in range(100):  # Newton's method converges from below: the tail is convex
        density = math.exp(log - (df + 1) / 2 * math.log1p(t * t / df))
        step = (t_p_value(t, df) - p) / (2 * density)
        t += step
        if abs(step) < 1e-10 * t:
            break
    return t


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return the x with I_x(a, b) = ``p``, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if incomplete_beta(a, b, middle) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


Floats = NDArray[np.float64]


def cluster_ids(groups: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return (N,) ids from 0 without gaps, equal where ``groups`` are equal."""
    ids: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return ids


def cluster_sums(values: Floats, clusters: NDArray[np.int64]) -> Floats:
    """Return (..., C) the sums over the rows (..., N) of each cluster."""
    number = int(clusters.max(initial=-1)) + 1
    if number == len(clusters):  # one row per cluster: only the order may differ
        reordered = np.empty_like(values)
        reordered[..., clusters] = values
        return reordered
    flat = values.reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(clusters, row, number) for row in flat]).astype(np.float64)
    return sums.reshape(*values.shape[:-1], number)


LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
EXACT = "Clopper-Pearson"
SHARE = "Clopper-Pearson, effective sample size"
RATE = "score interval of a rate, effective sample size"
MEAN = "t interval of a ratio"

Interval = tuple[float, float]


def share_method(parts: Floats, of: Floats) -> str:
    """Return the name of the method that `share_interval` uses for these arguments."""
    return EXACT if _is_binomial(parts, of) else SHARE


def share_interval(parts: Floats, of: Floats) -> Interval | None:
    """Return the confidence interval of a share, from 0 to 1; None for a single cluster of rows.

    Args:
        parts: (C,) the numerator of each cluster, from 0 to its denominator.
        of: (C,) the denominator of each cluster.
    """
    if _is_binomial(parts, of):
        return binomial_interval(float(parts.sum()), float(of.sum()))
    clusters, total = len(of), float(of.sum())
    if clusters < 2 or total <= 0:
        return None
    share, variance = _smoothed_ratio(parts, of)
    size = min(share * (1 - share) / variance, total) * _t_shrinkage(clusters - 1)
    return binomial_interval(float(parts.sum()) / total * size, size)


def rate_interval(parts: Floats, of: Floats) -> Interval | None:
    """Return the confidence interval of a rate such as errors per token; it may exceed 1.

    Args:
        parts: (C,) the number of events in each cluster.
        of: (C,) the exposure of each cluster, such as its number of tokens.
    """
    clusters, total = len(of), float(of.sum())
    if clusters < 2 or total <= 0:
        return None
    smoothed, variance = _smoothed_ratio(parts, of)
    size = min(smoothed / variance, total)
    rate, q = float(parts.sum()) / total, t_quantile(1 - LEVEL, clusters - 1)
    middle, half = rate + q * q / (2 * size), q * sqrt(rate / size + q * q / (4 * size * size))
    return max(middle - half, 0.0), middle + half


def mean_interval(parts: Floats, of: Floats) -> Interval | None:
    """Return the t interval of an unbounded ratio such as the loss per token.

    Args:
        parts: (C,) the numerator of each cluster.
        of: (C,) the denominator of each cluster.
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
    """Return the interval of Clopper and Pearson (1934); the counts need not be integers."""
    wrong = max(size - right, 0.0)
    low = beta_quantile(TAIL, right, wrong + 1) if right > 0 else 0.0
    high = beta_quantile(1 - TAIL, right + 1, wrong) if wrong > 1e-9 else 1.0
    return low, high


def effective_size(share: float, variance: float, df: float) -> float:
    """Return the number of independent observations with this variance, fewer for a small ``df``.

    Args:
        share: from 0 to 1.
        variance: of ``share``.
        df: degrees of freedom of ``variance``.
    """
    return share * (1 - share) / variance * _t_shrinkage(df)


def _is_binomial(parts: Floats, of: Floats) -> bool:
    """Return whether every cluster is a single observation, correct or incorrect."""
    return bool((of == 1).all() and ((parts == 0) | (parts == 1)).all() and len(of))


def _smoothed_ratio(parts: Floats, of: Floats) -> tuple[float, float]:
    """Return the ratio and its variance after adding one cluster of average size.

    The added cluster counts half as entirely correct and half as entirely incorrect.
    """
    clusters, total = len(of), float(of.sum())
    size = total / clusters
    ratio = (float(parts.sum()) + size / 2) / (total + size)
    rest = parts - ratio * of
    more = (size * size) * (ratio**2 + (1 - ratio) ** 2) / 2
    squares = float(rest @ rest) + more
    return ratio, squares * (clusters + 1) / clusters / (total + size) ** 2


def _t_shrinkage(df: float) -> float:
    """Return the factor by which Student's t reduces a sample size, compared with the normal."""
    normal = -NormalDist().inv_cdf(TAIL)
    return (normal / t_quantile(1 - LEVEL, df)) ** 2
