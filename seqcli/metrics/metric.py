"""Metrics as objects with label, direction, format, definition and computation.

Code that shows, compares or ranks values uses these attributes and never depends on the name of a
metric. Reports use this module, so it does not import NumPy. The metrics are defined in
`seqcli.metrics.definitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from seqcli import formatting, registry
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.arrays.ragged import Index
    from seqcli.metrics.predictions import Outcome
    from seqcli.statistics import Interval


@dataclass(frozen=True)
class NumberFormat:
    """The number format of a metric.

    Args:
        write: converts a value to text.
        unit: the end of that text, such as "%"; written once for several values.
        bounds: lower and upper limit of a plot's axis; None for limits from the values.
        points: unit of differences if it is not the unit of the metric, such as percentage
            points; 100 of them are a difference of 1.
    """

    write: Callable[[float], str]
    unit: str = ""
    bounds: tuple[float, float] | None = None
    points: str = ""

    def bare(self, value: float) -> str:
        """Format a value without the unit."""
        return self.write(value).removesuffix(self.unit)

    def difference(self, value: float) -> str:
        """Format a difference of two values, without the unit; zero has no sign."""
        scaled, digits = (value * 100, 1) if self.points else (value, 3)
        return f"{round(scaled, digits) + 0.0:.{digits}f}"


PERCENT = NumberFormat(formatting.percent, "%", (0.0, 1.0), "points")
RATE = NumberFormat(formatting.percent, "%", None, "points")  # may exceed 100%
DECIMAL = NumberFormat(formatting.loss)
SCIENTIFIC = NumberFormat(lambda value: f"{value:.2e}")
TENTHS = NumberFormat(lambda value: f"{value:.1f}")
COUNT = NumberFormat(formatting.count)


class Parts(Protocol):
    """The contributions of the N rows of an outcome to a metric.

    ``clusters`` (N,) in the methods: the source of each row, numbered from 0 without gaps.
    """

    def total(self) -> float:
        """Return the value over all rows."""

    def interval(self, clusters: Index) -> Interval | None:
        """Return the 95% confidence interval; None if the rows do not determine one."""

    def method(self, clusters: Index) -> str:
        """Return the name of the interval's method."""


TRAINING, EVALUATION, COMPARISON = "training", "evaluation", "comparison"
EVERYWHERE = frozenset({TRAINING, EVALUATION, COMPARISON})


@dataclass(frozen=True)
class Metric:
    """A metric.

    Args:
        name: the key in documents, configurations and checkpoints.
        label: the name in reports, such as "token error rate".
        higher_is_better: the direction.
        format: the number format.
        definition: a sentence that defines it.
        parts: returns the contributions of the rows of an outcome, or None if the metric is not
            defined for that outcome; None for a metric that is computed in another way.
        from_loss: for language models, computes the metric from a loss in nats per token.
        unit: added to the label in parentheses if there is room.
        header: a shorter label for columns, in up to two lines.
        tables: kinds of tables that have a column for it.
    """

    name: str
    label: str
    higher_is_better: bool
    format: NumberFormat = DECIMAL
    definition: str = ""
    parts: Callable[[Outcome], Parts | None] | None = None
    from_loss: Callable[[float], float] | None = None
    unit: str = ""
    header: str = ""
    tables: frozenset[str] = EVERYWHERE

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def short(self) -> str:
        """The label for a column header."""
        return self.header or self.label

    def score(self, outcome: Outcome) -> float:
        """Return the value over all rows; NaN if the metric is not defined for the outcome."""
        parts = self.parts(outcome) if self.parts else None
        return float("nan") if parts is None else parts.total()

    def write(self, value: float) -> str:
        """Format a value, such as ``71.0%``."""
        return self.format.write(value)

    def write_interval(self, interval: tuple[float, float] | None) -> str:
        """Format an interval, such as ``71.0-76.4%``; "-" for None."""
        if interval is None:
            return "-"
        low, high = interval
        return f"{self.format.bare(low)}-{self.format.write(high)}"

    def best(self, values: Iterable[float]) -> float:
        """Return the best of some values."""
        return max(values) if self.higher_is_better else min(values)

    def gain(self, value: float, other: float) -> float:
        """Return the improvement of a value over another; negative if it is worse."""
        return value - other if self.higher_is_better else other - value


def names() -> tuple[str, ...]:
    """Return the names of all registered metrics."""
    return (*registry.METRICS, *registry.EVALUATION_METRICS, *registry.LANGUAGE_METRICS)


def find(name: str) -> Metric:
    """Return a registered metric.

    Raises:
        UsageError: no metric has that name, or the registered object is not a metric of that name.
    """
    tables = registry.METRICS, registry.EVALUATION_METRICS, registry.LANGUAGE_METRICS
    table: dict[str, Any] = {key: value for one in tables for key, value in one.items()}
    metric = registry.resolve("metric", name, table)
    if not isinstance(metric, Metric) or metric.name != name:
        hint = "register a seqcli.metrics.metric.Metric of the same name"
        raise UsageError(
            f"the object registered as metric {name!r} is not a metric of that name", hint
        )
    return metric


def metrics(*tables: registry.Table) -> Iterator[Metric]:
    """Yield the metrics of some tables of the registry; metrics of pairs by default."""
    for table in tables or (registry.METRICS, registry.EVALUATION_METRICS):
        yield from map(find, table)


def scores(outcome: Outcome, table: registry.Table) -> dict[str, float]:
    """Return metric name -> value, for metrics of a table that are defined for the outcome."""
    parts = {one.name: one.parts(outcome) for one in metrics(table) if one.parts is not None}
    return {name: one.total() for name, one in parts.items() if one is not None}


def shown(name: str) -> Metric:
    """Return the metric of that name; one with a generic format if it is not registered."""
    if name in names():
        return find(name)
    return Metric(name, name.replace("_", " "), higher_is_better=False)


def language_scores(loss: float) -> dict[str, float]:
    """Return the metrics of a language model with a loss in nats per token."""
    derived = metrics(registry.LANGUAGE_METRICS)
    return {"loss": loss, **{one.name: one.from_loss(loss) for one in derived if one.from_loss}}


@dataclass(frozen=True)
class EpochMetric:
    """A key of an epoch's metrics: a metric on a split, or a figure of training itself.

    Args:
        key: as in metrics.jsonl.
        metric: its label and format.
        split: "train" or "val"; "" for a figure of training itself.
        tag: its TensorBoard tag.
    """

    key: str
    metric: Metric
    split: str
    tag: str

    @property
    def label(self) -> str:
        """The label with the split before it, such as "val loss"."""
        return f"{self.split} {self.metric.label}".lstrip()


def _figure(
    key: str, label: str, tag: str, format: NumberFormat = DECIMAL, *, tabled: bool = True
) -> EpochMetric:
    tables = frozenset({TRAINING} if tabled else ())
    metric = Metric(key, label, higher_is_better=False, format=format, tables=tables)
    return EpochMetric(key, metric, "", tag)


_FIGURES = {
    one.key: one
    for one in (
        _figure("smoothed_loss", "smoothed loss", "loss/smoothed", tabled=False),
        _figure("learning_rate", "learning rate", "optimization/learning_rate", SCIENTIFIC),
        _figure("teacher_forcing", "teacher forcing", "optimization/teacher_forcing", PERCENT),
        _figure("seconds", "seconds", "speed/seconds_per_epoch", TENTHS),
        _figure("sequences_per_second", "seq/s", "speed/sequences_per_second", COUNT),
    )
}


def epoch_metrics(keys: Iterable[str], table: str = "") -> list[EpochMetric]:
    """Return the metrics of distinct keys of epochs that have a column in a kind of table."""
    known = map(epoch_metric, dict.fromkeys(keys))
    return [one for one in known if not table or table in one.metric.tables]


def epoch_metric(key: str) -> EpochMetric:
    """Return the metric of a key of an epoch; one with a generic format if it is unknown."""
    if key in _FIGURES:
        return _FIGURES[key]
    split, _, name = key.partition("_")
    if split in ("train", "val") and name in names():
        return EpochMetric(key, find(name), split, f"{name}/{split}")
    return EpochMetric(key, shown(key), "", f"other/{key}")
