"""Score predictions: metrics, 95% confidence intervals, baselines, and error analysis.

Errors of rows with the same source are correlated, so intervals treat sources as the independent
units. The methods are those of `seqcli.statistics`; each metric names its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from seqcli.arrays.ragged import Index
from seqcli.data import baselines
from seqcli.messages import plural
from seqcli.metrics.classification import NO_LABEL
from seqcli.metrics.definitions import all_parts
from seqcli.metrics.metric import Parts
from seqcli.metrics.predictions import (
    GAP,
    Flags,
    Outcome,
    PredictionTable,
    ceiling,
    count_edits,
    references_of,
)
from seqcli.results import (
    Classes,
    ClassScore,
    Confusion,
    Edits,
    Group,
    LengthBin,
    References,
    ScoredRow,
    Scores,
    Subset,
)
from seqcli.statistics import Interval


def intervals(parts: Mapping[str, Parts], sources: Index) -> dict[str, Interval | None]:
    """Return the interval of each metric; None if all rows have the same source.

    Args:
        parts: contributions of the N rows to each metric.
        sources: (N,) the source of each row, numbered from 0 without gaps.
    """
    return {name: part.interval(sources) for name, part in parts.items()}


def interval_methods(parts: Mapping[str, Parts], sources: Index) -> dict[str, str]:
    """Return the name of the method of each interval; arguments as for `intervals`."""
    return {name: part.method(sources) for name, part in parts.items()}


ORACLE_LENGTH = "oracle length: the reference length was given to the model"
BINS = 8  # maximum number of rows in the table of accuracy by length
CONFUSIONS = 100  # maximum number of edit kinds kept


def score(table: PredictionTable, by_features: bool = False) -> Scores:
    """Compute all scores of some predictions, and those of each value of the features column."""
    outcome = table.outcome
    parts = all_parts(outcome)
    return Scores(
        rows=len(table),
        metrics={name: part.total() for name, part in parts.items()},
        intervals=intervals(parts, outcome.source_of_row),
        interval_methods=interval_methods(parts, outcome.source_of_row),
        baselines=_baselines(table),
        references=_references(outcome),
        by_length=_by_length(table),
        by_unseen=_by_unseen(table),
        by_features=tuple(_by_features(table)) if by_features else (),
        edits=_edits(table),
        classes=_classes(table),
        predictions=tuple(_rows(table)),
        source_joiner=table.source_tokens.joiner,
        target_joiner=table.target_tokens.joiner,
        notes=_notes(table),
    )


def _baselines(table: PredictionTable) -> Mapping[str, Mapping[str, float]]:
    """Return the metrics of every baseline; chance has only those with a closed form."""
    scores = {}
    if table.vocabulary:
        scores["chance"] = baselines.chance(table.outcome.truths, table.vocabulary)
    for name in table.baselines:
        parts = all_parts(table.baseline(name))
        scores[name] = {metric: part.total() for metric, part in parts.items()}
    return scores


def _references(outcome: Outcome) -> References | None:
    if outcome.nearest is None or outcome.sources is None:
        return None
    each = references_of(outcome.sources, outcome.truths)
    best = ceiling(outcome.sources, outcome.truths)
    return References(len(each), int((each > 1).sum()), best)


def _by_length(table: PredictionTable) -> tuple[LengthBin, ...]:
    """Divide the range of source lengths into at most BINS bins of equal width."""
    lengths = table.source_lengths
    if not len(lengths):
        return ()
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // BINS)
    bins = []
    for start in range(low, high + 1, width):
        inside = (lengths >= start) & (lengths < start + width)
        if inside.any():
            part = _subset("", table.outcome, inside)
            last = min(start + width - 1, high)
            accuracies = (part.token_accuracy, part.sequence_accuracy)
            bins.append(LengthBin(start, last, part.rows, *accuracies))
    return tuple(bins)


def _by_unseen(table: PredictionTable) -> tuple[Subset, ...]:
    """Return the scores of rows with and without unknown tokens, if any row has one."""
    parts = {}
    for side, unseen in (("source", table.unseen_sources), ("truth", table.unseen_truths)):
        if unseen is not None and unseen.any():
            parts[f"unknown tokens in the {side}"] = unseen > 0
            parts[f"none in the {side}"] = unseen == 0
    return tuple(_subset(name, table.outcome, rows) for name, rows in parts.items() if rows.any())


def _by_features(table: PredictionTable) -> Iterator[Group]:
    """Yield the scores of each value of the features column, most rows first."""
    assert table.features is not None
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(table.features):
        rows.setdefault(value, []).append(row)
    for value, some in sorted(rows.items(), key=lambda one: (-len(one[1]), one[0])):
        outcome = table.outcome.take(np.array(some, np.int64))
        parts = all_parts(outcome)
        metrics = {name: part.total() for name, part in parts.items()}
        yield Group(value, len(some), metrics, intervals(parts, outcome.source_of_row))


def _subset(name: str, outcome: Outcome, rows: Flags) -> Subset:
    number, tokens = int(rows.sum()), max(int(outcome.truths.lengths[rows].sum()), 1)
    positions = max(int(outcome.positions[rows].sum()), 1)
    return Subset(
        name,
        number,
        float(outcome.right_tokens[rows].sum() / positions),
        float(outcome.right_rows[rows].sum() / number),
        float(outcome.edits[rows].sum() / tokens),
    )


def _edits(table: PredictionTable) -> Edits:
    edits = count_edits(table.outcome.truths, table.outcome.predictions)
    missing, extra = edits.predictions == GAP, edits.truths == GAP
    names = _names(table)
    kinds = (column.tolist() for column in (edits.truths, edits.predictions, edits.counts))
    return Edits(
        substitutions=int(edits.counts[~missing & ~extra].sum()),
        deletions=int(edits.counts[missing].sum()),
        insertions=int(edits.counts[extra].sum()),
        commonest=tuple(
            Confusion(names.get(truth), names.get(prediction), number)
            for truth, prediction, number in islice(zip(*kinds, strict=True), CONFUSIONS)
        ),
    )


def _names(table: PredictionTable) -> dict[int, str]:
    """Return id -> target token."""
    return {number: token for token, number in table.known.items()}


def _classes(table: PredictionTable) -> Classes | None:
    labels = table.outcome.labels
    if labels is None:
        return None
    names = _names(table)
    texts = [names.get(i) if i != NO_LABEL else None for i in labels.ids.tolist()]
    order = sorted(range(labels.classes), key=lambda i: texts[i] or "")
    order += range(labels.classes, len(texts))
    matrix = labels.matrix()[order[: labels.classes]][:, order]
    named = tuple(texts[i] for i in order)
    return Classes(named, tuple(map(tuple, matrix.tolist())), tuple(_class_scores(named, matrix)))


def _class_scores(labels: Sequence[str | None], matrix: Index) -> Iterator[ClassScore]:
    rows, predicted = matrix.sum(1).tolist(), matrix.sum(0).tolist()
    for i, (number, times) in enumerate(zip(rows, predicted, strict=False)):
        right = int(matrix[i, i])
        precision = right / times if times else None
        recall, f1 = right / number, 2 * right / (number + times)
        yield ClassScore(labels[i] or "", number, times, precision, recall, f1)


def _rows(table: PredictionTable) -> Iterator[ScoredRow]:
    split = table.source_tokens.split
    right, edits = table.outcome.right_rows.tolist(), table.outcome.edits.tolist()
    features = table.features or [""] * len(table)
    rows = zip(table.sources, table.truths, table.predictions, features, strict=True)
    for i, (source, truth, prediction, more) in enumerate(rows):
        sides = tuple(split(source)), tuple(truth), tuple(prediction)
        yield ScoredRow(*sides, right[i], edits[i], more)


def _notes(table: PredictionTable) -> tuple[str, ...]:
    """Count unknown tokens and truncated predictions, in words."""
    sides = {"source": table.unseen_sources, "target": table.unseen_truths}
    counts = {side: int(np.sum(rows)) for side, rows in sides.items() if rows is not None}
    unseen = (
        f"{side}: {plural(number, 'unknown token')}" for side, number in counts.items() if number
    )
    cut = 0 if table.truncated is None else int(np.count_nonzero(table.truncated))
    truncated = (f"{plural(cut, 'prediction')} truncated at the length limit",) * bool(cut)
    return (*table.notes, *(ORACLE_LENGTH,) * table.oracle_length, *unseen, *truncated)
