"""From finished runs to a table: means and spreads over seeds, by length, and what is clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.comparison.run_result import Baselines, RowScores, RunResult
from seqcli.comparison.significance import (
    PairTest,
    ScopeScores,
    Verdict,
    pair_tests,
    ties,
    too_few_seeds,
    verdicts,
)
from seqcli.comparison.specification import seen
from seqcli.metrics.metric import higher_is_better
from seqcli.statistics import Floats, cluster_ids

SCOPES = ("seen", "unseen")  # lengths that training had, and others
DECIDING = "sequence_accuracy"  # of pairs
MOST_LENGTHS = 40  # points of a plot by length


@dataclass(frozen=True)
class Spread:
    """A number over seeds. ``sd`` is the sample's, None with one seed; ``best`` of all seeds."""

    mean: float
    sd: float | None
    best: float


@dataclass(frozen=True)
class LengthScore:
    """The scores at one length, or in the middle of some: over seeds mean, lowest and highest."""

    length: int
    rows: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """What one arm came to.

    Args:
        scores: metric -> spread, on the rows that were scored.
        validation: the same on the validation rows, by which arms are ranked; may be empty.
        scopes: scope -> the deciding metric, by lengths.
    """

    arm: str
    results: tuple[RunResult, ...]
    scores: Mapping[str, Spread]
    validation: Mapping[str, Spread]
    scopes: Mapping[str, float]
    by_length: tuple[LengthScore, ...]
    steps: float
    seconds: float
    sequences_per_second: float

    @property
    def first(self) -> RunResult:
        """The run of the first seed: for what all seeds share."""
        return self.results[0]


@dataclass(frozen=True)
class Comparison:
    """All of it.

    Args:
        name, folder: what it is called, where its runs are.
        standings: one for each arm, in the order of the plan.
        tests: every pair of arms in every scope, where there are enough seeds.
        scopes: "seen" and "unseen", where test has lengths that training had not; else none.
        missing: runs that are planned but not finished.
        axis: "source" or "target", whichever length tells seen from unseen.
        left_out: run -> why it is not in the table.
        differing: setting -> arm -> value, for every setting in which arms differ.
    """

    name: str
    folder: str
    standings: tuple[Standing, ...]
    tests: tuple[PairTest, ...]
    scopes: tuple[str, ...]
    axis: str
    baselines: Baselines
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    differing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def language(self) -> bool:
        """Whether language models are compared: by bits per character, less is better."""
        return self.standings[0].first.language

    @property
    def split(self) -> str:
        """The rows that the scores are on: test, or val where there are no test rows."""
        return self.standings[0].first.split

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The significant differences."""
        return verdicts(self.tests, lower_is_better=self.language)

    @property
    def ties(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Scope -> groups of arms of which no two differ significantly."""
        return {scope: ties(self.tests, scope) for scope in self.scopes or ("test",)}

    @property
    def too_few_seeds(self) -> dict[str, int]:
        """Arm -> seeds, of the arms that have too few for a verdict."""
        return too_few_seeds({one.arm: len(one.results) for one in self.standings})

    @property
    def best(self) -> str:
        """The run to use: the best one on validation; the first one where there is none."""
        runs = [result for standing in self.standings for result in standing.results]
        if not all(self.metric in one.validation for one in runs):
            return runs[0].run
        sign = -1 if higher_is_better(self.metric) else 1
        return min(runs, key=lambda one: sign * one.validation[self.metric]).run

    @property
    def metric(self) -> str:
        """What the comparison is decided by."""
        return "bits_per_character" if self.language else DECIDING

    @property
    def trained(self) -> tuple[int, int]:
        """The least and the greatest length of training, on the axis."""
        return self.standings[0].first.trained_lengths[self.axis]


def compared(
    name: str,
    folder: str,
    results: Sequence[RunResult],
    missing: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Comparison:
    """Return the comparison that finished runs make; there must be at least one.

    Runs of an arm are put in the order of their seeds, arms in the order of ``results``.
    """
    axis, scopes = _axis(results[0]), _scopes(results[0])
    standings = tuple(stand(results))
    return Comparison(
        name=name,
        folder=folder,
        standings=standings,
        tests=pair_tests({scope: _scope_scores(standings, scope) for scope in scopes or ("test",)}),
        scopes=scopes,
        axis=axis,
        baselines=results[0].baselines,
        missing=tuple(missing),
        notes=tuple(notes),
    )


def stand(results: Sequence[RunResult]) -> list[Standing]:
    """Return how each arm stands, by the runs that are finished so far."""
    by_arm: dict[str, list[RunResult]] = {}
    for one in results:
        by_arm.setdefault(one.arm, []).append(one)
    axis, scopes = _axis(results[0]), _scopes(results[0])
    return [_standing(arm, found, axis, scopes) for arm, found in by_arm.items()]


def leading(standings: Sequence[Standing]) -> frozenset[int]:
    """Return which arms are the best on validation; none where there is nothing to choose by."""
    metric = "bits_per_character" if standings and standings[0].first.language else DECIDING
    if len(standings) < 2 or not all(metric in one.validation for one in standings):
        return frozenset()
    sign = 1 if higher_is_better(metric) else -1
    means = [sign * one.validation[metric].mean for one in standings]
    return frozenset(number for number, mean in enumerate(means) if mean == max(means))


def _standing(arm: str, results: Sequence[RunResult], axis: str, scopes: Sequence[str]) -> Standing:
    ordered = tuple(sorted(results, key=lambda one: one.seed))
    return Standing(
        arm=arm,
        results=ordered,
        scores=_spreads([one.scores for one in ordered]),
        validation=_spreads([one.validation for one in ordered]),
        scopes={scope: fmean(_score(one, scope) for one in ordered) for scope in scopes},
        by_length=() if ordered[0].language else _by_length(ordered, axis),
        steps=fmean(one.steps for one in ordered),
        seconds=fmean(one.seconds for one in ordered),
        sequences_per_second=fmean(one.sequences_per_second for one in ordered),
    )


def _spreads(scores: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return metric -> spread over seeds, of the metrics that all seeds have."""
    return {
        name: spread_of([one[name] for one in scores], higher_is_better(name))
        for name in scores[0]
        if all(name in one for one in scores)
    }


def spread_of(values: Sequence[float], higher: bool) -> Spread:
    """Return mean, standard deviation and best of some seeds; ``higher``: more is better."""
    best = max(values) if higher else min(values)
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, best)


def rows_in(result: RunResult, scope: str) -> tuple[RowScores, NDArray[np.bool_]]:
    """Return the rows that a scope is about, and which of them are in it (N,).

    Lengths seen are those of test where it has any, else those of val.
    """
    rows = result.rows["val" if scope == "seen" and "val" in result.rows else result.split]
    inside = seen(rows.sources, rows.targets, result.trained_lengths)
    if scope == "test":
        inside = np.ones_like(inside)
    return rows, ~inside if scope == "unseen" else inside


def _score(result: RunResult, scope: str) -> float:
    rows, inside = rows_in(result, scope)
    return float(np.asarray(rows.score)[inside].sum() / np.asarray(rows.weight)[inside].sum())


def _scopes(result: RunResult) -> tuple[str, ...]:
    """Return seen and unseen, where there are rows of both."""
    if result.language:
        return ()
    there = tuple(scope for scope in SCOPES if rows_in(result, scope)[1].any())
    return there if len(there) == len(SCOPES) else ()


def _axis(result: RunResult) -> str:
    """Return the side whose lengths go beyond training's: the source unless only the target's."""
    rows, spans = result.rows[result.split], result.trained_lengths
    beyond = {
        side: bool(lengths) and max(lengths) > spans[side][1]
        for side, lengths in (("source", rows.sources), ("target", rows.targets))
    }
    return "target" if beyond["target"] and not beyond["source"] else "source"


def _by_length(results: Sequence[RunResult], axis: str) -> tuple[LengthScore, ...]:
    """Return the scores by length; of many lengths some are put together."""
    each = _put_together([_of_lengths(one, axis) for one in results], results[0], axis)
    found = []
    for length in sorted(each[0]):
        scores = [float(np.mean(one[length])) for one in each if length in one]
        rows = len(each[0][length])
        found.append(LengthScore(length, rows, fmean(scores), min(scores), max(scores)))
    return tuple(found)


def _put_together(
    each: list[dict[int, list[float]]], result: RunResult, axis: str
) -> list[dict[int, list[float]]]:
    """Return at most about MOST_LENGTHS lengths; none is put with one on training's other side."""
    width = -(-(max(each[0]) - min(each[0]) + 1) // MOST_LENGTHS)
    beyond = result.trained_lengths[axis][1] + 1
    found = list[dict[int, list[float]]]()
    for one in each:
        found.append({})
        for length, scores in sorted(one.items()):
            middle = beyond + (length - beyond) // width * width + (width - 1) // 2
            found[-1].setdefault(middle, []).extend(scores)
    return found


def _of_lengths(result: RunResult, axis: str) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for rows in result.rows.values():
        lengths = rows.sources if axis == "source" else rows.targets
        for length, score in zip(lengths, rows.score, strict=True):
            found.setdefault(length, []).append(score)
    return found


def _scope_scores(standings: Sequence[Standing], scope: str) -> ScopeScores:
    rows, inside = rows_in(standings[0].first, scope)
    groups = np.asarray(rows.groups or range(len(rows.score)))
    return ScopeScores(
        {one.arm: _matrix(one, scope) for one in standings},
        np.asarray(rows.weight, np.float64)[inside],
        cluster_ids(groups[inside]),
    )


def _matrix(standing: Standing, scope: str) -> Floats:
    """Return (S, N): each seed's score on each row."""
    found = [rows_in(one, scope) for one in standing.results]
    return np.asarray([np.asarray(rows.score, np.float64)[inside] for rows, inside in found])
