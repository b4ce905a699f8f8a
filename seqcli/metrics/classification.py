"""Classification: labels as single tokens, their confusion matrix, and macro F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.arrays.ragged import Index, Ragged
from seqcli.statistics import Floats, Interval, binomial_interval, cluster_sums, effective_size

MOST_CLASSES = 200  # beyond this, single tokens are treated as words, not as labels
PSEUDO_ROWS = 0.25  # added to each class for the variance, right and wrong
F1_METHOD = "linearized mean of F1, Clopper-Pearson, effective sample size"
NO_LABEL = -1  # a prediction that is not exactly one token


@dataclass(frozen=True)
class Labels:
    """N rows as labels, numbered from 0.

    Args:
        ids: (C + X,) token ids of the labels: C that occur as a truth, then X that are only
            predicted; ``NO_LABEL`` among these if a prediction is not one token.
        classes: C.
        truths, predictions: (N,) indices into ``ids``.
    """

    ids: Index
    classes: int
    truths: Index
    predictions: Index

    def matrix(self) -> Index:
        """Return the confusion matrix (C, C + X): truths in rows, predictions in columns."""
        cells = self.truths * len(self.ids) + self.predictions
        counts = np.bincount(cells, minlength=self.classes * len(self.ids))
        return counts.reshape(self.classes, len(self.ids))


def labels_of(truths: Ragged, predictions: Ragged) -> Labels | None:
    """Convert N rows to labels; None if a truth is not one token or there are too many classes."""
    known = np.unique(truths.tokens)
    if (truths.lengths != 1).any() or not 2 <= len(known) <= MOST_CLASSES:
        return None
    predicted = _single(predictions)
    ids = np.concatenate([known, np.setdiff1d(predicted, known)])
    order = np.argsort(ids)
    sides = truths.tokens, predicted
    indices = (order[np.searchsorted(ids, side, sorter=order)] for side in sides)
    return Labels(ids, len(known), *indices)


def _single(rows: Ragged) -> Index:
    """Return (N,) the token of each row with exactly one token, else ``NO_LABEL``."""
    labels = np.full(len(rows), NO_LABEL)
    single = rows.lengths == 1
    labels[single] = rows.tokens[rows.offsets[:-1][single]]
    return labels


@dataclass(frozen=True)
class MeanF1:
    """F1 of each class that occurs as a truth, and their unweighted mean."""

    labels: Labels

    def total(self) -> float:
        """Return the mean over classes."""
        return float(_f1(self.labels.matrix().astype(np.float64)).mean())

    def interval(self, clusters: Index) -> Interval | None:
        """Return the 95% interval: that of a share with the variance of the linearized mean.

        Half a row, one half of it correct, is added to each class, so that the F1 of a rare class
        without errors is not treated as certain. Rare classes dominate the variance, so its degrees
        of freedom are Satterthwaite's over classes. Rows that share a source increase it.
        """
        matrix = self._smoothed()
        effects = _effects(matrix)
        share = float(_f1(matrix).mean())
        of_class = (matrix * (effects - (matrix * effects).sum() / matrix.sum()) ** 2).sum(
            1
        )  # (C,)
        df = of_class.sum() ** 2 / (of_class**2 / np.maximum(matrix.sum(1) - 1, 0.5)).sum()
        variance = float(of_class.sum()) * self._design_effect(clusters)
        size = effective_size(share, variance, max(float(df), 1.0))
        return binomial_interval(self.total() * size, size)

    def method(self, clusters: Index) -> str:
        """Return the name of the interval's method."""
        return F1_METHOD

    def _smoothed(self) -> Floats:
        """Return the confusion matrix (C, C + X) with PSEUDO_ROWS added to each class."""
        matrix = self.labels.matrix().astype(np.float64)
        classes = len(matrix)
        wrong = np.tile(matrix.sum(0) + 1, (classes, 1))  # as often as each label is predicted
        wrong[np.arange(classes), np.arange(classes)] = 0
        wrong /= wrong.sum(1, keepdims=True)
        return matrix + PSEUDO_ROWS * (wrong + np.eye(*matrix.shape))

    def _design_effect(self, clusters: Index) -> float:
        """Return the design effect: the variance with clusters over that of independent rows."""
        number, labels = len(clusters), self.labels
        sources = int(clusters.max(initial=-1)) + 1
        if sources == number or sources < 2:
            return 1.0
        effects = _effects(labels.matrix().astype(np.float64))[labels.truths, labels.predictions]
        rest = effects - effects.mean()
        alone, together = float(rest @ rest), cluster_sums(rest, clusters)
        if alone <= 0:
            return number / sources
        return max(float(together @ together) / alone * sources / (sources - 1), 1.0)


def _f1(matrix: Floats) -> Floats:
    """Return (C,) the F1 of each class of a matrix (C, C + X)."""
    right = np.diagonal(matrix)
    scores: Floats = 2 * right / _class_sizes(matrix)
    return scores


def _effects(matrix: Floats) -> Floats:
    """Return (C, C + X) the derivative of the mean F1 with respect to each cell."""
    classes, both = len(matrix), _class_sizes(matrix)
    loss = np.zeros(matrix.shape[1])
    loss[:classes] = -_f1(matrix) / both
    effects = loss[:classes, None] + loss[None, :]
    effects[np.arange(classes), np.arange(classes)] += 2 / both
    return effects / classes


def _class_sizes(matrix: Floats) -> Floats:
    """Return (C,) the number of rows with each class as truth plus that with it as prediction."""
    both: Floats = matrix.sum(1) + matrix.sum(0)[: len(matrix)]
    return both
