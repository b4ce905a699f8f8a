"""How often `compare` finds a difference that is not there, and how often one that is.

Several models are simulated: every source has a chance of a right answer (beta distributed), every
seed moves all chances up or down on the logit scale so that its accuracy is beta distributed with
the standard deviation wanted, and rows that share a source mostly share its answer. The procedures
see nothing but the rows that are right.

- after: `seqcli.comparison.significance`, as it is now;
- before: the procedure of earlier versions, a bootstrap over rows and seeds with Bonferroni's
  correction, kept here for comparison;
- rows: a paired t-test over rows of the scores averaged over seeds, as if seeds did not matter.

Levels: of models that are all alike, the share of comparisons in which any pair is called
different (nominal 0.05). Power: the share of pairs with a true gap that are found.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations
from statistics import NormalDist
from typing import Any

import measure
import numpy as np
from numpy.typing import NDArray

from seqcli.comparison.significance import ScopeScores, pair_tests
from seqcli.statistics import cluster_sums, t_p_value

Floats = NDArray[np.float64]
Pairs = set[tuple[str, str]]
ROWS, LEVEL = 1000, 0.05
SHARED = 0.8  # of the rows of a source, those that have the source's answer
CONCENTRATION = 2.0  # of the chances of sources: Beta(2 p, 2 (1 - p)), U-shaped
GRID = np.linspace(-14, 14, 43)


@dataclass(frozen=True)
class Cell:
    """What is simulated.

    ``spreads`` holds the standard deviation over seeds of each arm's accuracy; the first arm is
    better by ``gap``. Seeds of ``failing`` models fail altogether half of the time.
    """

    seeds: int
    sources: int
    accuracy: float
    spreads: tuple[float, ...]
    gap: float = 0.0
    failing: bool = False

    def comparisons(self, number: int, seed: int) -> Iterator[ScopeScores]:
        """Yield so many simulated comparisons."""
        rng = np.random.default_rng([seed, *map(ord, repr(self))])
        source_of_row = np.arange(ROWS) % self.sources
        for _ in range(number):
            chances = rng.beta(
                CONCENTRATION * self.accuracy, CONCENTRATION * (1 - self.accuracy), self.sources
            )
            ease = _logit(np.clip(chances, 1e-4, 1 - 1e-4))
            means = (1 / (1 + np.exp(-(GRID[:, None] + ease)))).mean(1)
            arms = {}
            for arm, spread in enumerate(self.spreads):
                shift = np.interp(self._accuracies(rng, arm, spread), means, GRID)
                chance = 1 / (1 + np.exp(-(shift[:, None] + ease)))  # (S, sources)
                arms[f"arm{arm}"] = _answers(rng, chance, source_of_row)
            yield ScopeScores(arms, np.ones(ROWS), source_of_row)

    def _accuracies(self, rng: np.random.Generator, arm: int, spread: float) -> Floats:
        """Return (S,) the accuracy of each seed."""
        if self.failing:
            return np.where(rng.random(self.seeds) < 0.5, 0.05, 0.95)
        mean = self.accuracy + self.gap * (arm == 0)
        if not spread:
            return np.full(self.seeds, mean)
        total = mean * (1 - mean) / spread**2 - 1
        drawn = rng.beta(mean * total, (1 - mean) * total, self.seeds)
        return np.clip(drawn, 0.001, 0.999)


def _logit(chance: Floats) -> Floats:
    return np.log(chance) - np.log1p(-chance)


def _answers(rng: np.random.Generator, chance: Floats, source_of_row: NDArray[Any]) -> Floats:
    """Return (S, N) zeros and ones."""
    own = rng.random((len(chance), ROWS))
    if chance.shape[1] < ROWS:
        common = rng.random(chance.shape)[:, source_of_row]
        own = np.where(rng.random(own.shape) < SHARED, common, own)
    return (own < chance[:, source_of_row]).astype(np.float64)


def after(scores: ScopeScores) -> Pairs:
    """Return the pairs that `compare` calls different."""
    if not _may_differ(scores):
        return set()
    return {(one.one, one.other) for one in pair_tests({"test": scores}) if one.significant}


def _may_differ(scores: ScopeScores) -> bool:
    """Say whether any pair could be called different: to save time where none comes near.

    `compare` never takes the variance to be less than that over rows, nor a t distribution for
    narrower than the normal one.
    """
    sums = np.stack([rows.mean(0) for rows in scores.arms.values()])
    sums = cluster_sums(sums, scores.clusters)  # (A, C)
    sizes = cluster_sums(scores.weights, scores.clusters)
    least = NormalDist().inv_cdf(1 - LEVEL / math.comb(len(sums), 2) / 2)
    for one, other in combinations(range(len(sums)), 2):
        away = sums[one] - sums[other]
        rest = away - away.sum() / ROWS * sizes
        if abs(away.sum()) > least * math.sqrt(float(rest @ rest)):
            return True
    return False


def rows_alone(scores: ScopeScores, comparisons: int = 1) -> Pairs:
    """Return the pairs that differ by a paired t-test over sources, seeds averaged."""
    sums = {arm: cluster_sums(rows.mean(0), scores.clusters) for arm, rows in scores.arms.items()}
    sizes = cluster_sums(scores.weights, scores.clusters)
    found, clusters = set(), len(sizes)
    for one, other in combinations(sums, 2):
        away = sums[one] - sums[other]
        gap = away.sum() / sizes.sum()
        rest = away - gap * sizes
        error = math.sqrt(float(rest @ rest) * clusters / (clusters - 1)) / sizes.sum()
        if error and t_p_value(gap / error, clusters - 1) < LEVEL / comparisons:
            found.add((one, other))
    return found


def before(scores: ScopeScores, resamples: int = 2000) -> Pairs:
    """Return the pairs that the bootstrap of earlier versions called different."""
    rng = np.random.default_rng(0)
    times = _resamples(resamples)  # (R, N)
    each = {arm: times @ rows.T.astype(np.float32) / ROWS for arm, rows in scores.arms.items()}
    pairs = list(combinations(each, 2))
    tail = LEVEL / len(pairs) / 2
    found = set()
    for one, other in pairs:
        drawn = _seeds_drawn(each[one], rng) - _seeds_drawn(each[other], rng)
        low, high = np.quantile(drawn, [tail, 1 - tail])
        if low > 0 or high < 0:
            found.add((one, other))
    return found


@cache
def _resamples(number: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.multinomial(ROWS, np.full(ROWS, 1 / ROWS), number).astype(np.float32)


def _seeds_drawn(each: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (R,) means over seeds drawn again, their deviations widened for their number."""
    seeds = each.shape[1]
    drawn = np.take_along_axis(each, rng.integers(seeds, size=each.shape), axis=1).mean(1)
    centre = each.mean(1)
    return centre + math.sqrt(seeds / (seeds - 1)) * (drawn - centre)


def share(found: Sequence[float]) -> dict[str, float]:
    """Return a mean with its Monte Carlo standard error."""
    error = float(np.std(found)) / math.sqrt(len(found))
    return {"share": round(float(np.mean(found)), 4), "error": round(error, 4)}


def level(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """Return how often each procedure finds anything among models that are alike."""
    told: dict[str, Any] = {**asdict(cell), "spreads": list(cell.spreads)}
    procedures: Mapping[str, tuple[Callable[[ScopeScores], Pairs], int]] = {
        "after": (after, options.replications),
        "before": (before, options.before),
    }
    for name, (procedure, number) in procedures.items():
        if number and (name == "before" or cell.seeds > 2):
            runs = cell.comparisons(number, options.seed)
            told[name] = share([float(bool(procedure(one))) for one in runs])
    return told


def power(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """Return how often each procedure finds the pairs with a true gap."""
    pairs = [("arm0", f"arm{n}") for n in range(1, len(cell.spreads))]
    tests = len(list(combinations(cell.spreads, 2)))
    procedures: Mapping[str, tuple[Callable[[ScopeScores], Pairs], int]] = {
        "after": (after, options.power),
        "before": (before, options.before),
        "rows_uncorrected": (rows_alone, options.power),
        "rows_bonferroni": (lambda one: rows_alone(one, tests), options.power),
    }
    told: dict[str, Any] = {**asdict(cell), "spreads": list(cell.spreads)}
    for name, (procedure, number) in procedures.items():
        found = []
        for one in cell.comparisons(number, options.seed):
            called = procedure(one)
            found.append(float(np.mean([pair in called for pair in pairs])))
        if found:
            told[name] = share(found)
    return told


def level_cells() -> list[Cell]:
    """Return the cells whose level is measured."""
    cells = [
        Cell(seeds, sources, 0.6, (spread,) * 4)
        for sources in (73, 1000)
        for seeds in (3, 5, 10)
        for spread in (0.0, 0.01, 0.05, 0.15, 0.32)
    ]
    cells += [
        Cell(3, sources, accuracy, (spread,) * 4)
        for sources in (73, 1000)
        for accuracy, spread in ((0.95, 0.0), (0.95, 0.02), (0.99, 0.0), (0.99, 0.005))
    ]
    cells += [Cell(seeds, 1000, 0.8, (0.0, 0.01, 0.05, 0.15)) for seeds in (3, 5)]
    cells += [Cell(seeds, 1000, 0.5, (0.45,) * 4, failing=True) for seeds in (3, 5)]
    return cells + [Cell(2, 1000, 0.6, (spread,) * 4) for spread in (0.0, 0.05, 0.32)]


def power_cells() -> list[Cell]:
    """Return the cells whose power is measured: seeds do not differ, 3 points between models."""
    return [
        Cell(seeds, 1000, accuracy, (0.0,) * arms, gap=0.03)
        for arms in (2, 4)
        for seeds in (3, 5)
        for accuracy in (0.6, 0.8, 0.9)
    ]


def main() -> None:
    """Simulate, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=1000, help="of each level")
    parser.add_argument("--power", type=int, default=200, help="replications of each power")
    parser.add_argument("--before", type=int, default=60, help="of the bootstrap; 0: leave it out")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    load, began = measure.load(), time.process_time()
    found: dict[str, list[dict[str, Any]]] = {"level": [], "power": []}
    for cell in level_cells():
        found["level"].append(level(cell, options))
        measure.say(json.dumps(found["level"][-1]))
    for cell in power_cells():
        found["power"].append(power(cell, options))
        measure.say(json.dumps(found["power"][-1]))
    settings = {**vars(options), "rows": ROWS, "nominal": LEVEL, "shared": SHARED}
    results = {**found, "cpu_seconds": round(time.process_time() - began)}
    measure.publish("verdict_level", settings, results, load)


if __name__ == "__main__":
    main()
