"""Which models differ: every pair tested, with Holm's correction, and groups that do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seqcli.comparison.significance import FEWEST_SEEDS, LEVEL, ArmScores, Difference, difference
from seqcli.statistics.clusters import Floats


@dataclass(frozen=True)
class ScopeScores:
    """The scores of all arms on the same N rows.

    Args:
        arms: arm -> (S, N) the score of each of its seeds on each row.
        weights: (N,) what the scores are shares of.
        clusters: (N,) which source each row has, from 0 without gaps.
    """

    arms: Mapping[str, Floats]
    weights: Floats
    clusters: NDArray[np.int64]


@dataclass(frozen=True)
class PairTest:
    """Two arms compared in one scope.

    Args:
        scope, one, other: the rows, and the names of the arms.
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
        """Whether the difference is larger than chance explains."""
        return self.adjusted_p < 1 - LEVEL


@dataclass(frozen=True)
class Verdict:
    """Two arms that differ significantly in one scope, the better one in ``ahead``."""

    scope: str
    ahead: str
    behind: str
    difference: Difference
    adjusted_p: float


def pair_tests(scopes: Mapping[str, ScopeScores]) -> tuple[PairTest, ...]:
    """Compare every pair of arms in every scope; pairs with too few seeds or rows are left out.

    Holm's correction (1979) keeps the probability that any of them is called different by chance
    at the level of a single test; `tests/benchmarks/verdict_level.py` measures it.
    """
    found: list[tuple[str, str, str, Difference]] = []
    for scope, scores in scopes.items():
        arms = {
            arm: ArmScores.of(rows, scores.weights, scores.clusters)
            for arm, rows in scores.arms.items()
        }
        for one, other in combinations(arms, 2):
            tested = difference(arms[one], arms[other])
            if tested is not None:
                found.append((scope, one, other, tested))
    adjusted = holm([tested.p_value for *_, tested in found])
    return tuple(PairTest(*one, p) for one, p in zip(found, adjusted, strict=True))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for as many tests as there are (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def verdicts(tests: Iterable[PairTest], lower_is_better: bool) -> tuple[Verdict, ...]:
    """Return the significant differences, each with the better arm first."""
    return tuple(_verdict(one, lower_is_better) for one in tests if one.significant)


def _verdict(test: PairTest, lower_is_better: bool) -> Verdict:
    found = test.difference
    if (found.mean > 0) != lower_is_better:
        return Verdict(test.scope, test.one, test.other, found, test.adjusted_p)
    return Verdict(test.scope, test.other, test.one, found.reversed(), test.adjusted_p)


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
    """Return the maximal cliques that hold ``group`` (Bron and Kerbosch 1973, with pivot)."""
    if not may and not done:
        return [group]
    pivot = max(may | done, key=lambda one: (len(alike[one] & may), one))
    found = []
    for one in sorted(may - alike[pivot]):
        found += _cliques(alike, group | {one}, may & alike[one], done & alike[one])
        may, done = may - {one}, done | {one}
    return found


def too_few_seeds(seeds: Mapping[str, int]) -> dict[str, int]:
    """Return the arms that have fewer seeds than a verdict takes, with their numbers."""
    return {arm: number for arm, number in seeds.items() if number < FEWEST_SEEDS}
