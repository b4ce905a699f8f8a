"""Summarize the finished runs of a comparison: means over seeds, by length, and differences."""

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
    SignificantDifference,
    pair_tests,
    significant_differences,
    ties,
    too_few_seeds,
)
from seqcli.events import RunFailed
from seqcli.metrics.metric import Metric, find, names
from seqcli.results import HtmlShown
from seqcli.statistics import Floats, cluster_ids

IN_DISTRIBUTION, OUT_OF_DISTRIBUTION = "in_distribution", "out_of_distribution"
SCOPES = (IN_DISTRIBUTION, OUT_OF_DISTRIBUTION)  # training lengths, and other lengths
MAX_POINTS = 40  # maximum number of points in a plot by length


@dataclass(frozen=True)
class Spread:
    """A metric over seeds: mean, sample standard deviation (None for one seed), best seed."""

    mean: float
    sd: float | None
    best: float


@dataclass(frozen=True)
class LengthScore:
    """The sequence accuracy at (or near) a length: mean, minimum and maximum over seeds."""

    length: int
    rows: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ArmSummary:
    """The results of one arm over its seeds.

    Args:
        scores: metric -> spread, on the scored split.
        validation: metric -> spread, on the validation rows, which rank the arms; may be empty.
        scopes: scope -> mean of the deciding metric.
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
        """The run of the first seed, for properties shared by all seeds."""
        return self.results[0]


@dataclass(frozen=True, repr=False)
class Comparison(HtmlShown):
    """The summary of a comparison.

    Args:
        name, folder: the name of the comparison, and the folder of its runs.
        arms: the arms, in the order of the plan.
        tests: every pair of arms in every scope, if there are enough seeds.
        scopes: `SCOPES` if test has lengths that training does not have; else empty.
        missing: planned runs that are not finished.
        failed: run -> why it ended, for planned runs that are not finished for that reason.
        axis: "source" or "target", the side whose length defines the scopes.
        left_out: run -> why it is not in the summary.
        differing: setting -> arm -> value, for every setting in which arms differ.
    """

    name: str
    folder: str
    arms: tuple[ArmSummary, ...]
    tests: tuple[PairTest, ...]
    scopes: tuple[str, ...]
    axis: str
    baselines: Baselines
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failed: Mapping[str, RunFailed] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    differing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Comparison({self.name}: {', '.join(one.arm for one in self.arms)})"

    @property
    def language(self) -> bool:
        """Whether language models are compared."""
        return self.arms[0].first.language

    @property
    def split(self) -> str:
        """The scored split: test, or val if there are no test rows."""
        return self.arms[0].first.split

    @property
    def significant_differences(self) -> tuple[SignificantDifference, ...]:
        """The significant differences, the better arm of each first."""
        return significant_differences(self.tests, self.metric)

    @property
    def ties(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Scope -> groups of arms of which no two differ significantly."""
        return {scope: ties(self.tests, scope) for scope in self.scopes or ("test",)}

    @property
    def too_few_seeds(self) -> dict[str, int]:
        """Arm -> number of seeds, for arms with too few seeds for a test."""
        return too_few_seeds({one.arm: len(one.results) for one in self.arms})

    @property
    def best(self) -> str:
        """The best run on validation; the first run if there are no validation rows."""
        runs = [result for arm in self.arms for result in arm.results]
        name = self.metric.name
        if not all(name in run.validation for run in runs):
            return runs[0].run
        best = self.metric.best(run.validation[name] for run in runs)
        return next(run.run for run in runs if run.validation[name] == best)

    @property
    def metric(self) -> Metric:
        """The metric that decides the comparison."""
        return deciding_metric(self.language)

    @property
    def trained(self) -> tuple[int, int]:
        """The shortest and longest training length, on the axis."""
        return self.arms[0].first.trained_lengths[self.axis]


def summarize(
    name: str,
    folder: str,
    results: Sequence[RunResult],
    missing: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Comparison:
    """Summarize the finished runs of a comparison; there must be at least one.

    The runs of an arm are ordered by seed, arms as in ``results``.
    """
    axis, scopes = _axis(results[0]), _scopes(results[0])
    arms = tuple(summarize_arms(results))
    scores = {scope: _scope_scores(arms, scope) for scope in scopes or ("test",)}
    return Comparison(
        name=name,
        folder=folder,
        arms=arms,
        tests=pair_tests(scores),
        scopes=scopes,
        axis=axis,
        baselines=results[0].baselines,
        missing=tuple(missing),
        notes=tuple(notes),
    )


def summarize_arms(results: Sequence[RunResult]) -> list[ArmSummary]:
    """Summarize each arm by its finished runs."""
    by_arm: dict[str, list[RunResult]] = {}
    for one in results:
        by_arm.setdefault(one.arm, []).append(one)
    axis, scopes = _axis(results[0]), _scopes(results[0])
    return [_summarize_arm(arm, runs, axis, scopes) for arm, runs in by_arm.items()]


def deciding_metric(language: bool) -> Metric:
    """Return the deciding metric for language models, or for sequence-to-sequence models."""
    return find("bits_per_character" if language else "sequence_accuracy")


def _summarize_arm(
    arm: str, results: Sequence[RunResult], axis: str, scopes: Sequence[str]
) -> ArmSummary:
    ordered = tuple(sorted(results, key=lambda one: one.seed))
    return ArmSummary(
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
    """Return metric -> spread over seeds, for registered metrics that all seeds have."""
    registered = set(names())
    shared = (name for name in scores[0] if all(name in one for one in scores))
    return {
        name: spread_of([one[name] for one in scores], find(name))
        for name in shared
        if name in registered
    }


def spread_of(values: Sequence[float], metric: Metric) -> Spread:
    """Return the mean, standard deviation and best of values over seeds."""
    deviation = stdev(values) if len(values) > 1 else None
    return Spread(fmean(values), deviation, metric.best(values))


def rows_in(result: RunResult, scope: str) -> tuple[RowScores, NDArray[np.bool_]]:
    """Return the rows of the split with a scope, and a mask (N,) of the rows in the scope.

    In-distribution rows are taken from test if it has any, else from val.
    """
    use_val = scope == IN_DISTRIBUTION and "val" in result.rows
    rows = result.rows["val" if use_val else result.split]
    inside = in_distribution(rows.sources, rows.targets, result.trained_lengths)
    if scope == "test":
        inside = np.ones_like(inside)
    return rows, ~inside if scope == OUT_OF_DISTRIBUTION else inside


def in_distribution(
    sources: Sequence[int], targets: Sequence[int], trained: Mapping[str, tuple[int, int]]
) -> NDArray[np.bool_]:
    """Return a mask (N,) of the rows whose lengths are in the training range, on both sides."""
    inside = np.ones(len(targets), np.bool_)
    for lengths, side in ((sources, "source"), (targets, "target")):
        low, high = trained[side]
        array = np.asarray(lengths)
        inside &= (array >= low) & (array <= high)
    return inside


def _score(result: RunResult, scope: str) -> float:
    rows, inside = rows_in(result, scope)
    return float(np.asarray(rows.score)[inside].sum() / np.asarray(rows.weight)[inside].sum())


def _scopes(result: RunResult) -> tuple[str, ...]:
    """Return `SCOPES` if both have rows, else no scopes."""
    if result.language or not all(rows_in(result, scope)[1].any() for scope in SCOPES):
        return ()
    return SCOPES


def _axis(result: RunResult) -> str:
    """Return "target" if only target lengths exceed those of training, else "source"."""
    rows, spans = result.rows[result.split], result.trained_lengths
    beyond = {
        side: bool(lengths) and max(lengths) > spans[side][1]
        for side, lengths in (("source", rows.sources), ("target", rows.targets))
    }
    return "target" if beyond["target"] and not beyond["source"] else "source"


def _by_length(results: Sequence[RunResult], axis: str) -> tuple[LengthScore, ...]:
    """Return the scores by length, in bins if there are many lengths."""
    each = _binned([_scores_by_length(one, axis) for one in results], results[0], axis)
    points = []
    for length in sorted(each[0]):
        scores = [float(np.mean(one[length])) for one in each if length in one]
        rows = len(each[0][length])
        points.append(LengthScore(length, rows, fmean(scores), min(scores), max(scores)))
    return tuple(points)


def _binned(
    each: list[dict[int, list[float]]], result: RunResult, axis: str
) -> list[dict[int, list[float]]]:
    """Group lengths into about MAX_POINTS bins; none crosses the longest training length."""
    width = -(-(max(each[0]) - min(each[0]) + 1) // MAX_POINTS)
    beyond = result.trained_lengths[axis][1] + 1
    bins = list[dict[int, list[float]]]()
    for one in each:
        bins.append({})
        for length, scores in sorted(one.items()):
            middle = beyond + (length - beyond) // width * width + (width - 1) // 2
            bins[-1].setdefault(middle, []).extend(scores)
    return bins


def _scores_by_length(result: RunResult, axis: str) -> dict[int, list[float]]:
    scores: dict[int, list[float]] = {}
    for rows in result.rows.values():
        lengths = rows.sources if axis == "source" else rows.targets
        for length, score in zip(lengths, rows.score, strict=True):
            scores.setdefault(length, []).append(score)
    return scores


def _scope_scores(arms: Sequence[ArmSummary], scope: str) -> ScopeScores:
    rows, inside = rows_in(arms[0].first, scope)
    groups = np.asarray(rows.groups or range(len(rows.score)))
    return ScopeScores(
        {one.arm: _matrix(one, scope) for one in arms},
        np.asarray(rows.weight, np.float64)[inside],
        cluster_ids(groups[inside]),
    )


def _matrix(arm: ArmSummary, scope: str) -> Floats:
    """Return the score of each seed on each row, (S, N)."""
    seeds = [rows_in(one, scope) for one in arm.results]
    return np.asarray([np.asarray(rows.score, np.float64)[inside] for rows, inside in seeds])
