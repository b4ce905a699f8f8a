"""Student's t and the beta distribution, by the regularized incomplete beta function.

SciPy has all of this, but importing it takes longer than most commands of this program run.
"""

from __future__ import annotations

import math
from statistics import NormalDist

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
    """Return the t that is exceeded, on both sides together, with probability ``p`` (0 < p < 1)."""
    t = -NormalDist().inv_cdf(p / 2)
    if df >= _NORMAL_DF:
        return t
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    for _ in range(100):  # Newton's method rises to the root: the tail is convex, the start below
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
