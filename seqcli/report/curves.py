"""curves.png: loss and accuracy over the epochs, training against validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.events import RunFacts
from seqcli.files.atomic import write_atomically
from seqcli.report.pictures import any_script
from seqcli.report.verdict import Verdict, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any kind of colour vision
TRAIN, VAL, WARNING = "#0072B2", "#D55E00", "#E69F00"
_LOG_FROM = 20.0  # losses that span more than this factor get a logarithmic axis
_MARKERS_UP_TO = 30  # epochs; beyond, dots would hide the line


def draw_curves(
    history: Sequence[Mapping[str, float]], path: Path, title: str, facts: RunFacts | None = None
) -> None:
    """Draw the metrics of a run's epochs as a PNG, atomically; see `seqcli.report.pictures`.

    Left: loss (nats per token, teacher forced), with the epoch of the lowest validation loss and,
    if the verdict is overfitting, the epochs since then shaded. Right, where accuracies are known:
    sequence (solid) and token accuracy (dashed), free running.

    Args:
        history: the metrics of each epoch (``EpochEnded.metrics``), in order; may be empty.
        path: where the PNG goes.
        title: above both panels.
        facts: see `verdict`.
    """
    from matplotlib.figure import Figure

    found = verdict(history, facts)
    panels = [_draw_loss, _draw_accuracy] if _has_accuracy(history) else [_draw_loss]
    figure = Figure(figsize=(5.6 * len(panels), 4.2), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for draw, panel in zip(panels, axes, strict=True):
        draw(panel, history)
        _dress(panel, history, found)
    _name(figure, title, found)
    write_atomically(path, lambda file: figure.savefig(file, format="png"))


def _has_accuracy(history: Sequence[Mapping[str, float]]) -> bool:
    return any(name.endswith("_accuracy") for row in history for name in row)


def _draw_loss(axes: Axes, history: Sequence[Mapping[str, float]]) -> None:
    train = _line(axes, history, "train_loss", "training", TRAIN)
    val = _line(axes, history, "val_loss", "validation", VAL)
    if val:
        best = min(val, key=lambda epoch: val[epoch])
        label = f"lowest validation: epoch {best}"
        axes.plot(best, val[best], "o", color=VAL, ms=9, mfc="none", mew=1.6, label=label)
    positive = [value for value in (*train.values(), *val.values()) if value > 0]
    if positive and max(positive) / min(positive) > _LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    elif positive:
        axes.set_ylim(0, max(positive) * 1.08)
    axes.set(title="Loss (teacher forced)", ylabel="nats per token")


def _draw_accuracy(axes: Axes, history: Sequence[Mapping[str, float]]) -> None:
    for level, style in (("sequence", "-"), ("token", "--")):
        for split, name, colour in (("train", "training", TRAIN), ("val", "validation", VAL)):
            _line(axes, history, f"{split}_{level}_accuracy", f"{name}, {level}", colour, style)
    axes.set(title="Accuracy (free running)", ylim=(-0.02, 1.02))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")


def _line(
    axes: Axes,
    history: Sequence[Mapping[str, float]],
    metric: str,
    label: str,
    colour: str,
    style: str = "-",
) -> dict[int, float]:
    """Draw one metric; return its values by epoch (from 1)."""
    known = {epoch: row[metric] for epoch, row in enumerate(history, 1) if metric in row}
    if known:
        marker = "o" if len(known) <= _MARKERS_UP_TO else ""
        look: dict[str, Any] = {"color": colour, "ls": style, "marker": marker, "ms": 3}
        look["lw"] = 1.8 if style == "-" else 1.2
        axes.plot(list(known), list(known.values()), label=label, **look)
    return known


def _dress(axes: Axes, history: Sequence[Mapping[str, float]], found: Verdict) -> None:
    from matplotlib.ticker import MaxNLocator

    if found.since is not None:
        label = f"overfitting since epoch {found.since}"
        axes.axvspan(found.since - 1, len(history), color=WARNING, alpha=0.15, lw=0, label=label)
    axes.set_xlabel("epoch")
    axes.set_xlim(0.6, max(len(history), 2) + 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, handlelength=3)


def _name(figure: Figure, title: str, found: Verdict) -> None:
    text = figure.suptitle(f"{title} - {found.kind}", fontsize=12, fontweight="bold")
    any_script([text])
