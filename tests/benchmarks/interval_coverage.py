"""How often the 95% intervals of `eval` hold the true score.

Test sets are simulated from a population with a known score. Sources have a chance of a right
answer (beta distributed); rows that share a source have the same chance and mostly the same
answer. The scores are sequence accuracy, token accuracy (of rows with 1 to 12 tokens), token error
rate, loss (log-normal, per token) and macro F1 (of unequal classes). "before" is the method of
earlier versions, percentiles of a bootstrap over sources, where it is not too slow to repeat.
Each entry has the share of intervals that hold the score, its Monte Carlo error and the mean width.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import measure
import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Ragged, offsets_of
from seqcli.metrics.classification import MeanF1, labels_of
from seqcli.metrics.definitions import Ratio
from seqcli.statistics import cluster_sums

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Case = tuple[Ratio, Ids, float]  # the rows, which source each has, the true score
CONCENTRATION, SHARED = 2.0, 0.8
DRAWS = 1000
SIZES = 50, 100, 1000
ACCURACIES = 0.5, 0.8, 0.95, 0.99, 1.0
PER_SOURCE = 4


def answers(
    rng: np.random.Generator, rows: int, accuracy: float, per_source: int
) -> tuple[Floats, Ids]:
    """Return (N,) zeros and ones, and which source each row has."""
    sources = np.arange(rows) // per_source
    number = int(sources[-1]) + 1
    if accuracy == 1:
        return np.ones(rows), sources
    chance = rng.beta(CONCENTRATION * accuracy, CONCENTRATION * (1 - accuracy), number)
    common = rng.random(number)[sources]
    own = (
        np.where(rng.random(rows) < SHARED, common, rng.random(rows)) if per_source > 1 else common
    )
    return (own < chance[sources]).astype(np.float64), sources


def sequence_accuracy(rng: np.random.Generator, rows: int, accuracy: float, each: int) -> Case:
    """Return rows that are right or wrong."""
    right, sources = answers(rng, rows, accuracy, each)
    return Ratio(right, np.ones(rows), "share"), sources, accuracy


def token_accuracy(rng: np.random.Generator, rows: int, accuracy: float, each: int) -> Case:
    """Return tokens right of rows with 1 to 12; a wrong row has some of them right."""
    right, sources = answers(rng, rows, accuracy, each)
    lengths = rng.integers(1, 13, int(sources[-1]) + 1)[sources].astype(np.float64)
    some = np.floor(rng.random(rows) * lengths)
    # a wrong row of n tokens has (n - 1) / 2 of them right on average; n is 6.5 on average
    truth = accuracy + (1 - accuracy) * (5.5 / 2) / 6.5
    return Ratio(np.where(right > 0, lengths, some), lengths, "share"), sources, truth


def token_error_rate(rng: np.random.Generator, rows: int, accuracy: float, each: int) -> Case:
    """Return edits of rows with 1 to 12 tokens; a wrong row has 1 and some more."""
    right, sources = answers(rng, rows, accuracy, each)
    lengths = rng.integers(1, 13, int(sources[-1]) + 1)[sources].astype(np.float64)
    edits = np.where(right > 0, 0, 1 + rng.poisson(0.3 * lengths)).astype(np.float64)
    return Ratio(edits, lengths, "rate"), sources, (1 - accuracy) * (1 + 0.3 * 6.5) / 6.5


def loss(rng: np.random.Generator, rows: int, accuracy: float, each: int) -> Case:
    """Return nats of rows with 1 to 12 tokens; ``accuracy`` is not looked at."""
    sources = np.arange(rows) // each
    lengths = rng.integers(2, 14, int(sources[-1]) + 1)[sources].astype(np.float64)
    per_token = np.exp(rng.normal(0, 0.8, int(sources[-1]) + 1))[sources]
    return Ratio(per_token * lengths, lengths), sources, math.exp(0.32)


RATIOS: dict[str, Callable[[np.random.Generator, int, float, int], Case]] = {
    "sequence_accuracy": sequence_accuracy,
    "token_accuracy": token_accuracy,
    "token_error_rate": token_error_rate,
    "loss": loss,
}


def ratio_cells(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the coverage of every ratio, for every size and accuracy, with and without clusters."""
    for name, simulate in RATIOS.items():
        for each in (1, PER_SOURCE):
            for rows in SIZES:
                for accuracy in ACCURACIES if name != "loss" else (0.5,):
                    rng = np.random.default_rng([options.seed, rows, each, int(accuracy * 100)])
                    cases = [simulate(rng, rows, accuracy, each) for _ in range(options.number)]
                    after = [(part.interval(ids), truth) for part, ids, truth in cases]
                    some = cases[: options.before]
                    before = [(bootstrap(part, ids, rng), truth) for part, ids, truth in some]
                    yield {
                        "score": name,
                        "rows": rows,
                        "rows_per_source": each,
                        "accuracy": accuracy,
                        "after": coverage(after),
                        **({"before": coverage(before)} if before else {}),
                    }


def bootstrap(part: Ratio, sources: Ids, rng: np.random.Generator) -> tuple[float, float] | None:
    """Return the interval of earlier versions; None where all draws were alike."""
    parts = cluster_sums(np.asarray(part.parts, np.float64), sources)
    of = cluster_sums(np.asarray(part.of, np.float64), sources)
    drawn = rng.integers(len(of), size=(DRAWS, len(of)))
    found = parts[drawn].sum(1) / of[drawn].sum(1)
    if found.min() == found.max():
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def coverage(found: list[tuple[tuple[float, float] | None, float]]) -> dict[str, float]:
    """Return how often intervals hold the truth (one that is not given holds nothing)."""
    held = [span is not None and span[0] - 1e-12 <= true <= span[1] + 1e-12 for span, true in found]
    widths = [span[1] - span[0] for span, _ in found if span is not None]
    share = float(np.mean(held))
    return {
        "coverage": round(share, 4),
        "error": round(math.sqrt(share * (1 - share) / len(held)), 4),
        "width": round(float(np.mean(widths)), 4) if widths else 0.0,
        "none": sum(span is None for span, _ in found),
    }


def f1_cells(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the coverage of macro F1, for few and many classes of unequal size."""
    for rows in (100, 300, 1000):
        for classes, skew, right in (
            (3, 0.0, 0.8),
            (10, 1.0, 0.8),
            (18, 1.0, 0.8),
            (18, 1.0, 0.95),
            (18, 1.0, 0.99),
            (30, 1.0, 0.7),
        ):
            rng = np.random.default_rng([options.seed, rows, classes, int(right * 100)])
            cells = population(classes, skew, right)
            both = cells.sum(0) + cells.sum(1)
            truth = float(np.mean(2 * np.diagonal(cells) / both))
            after, before = [], []
            for number in range(options.labels):
                drawn = rng.multinomial(rows, cells.ravel())
                truths, guesses = np.divmod(np.repeat(np.arange(classes**2), drawn), classes)
                labels = labels_of(_one_token(truths), _one_token(guesses))
                assert labels is not None
                after.append((MeanF1(labels).interval(np.arange(rows)), truth))
                if number < options.before:
                    before.append((f1_bootstrap(drawn, classes, rng), truth))
            yield {
                "score": "macro_f1",
                "rows": rows,
                "classes": classes,
                "skew": skew,
                "accuracy": right,
                "after": coverage(after),
                **({"before": coverage(before)} if before else {}),
            }


def population(classes: int, skew: float, right: float) -> Floats:
    """Return (C, C) the chance of each truth and prediction: errors go to frequent classes."""
    shares = 1 / np.arange(1, classes + 1) ** skew
    shares /= shares.sum()
    wrong = np.tile(shares, (classes, 1)) * (1 - np.eye(classes))
    wrong /= wrong.sum(1, keepdims=True)
    cells: Floats = shares[:, None] * (right * np.eye(classes) + (1 - right) * wrong)
    return cells / cells.sum()


def f1_bootstrap(drawn: Ids, classes: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentile interval of earlier versions."""
    again = rng.multinomial(int(drawn.sum()), drawn / drawn.sum(), 500)
    cells = again.reshape(-1, classes, classes)
    truths, given = cells.sum(2), cells.sum(1)
    scores = 2 * np.diagonal(cells, axis1=1, axis2=2) / np.maximum(truths + given, 1)
    means = np.where(truths > 0, scores, 0).sum(1) / np.maximum((truths > 0).sum(1), 1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _one_token(labels: Ids) -> Ragged:
    ones = np.ones(len(labels), np.int64)
    return Ragged((labels + 4).astype(np.int32), offsets_of(ones))


def main() -> None:
    """Simulate, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000, help="test sets of each ratio")
    parser.add_argument("--labels", type=int, default=500, help="test sets of each macro F1")
    parser.add_argument("--before", type=int, default=100, help="of the bootstrap; 0: leave it out")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    load, began = measure.load(), time.process_time()
    found = []
    for cells in (ratio_cells(options), f1_cells(options)):
        for cell in cells:
            found.append(cell)
            measure.say(json.dumps(cell))
    results = {"cells": found, "cpu_seconds": round(time.process_time() - began)}
    measure.publish("interval_coverage", vars(options), results, load)


if __name__ == "__main__":
    main()
