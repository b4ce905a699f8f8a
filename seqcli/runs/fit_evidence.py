"""The evidence of the fit diagnosis: trends and gaps in the curves of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from seqcli.events import RunFacts

TAIL = 3  # a curve ends at the median of its last epochs, which ignores one outlier
RISE = 0.05  # a clear rise of the validation loss: this fraction of its minimum ...
RISE_NATS = 0.02  # ... and at least this many nats
ACCURACY_GAP = 0.02  # training accuracy clearly above validation
WIDE_GAP = 0.10  # training accuracy so far above that the model does not generalize
LOSS_GAP = 0.10  # training loss clearly below validation: this share of the validation loss
NEARLY_PERFECT = 0.99  # validation accuracy that leaves almost nothing to learn
FALLING = 0.01  # a loss that still falls: by this fraction per epoch
RAPID_FALL = 0.03  # a loss that falls fast enough to close a gap
NOISE_DEVIATIONS = 4  # standard deviations; 1 of 100 noisy converged runs appears to fall
DECAYED = 0.01  # fraction of its peak below which the learning rate has no effect
ACCURACIES = ("sequence_accuracy", "token_accuracy")


@dataclass(frozen=True)
class Baseline:
    """The best baseline by a metric, and the model's score by the same metric."""

    name: str
    metric: str
    value: float
    model: float


@dataclass(frozen=True)
class Evidence:
    """The curves of a run (``EpochEnded.metrics`` of each epoch) and the facts about it."""

    history: Sequence[Mapping[str, float]]
    facts: RunFacts

    @cached_property
    def train_loss(self) -> list[float]:
        """Training loss of each epoch."""
        return [row["train_loss"] for row in self.history]

    @cached_property
    def val_loss(self) -> list[float]:
        """Validation loss of each epoch."""
        return [row["val_loss"] for row in self.history]

    @cached_property
    def best(self) -> int:
        """The first epoch with the lowest validation loss, counted from 0."""
        return self.val_loss.index(min(self.val_loss))

    @property
    def lowest(self) -> float:
        """The lowest validation loss."""
        return self.val_loss[self.best]

    @property
    def since_best(self) -> int:
        """Epochs after the one with the lowest validation loss."""
        return len(self.history) - 1 - self.best

    @property
    def end_train_loss(self) -> float:
        """Training loss at the end."""
        return median(self.train_loss[-TAIL:])

    @property
    def end_val_loss(self) -> float:
        """Validation loss at the end; if possible of epochs after the best one."""
        after_best = self.val_loss[self.best + 1 :] or self.val_loss[-1:]
        return median(after_best[-TAIL:])

    @cached_property
    def level(self) -> str:
        """The unit of accuracies: sequences if known, else tokens."""
        known = any("val_sequence_accuracy" in row for row in self.history)
        return "sequence" if known else "token"

    def reached(self, metric: str) -> float | None:
        """Return the final score of a metric, ignoring a sudden dip in the last epoch."""
        values = [row[metric] for row in self.history if metric in row]
        return max(values[-1], median(values[-TAIL:])) if values else None

    @property
    def train_accuracy(self) -> float | None:
        """Training accuracy at the end."""
        return self.reached(f"train_{self.level}_accuracy")

    @property
    def val_accuracy(self) -> float | None:
        """Validation accuracy at the end."""
        return self.reached(f"val_{self.level}_accuracy")

    @property
    def nearly_perfect(self) -> bool:
        """Whether validation accuracy leaves almost nothing to learn."""
        return (self.val_accuracy or 0) >= NEARLY_PERFECT

    @cached_property
    def gaps(self) -> dict[str, tuple[float, float]]:
        """Metric -> training and validation accuracy at the end, of those that are known."""
        gaps = {}
        for metric in ACCURACIES:
            train, val = self.reached(f"train_{metric}"), self.reached(f"val_{metric}")
            if train is not None and val is not None:
                gaps[metric] = train, val
        return gaps

    @property
    def gap(self) -> float:
        """The largest difference between training and validation accuracy."""
        return max([0.0, *(train - val for train, val in self.gaps.values())])

    @property
    def widest(self) -> str:
        """The accuracy with the largest difference between training and validation."""
        return max(self.gaps, key=lambda one: self.gaps[one][0] - self.gaps[one][1])

    @cached_property
    def wide_since(self) -> int:
        """The epoch (from 1) since which the accuracy gap has always been wide."""
        narrow = [n for n, row in enumerate(self.history, 1) if _gap(row) <= WIDE_GAP]
        return max(narrow, default=0) + 1

    @property
    def lowest_since(self) -> int:
        """The first epoch (from 1) whose validation loss is not clearly above the lowest."""
        limit = self.lowest + self.clear_rise
        return next(n for n, value in enumerate(self.val_loss, 1) if value <= limit)

    @property
    def clear_rise(self) -> float:
        """A clear difference of the validation loss from its lowest value, in nats."""
        return max(RISE_NATS, RISE * self.lowest)

    @property
    def val_loss_rose(self) -> bool:
        """Whether validation loss ended clearly above its lowest."""
        return self.end_val_loss - self.lowest > self.clear_rise

    @property
    def training_is_ahead(self) -> bool:
        """Whether training ended clearly better than validation, by loss or accuracy."""
        return self.training_loss_is_ahead or self.gap > ACCURACY_GAP

    @property
    def training_loss_is_ahead(self) -> bool:
        """Whether training loss ended clearly below validation loss."""
        by_loss = self.end_val_loss - self.end_train_loss
        return by_loss > max(RISE_NATS, LOSS_GAP * self.end_val_loss)

    @property
    def training_kept_learning(self) -> bool:
        """Whether training loss fell after the epoch with the lowest validation loss."""
        return self.end_train_loss < self.train_loss[self.best]

    @property
    def train_loss_falls(self) -> bool:
        """Whether training loss still fell over the last epochs."""
        return _falls(self.train_loss)

    @property
    def val_loss_falls(self) -> bool:
        """Whether validation loss fell over the last epochs and was lowest at the very end."""
        return self.since_best == 0 and _falls(self.val_loss)

    @property
    def val_loss_falls_rapidly(self) -> bool:
        """Whether validation loss falls so fast that the gap to training may still close."""
        return self.since_best == 0 and _falls(self.val_loss, RAPID_FALL)

    @property
    def rate_has_decayed(self) -> bool:
        """Whether the schedule has reduced the learning rate to (almost) 0."""
        rates = [row["learning_rate"] for row in self.history if "learning_rate" in row]
        return bool(rates) and rates[-1] <= DECAYED * max(*rates, self.facts.lr)

    @cached_property
    def baselines(self) -> tuple[Baseline, ...]:
        """The best baseline by each metric that the model was scored by, the main metric first."""
        best = []
        for metric in (*ACCURACIES, "loss"):
            values = {n: scores[metric] for n, scores in self.facts.baselines if metric in scores}
            model = self.reached_loss if metric == "loss" else self.reached(f"val_{metric}")
            if values and model is not None:
                pick = min if metric == "loss" else max
                name = pick(values, key=values.__getitem__)
                best.append(Baseline(name, metric, values[name], model))
        return tuple(best)

    @property
    def reached_loss(self) -> float:
        """The lower of the last validation loss and `end_val_loss`."""
        return min(self.val_loss[-1], self.end_val_loss)

    @property
    def beats_a_baseline(self) -> bool:
        """Whether the model is clearly better than the best baseline, by any metric."""
        return any(map(self._beats, self.baselines))

    def _beats(self, baseline: Baseline) -> bool:
        """Return whether the model beats a baseline by more than two standard errors."""
        if baseline.metric == "loss":
            return baseline.model < baseline.value * (1 - FALLING)
        error = math.sqrt(baseline.value * (1 - baseline.value) / max(self.facts.val_rows, 1))
        return baseline.model > baseline.value + (2 * error if self.facts.val_rows else 0)


def _gap(row: Mapping[str, float]) -> float:
    both = [m for m in ACCURACIES if f"train_{m}" in row and f"val_{m}" in row]
    return max((row[f"train_{m}"] - row[f"val_{m}"] for m in both), default=0.0)


def _falls(losses: Sequence[float], share: float = FALLING) -> bool:
    """Return whether a loss fell over the last epochs, by ``share`` per epoch and beyond noise."""
    steps = min(TAIL, len(losses) - 1)
    if not steps:
        return False
    drop = losses[-1 - steps] - losses[-1]
    return drop > max(steps * share * abs(losses[-1]), NOISE_DEVIATIONS * _noise(losses[-8:]))


def _noise(losses: Sequence[float]) -> float:
    """Estimate the standard deviation of a loss around its trend, by its second differences.

    For independent noise they have sqrt(6) times its standard deviation, and their median
    absolute value is 0.6745 times that.
    """
    bends = [abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    return median(bends) / (0.6745 * math.sqrt(6)) if bends else 0.0
