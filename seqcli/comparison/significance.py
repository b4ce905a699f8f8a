"""Test whether two models differ significantly: a t-test over seeds and rows.

Every seed of both models is scored on the same rows, so the difference of the means has two
sources of variance (Dror et al. 2018, ACL P18-1128; Bouthillier et al. 2021, arXiv:2103.03098):

- seeds: the variance of the scores over seeds, separately for each model,
- rows: the variance of the paired row differences, averaged over seeds. Rows that share a source
  form one cluster.

The noise of single predictions (seed by row) is part of both. The sum of both variances counts it
twice, so it is too large, but it has many degrees of freedom. Subtracting the noise once gives an
unbiased estimate (crossed random effects, Owen 2007, doi:10.1214/07-AOAS122), which has few degrees
of freedom with few seeds. Each estimate gives a t interval with the degrees of freedom of
Satterthwaite (1946) and Welch (1947); the shorter interval is used.

`tests/benchmarks/verdict_level.py` measures the rate of false positives. It is too high if each
seed learns either everything or nothing: all three seeds then fail by chance more often than their
variance suggests. Use five seeds in this case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from seqcli.metrics.metric import Metric
from seqcli.statistics import Floats, cluster_sums, t_p_value, t_quantile

LEVEL = 0.95
FEWEST_SEEDS = 3  # of each model; with 2, the level would be 12% rather than 5%
FEWEST_CLUSTERS = 2


@dataclass(frozen=True)
class Difference:
    """The mean score of one model minus another's.

    Args:
        mean: in the unit of the score.
        low, high: its 95% confidence interval, not corrected for multiple comparisons.
        p_value: two-sided, not corrected for multiple comparisons.
    """

    mean: float
    low: float
    high: float
    p_value: float

    def reversed(self) -> Difference:
        """Return the difference with the two models exchanged."""
        return Difference(-self.mean, -self.high, -self.low, self.p_value)


@dataclass(frozen=True)
class ArmScores:
    """A model's scores, summed over clusters of rows.

    Args:
        sums: (S, C) the score of each seed on each cluster.
        weights: (C,) the highest possible sums.
        right_or_wrong: whether every row scores all of its weight or nothing.
    """

    sums: Floats
    weights: Floats
    right_or_wrong: bool

    @classmethod
    def of(cls, scores: Floats, weights: Floats, clusters: NDArray[np.int64]) -> ArmScores:
        """Sum the scores (S, N) of each seed on each row over clusters.

        Args:
            scores: the scores of a model.
            weights: (N,) the weights of the rows.
            clusters: (N,) the source of each row, numbered from 0 without gaps.
        """
        whole = bool(((scores == 0) | (scores == weights)).all())
        return cls(cluster_sums(scores, clusters), cluster_sums(weights, clusters), whole)

    @property
    def seeds(self) -> int:
        """The number of seeds, S."""
        return len(self.sums)

    @cached_property
    def total(self) -> float:
        """The weight of all rows."""
        return float(self.weights.sum())

    @cached_property
    def means(self) -> Floats:
        """The score of each seed, (S,)."""
        means: Floats = self.sums.sum(1) / self.total
        return means

    @cached_property
    def mean(self) -> float:
        """The mean score over seeds."""
        return float(self.means.mean())

    @cached_property
    def seed_variance(self) -> float:
        """The variance of the mean, estimated from the seeds."""
        return float(self.means.var(ddof=1)) / self.seeds

    @cached_property
    def noise_variance(self) -> float:
        """The part of ``seed_variance`` due to the noise of single predictions (seed by row)."""
        deviations = self.means - self.mean  # (S,)
        residuals = self.sums - self.sums.mean(0) - deviations[:, None] * self.weights  # (S, C)
        return _variance(residuals.ravel(), self) / (self.seeds * (self.seeds - 1))


def difference(one: ArmScores, other: ArmScores) -> Difference | None:
    """Compare two models on the same rows; return None if there are too few seeds or rows."""
    if min(one.seeds, other.seeds) < FEWEST_SEEDS or len(one.weights) < FEWEST_CLUSTERS:
        return None
    if one.total <= 0:
        return None
    mean, arms = one.mean - other.mean, (one, other)
    rows = _row_variance(one, other)
    seeds = [arm.seed_variance for arm in arms]
    excess = [max(arm.seed_variance - arm.noise_variance, 0.0) for arm in arms]
    squares = sum(arm.seed_variance**2 / (arm.seeds - 1) for arm in arms)
    squares += rows**2 / (len(one.weights) - 1)
    intervals = [_t_interval(mean, rows + sum(parts), squares) for parts in (seeds, excess)]
    half, p_value = (min(values) for values in zip(*intervals, strict=True))
    return Difference(mean, mean - half, mean + half, p_value)


def _t_interval(mean: float, variance: float, squares: float) -> tuple[float, float]:
    """Return half the width of the interval, and the p-value.

    Args:
        mean: the difference.
        variance: the variance of ``mean``, a sum of estimates.
        squares: the sum of the squared estimates, each divided by its degrees of freedom.
    """
    if variance <= 0:
        return 0.0, float(mean == 0)
    df, error = max(variance**2 / squares, 1.0), sqrt(variance)
    return t_quantile(1 - LEVEL, df) * error, t_p_value(mean / error, df)


def _row_variance(one: ArmScores, other: ArmScores) -> float:
    """Return the variance of the difference over clusters.

    If rows are right or wrong, one more prediction, of one seed on one source, counts as different.
    Otherwise complete agreement, or complete disagreement, would give a variance of zero (Agresti
    and Min 2005, doi:10.1002/sim.1781, for pairs).
    """
    gap = one.mean - other.mean
    residuals = one.sums.mean(0) - other.sums.mean(0) - gap * one.weights  # (C,)
    whole = one.right_or_wrong and other.right_or_wrong
    more = (1 / one.seeds + 1 / other.seeds) / 2 / len(residuals) if whole else 0.0
    return _variance(residuals, one) + more**2


def _variance(residuals: Floats, arm: ArmScores) -> float:
    """Return the variance of a ratio of sums over clusters, from their residuals."""
    clusters = len(arm.weights)
    return float(residuals @ residuals) / arm.total**2 * clusters / (clusters - 1)


@dataclass(frozen=True)
class ScopeScores:
    """The scores of all arms on the same N rows.

    Args:
        arms: arm -> (S, N) the score of each of its seeds on each row.
        weights: (N,) the weights of the rows.
        clusters: (N,) the source of each row, numbered from 0 without gaps.
    """

    arms: Mapping[str, Floats]
    weights: Floats
    clusters: NDArray[np.int64]


@dataclass(frozen=True)
class PairTest:
    """A comparison of two arms in one scope.

    Args:
        scope, one, other: the scope, and the names of the arms.
        difference: the score of ``one`` minus that of ``other``.
        adjusted_p: the p-value after Holm's correction over all pairs and scopes.
    """

    scope: str
    one: str
    other: str
    difference: Difference
    adjusted_p: float

    @property
    def significant(self) -> bool:
        """Whether the difference is statistically significant."""
        return self.adjusted_p < 1 - LEVEL


@dataclass(frozen=True)
class SignificantDifference:
    """A significant difference of two arms in one scope."""

    scope: str
    better: str
    worse: str
    difference: Difference
    adjusted_p: float


def pair_tests(scopes: Mapping[str, ScopeScores]) -> tuple[PairTest, ...]:
    """Compare every pair of arms in every scope, except pairs with too few seeds or rows.

    Holm's correction (1979) limits the family-wise error rate to the level of a single test;
    `tests/benchmarks/verdict_level.py` measures it.
    """
    tests: list[tuple[str, str, str, Difference]] = []
    for scope, scores in scopes.items():
        arms = {
            arm: ArmScores.of(rows, scores.weights, scores.clusters)
            for arm, rows in scores.arms.items()
        }
        for one, other in combinations(arms, 2):
            tested = difference(arms[one], arms[other])
            if tested is not None:
                tests.append((scope, one, other, tested))
    adjusted = holm([tested.p_value for *_, tested in tests])
    return tuple(PairTest(*one, p) for one, p in zip(tests, adjusted, strict=True))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for multiple tests (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def significant_differences(
    tests: Iterable[PairTest], metric: Metric
) -> tuple[SignificantDifference, ...]:
    """Return the significant differences by a metric, each as better arm minus worse arm."""
    return tuple(_better_first(one, metric) for one in tests if one.significant)


def _better_first(test: PairTest, metric: Metric) -> SignificantDifference:
    difference, names = test.difference, (test.one, test.other)
    if metric.gain(difference.mean, 0.0) <= 0:
        difference, names = difference.reversed(), (test.other, test.one)
    return SignificantDifference(test.scope, *names, difference, test.adjusted_p)


def ties(tests: Iterable[PairTest], scope: str) -> tuple[tuple[str, ...], ...]:
    """Return the largest groups of arms of which no two differ significantly in a scope.

    Groups may overlap: A and C can differ while B differs from neither. Arms that differ from all
    others are in no group.
    """
    alike: dict[str, set[str]] = {}
    for test in tests:
        if test.scope == scope:
            for one, other in ((test.one, test.other), (test.other, test.one)):
                alike.setdefault(one, set()).update(set() if test.significant else {other})
    order = list(alike)
    groups = _cliques(alike, set(), set(order), set())
    ranked = sorted(sorted(group, key=order.index) for group in groups if len(group) > 1)
    return tuple(map(tuple, sorted(ranked, key=lambda group: [order.index(n) for n in group])))


def _cliques(
    alike: Mapping[str, set[str]], group: set[str], may: set[str], done: set[str]
) -> list[set[str]]:
    """Return the maximal cliques that contain ``group`` (Bron and Kerbosch 1973, with pivot)."""
    if not may and not done:
        return [group]
    pivot = max(may | done, key=lambda one: (len(alike[one] & may), one))
    cliques = []
    for one in sorted(may - alike[pivot]):
        cliques += _cliques(alike, group | {one}, may & alike[one], done & alike[one])
        may, done = may - {one}, done | {one}
    return cliques


def too_few_seeds(seeds: Mapping[str, int]) -> dict[str, int]:
    """Return arm -> seeds, of the arms with fewer seeds than a test requires."""
    return {arm: number for arm, number in seeds.items() if number < FEWEST_SEEDS}
