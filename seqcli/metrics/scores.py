"""How far a score can be trusted: a 95% confidence interval for rows to come.

Rows of one source are right or wrong together, so sources are the units that count. The methods
are those of `seqcli.statistics`, and every metric names its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from seqcli.arrays.ragged import Index
from seqcli.data import baselines
from seqcli.messages import plural
from seqcli.metrics.classification import NO_LABEL
from seqcli.metrics.edit_distance import GAP, count_edits
from seqcli.metrics.metric import Parts, all_parts
from seqcli.metrics.predictions import Answers, Flags, Outcome, ceiling, references_of
from seqcli.results import (
    Classes,
    ClassScore,
    Confusion,
    Edits,
    LengthBin,
    References,
    ScoredRow,
    Scores,
    Subset,
)
from seqcli.statistics import Interval


def intervals(parts: Mapping[str, Parts], sources: Index) -> dict[str, Interval | None]:
    """Return the interval of each score; None where rows of a single source say nothing.

    Args:
        parts: what the N rows add to each score.
        sources: (N,) which source each row has, from 0 without gaps.
    """
    return {name: part.interval(sources) for name, part in parts.items()}


def interval_methods(parts: Mapping[str, Parts], sources: Index) -> dict[str, str]:
    """Return the name of the method of each interval; arguments as for `intervals`."""
    return {name: part.method(sources) for name, part in parts.items()}


LENGTHS_GIVEN = "oracle length: the reference length was given to the model"
BINS = 8  # at most this many rows in the table of accuracy by length
CONFUSIONS = 100  # kinds of edits that are kept


def score(answers: Answers) -> Scores:
    """Return all that can be said of some answers."""
    outcome = answers.outcome
    parts = all_parts(outcome)
    return Scores(
        rows=len(answers),
        metrics={name: part.total() for name, part in parts.items()},
        intervals=intervals(parts, outcome.source_of_row),
        interval_methods=interval_methods(parts, outcome.source_of_row),
        baselines=_baselines(answers),
        references=_references(outcome),
        by_length=_by_length(answers),
        by_unseen=_by_unseen(answers),
        edits=_edits(answers),
        classes=_classes(answers),
        predictions=tuple(_rows(answers)),
        source_joiner=answers.source_tokens.joiner,
        target_joiner=answers.target_tokens.joiner,
        notes=_notes(answers),
    )


def _baselines(answers: Answers) -> Mapping[str, Mapping[str, float]]:
    """Return what needs no model: chance, and every rule's guesses, by all scores but the loss."""
    found = {}
    if answers.symbols:
        found["chance"] = baselines.chance(answers.outcome.truths, answers.symbols)
    for name in answers.guesses:
        parts = all_parts(answers.guessed(name))
        found[name] = {metric: part.total() for metric, part in parts.items()}
    return found


def _references(outcome: Outcome) -> References | None:
    if outcome.nearest is None or outcome.sources is None:
        return None
    each = references_of(outcome.sources, outcome.truths)
    best = ceiling(outcome.sources, outcome.truths)
    return References(len(each), int((each > 1).sum()), best)


def _by_length(answers: Answers) -> tuple[LengthBin, ...]:
    """Cut the range of source lengths into at most BINS bins of equal width."""
    lengths = answers.source_lengths
    if not len(lengths):
        return ()
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // BINS)
    bins = []
    for start in range(low, high + 1, width):
        inside = (lengths >= start) & (lengths < start + width)
        if inside.any():
            part = _subset("", answers.outcome, inside)
            last = min(start + width - 1, high)
            accuracies = (part.token_accuracy, part.sequence_accuracy)
            bins.append(LengthBin(start, last, part.rows, *accuracies))
    return tuple(bins)


def _by_unseen(answers: Answers) -> tuple[Subset, ...]:
    """Return the scores with and without symbols that training never saw, where there are any."""
    parts = {}
    for side, unseen in (("source", answers.unseen_sources), ("truth", answers.unseen_truths)):
        if unseen is not None and unseen.any():
            parts[f"unknown tokens in the {side}"] = unseen > 0
            parts[f"none in the {side}"] = unseen == 0
    return tuple(_subset(name, answers.outcome, rows) for name, rows in parts.items() if rows.any())


def _subset(name: str, outcome: Outcome, rows: Flags) -> Subset:
    number, symbols = int(rows.sum()), max(int(outcome.truths.lengths[rows].sum()), 1)
    positions = max(int(outcome.positions[rows].sum()), 1)
    return Subset(
        name,
        number,
        float(outcome.right_tokens[rows].sum() / positions),
        float(outcome.right_rows[rows].sum() / number),
        float(outcome.edits[rows].sum() / symbols),
    )


def _edits(answers: Answers) -> Edits:
    found = count_edits(answers.outcome.truths, answers.outcome.predictions)
    missing, extra = found.given == GAP, found.wanted == GAP
    names = _names(answers)
    kinds = zip(found.wanted.tolist(), found.given.tolist(), found.times.tolist(), strict=True)
    return Edits(
        substitutions=int(found.times[~missing & ~extra].sum()),
        deletions=int(found.times[missing].sum()),
        insertions=int(found.times[extra].sum()),
        commonest=tuple(
            Confusion(names.get(wanted), names.get(given), times)
            for wanted, given, times in islice(kinds, CONFUSIONS)
        ),
        left_out=found.left_out,
    )


def _names(answers: Answers) -> dict[int, str]:
    """Return the text of each target symbol's id."""
    return {number: symbol for symbol, number in answers.known.items()}


def _classes(answers: Answers) -> Classes | None:
    labels = answers.outcome.labels
    if labels is None:
        return None
    names = _names(answers)
    texts = [names.get(i) if i != NO_LABEL else None for i in labels.ids.tolist()]
    order = sorted(range(labels.classes), key=lambda i: texts[i] or "")
    order += range(labels.classes, len(texts))
    matrix = labels.matrix()[order[: labels.classes]][:, order]
    named = tuple(texts[i] for i in order)
    return Classes(named, tuple(map(tuple, matrix.tolist())), tuple(_class_scores(named, matrix)))


def _class_scores(labels: Sequence[str | None], matrix: Index) -> Iterator[ClassScore]:
    rows, predicted = matrix.sum(1).tolist(), matrix.sum(0).tolist()
    for i, (of, given) in enumerate(zip(rows, predicted, strict=False)):
        right = int(matrix[i, i])
        precision = right / given if given else None
        yield ClassScore(
            labels[i] or "", of, given, precision, right / of, 2 * right / (of + given)
        )


def _rows(answers: Answers) -> Iterator[ScoredRow]:
    cut_source, cut = answers.source_tokens.split, answers.target_tokens.split
    right, edits = answers.outcome.right_rows.tolist(), answers.outcome.edits.tolist()
    features = answers.features or [""] * len(answers)
    texts = zip(answers.sources, answers.truths, answers.predictions, features, strict=True)
    for i, (source, truth, prediction, more) in enumerate(texts):
        sides = tuple(cut_source(source)), tuple(cut(truth)), tuple(cut(prediction))
        yield ScoredRow(*sides, right[i], edits[i], more)


def _notes(answers: Answers) -> tuple[str, ...]:
    """Say how many symbols training never saw: what holds them cannot come out right."""
    sides = {"source": answers.unseen_sources, "target": answers.unseen_truths}
    counts = {side: int(np.sum(rows)) for side, rows in sides.items() if rows is not None}
    unseen = (
        f"{side}: {plural(number, 'unknown token')}" for side, number in counts.items() if number
    )
    cut = 0 if answers.truncated is None else int(np.count_nonzero(answers.truncated))
    truncated = (f"{plural(cut, 'prediction')} truncated at the length limit",) * bool(cut)
    return (*answers.notes, *(LENGTHS_GIVEN,) * answers.lengths_given, *unseen, *truncated)
