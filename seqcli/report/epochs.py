"""The table of epochs, the same in the live view and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from seqcli.report import formats
from seqcli.report.tables import Column, Table

BEST_MARK = "*"
CAPTION = "loss: nats per token, teacher forced; acc: free running (greedy); * best epoch"
LANGUAGE_CAPTION = "loss: nats per token, <eos> included; * best epoch"


@dataclass(frozen=True)
class Epoch:
    """One row: the number of the epoch (from 1) and its metrics."""

    number: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class _Measure:
    """A column: the metric, its two-line header, how it is written, how soon it gives way."""

    metric: str
    header: str
    write: Callable[[float], str]
    drop: int  # see `Column.drop`
    only_if_it_changes: bool = False


_MEASURES = (
    _Measure("train_loss", "train\nloss", formats.loss, 2),
    _Measure("val_loss", "val\nloss", formats.loss, 1),
    _Measure("val_bits_per_character", "val\nbits/char", formats.loss, 3),
    _Measure("val_perplexity", "val\nperplexity", formats.loss, 4),
    _Measure("train_token_accuracy", "train\ntoken acc", formats.percent, 6),
    _Measure("val_token_accuracy", "val\ntoken acc", formats.percent, 3),
    _Measure("train_sequence_accuracy", "train\nseq. acc", formats.percent, 5),
    _Measure("val_sequence_accuracy", "val\nseq. acc", formats.percent, 0),
    _Measure("learning_rate", "learning\nrate", lambda rate: f"{rate:.2e}", 9, True),
    _Measure("teacher_forcing", "teacher\nforcing", formats.percent, 10, True),
    _Measure("seconds", "\nseconds", lambda seconds: f"{seconds:.1f}", 8),
    _Measure("sequences_per_second", "\nseq/s", formats.count, 7),
)


def epoch_table(epochs: Sequence[Epoch], best: int, last: int | None = None) -> Table:
    """Return the table of epochs.

    Args:
        epochs: what is known, in order.
        best: number of the best epoch, which is marked; 0 for none.
        last: show only so many epochs, the newest; the title says how many are above.
    """
    shown = epochs if last is None else epochs[max(0, len(epochs) - last) :]
    above = len(epochs) - len(shown)
    title = f"... {formats.plural(above, 'earlier epoch')}" if above else ""
    measures = [measure for measure in _MEASURES if _is_shown(measure, epochs)]
    return _table(shown, best, measures, title)


def _is_shown(measure: _Measure, epochs: Sequence[Epoch]) -> bool:
    values = {epoch.metrics[measure.metric] for epoch in epochs if measure.metric in epoch.metrics}
    return len(values) > measure.only_if_it_changes


def _table(epochs: Sequence[Epoch], best: int, measures: list[_Measure], title: str) -> Table:
    columns = (
        Column("\nepoch", right=True),
        *(Column(m.header, right=True, drop=m.drop) for m in measures),
    )
    rows = tuple(_row(epoch, best, measures) for epoch in epochs)
    strong = frozenset(i for i, epoch in enumerate(epochs) if epoch.number == best)
    language = any("val_bits_per_character" in epoch.metrics for epoch in epochs)
    caption = LANGUAGE_CAPTION if language else CAPTION
    return Table(columns, rows, title, caption, strong)


def _row(epoch: Epoch, best: int, measures: list[_Measure]) -> tuple[str, ...]:
    number = f"{BEST_MARK if epoch.number == best else ''}{epoch.number}"
    known = epoch.metrics
    return (number, *(m.write(known[m.metric]) if m.metric in known else "" for m in measures))
