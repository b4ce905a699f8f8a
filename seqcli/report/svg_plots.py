"""Plots of pages as SVG, in the colors of the page: learning curves, and accuracy by length."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, ParamSpec

from seqcli.formatting import visible
from seqcli.metrics.metric import NumberFormat, epoch_metric, find
from seqcli.report.plots import History, draw_if_possible, finish_axes, legend_below, panels
from seqcli.runs.metrics_log import read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seqcli.comparison.run_result import RunResult
    from seqcli.comparison.summary import Comparison
    from seqcli.results import LengthBin
    from seqcli.runs.fit_diagnosis import FitDiagnosis

_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
# the palette of Okabe and Ito, distinguishable with any kind of color vision
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
GREY = "#808080"  # visible on white and on black
P = ParamSpec("P")
Curves = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]  # arm -> seed -> epochs


def _optional(draw: Callable[P, str]) -> Callable[P, str]:
    """Wrap a plotting function: return "" if the plot cannot be drawn, so that it is omitted."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        return draw_if_possible("the plots", lambda: draw(*args, **kwargs)) or ""

    return drawn


def comparison_plots(comparison: Comparison) -> dict[str, str]:
    """Return the plots as SVG, by name."""
    curves = {
        arm.arm: [history(comparison, result) for result in arm.results] for arm in comparison.arms
    }
    plots = {"curves": curves_svg(curves, f"val_{comparison.metric.name}")}
    if not comparison.language:
        plots["loss"] = curves_svg(curves, "val_loss")
        plots["lengths"] = lengths_svg(comparison)
    return {name: svg for name, svg in plots.items() if svg}


def history(comparison: Comparison, result: RunResult) -> list[dict[str, float]]:
    """Return the epochs of a run from its metrics.jsonl."""
    return read_metrics(Path(comparison.folder) / result.run / "metrics.jsonl")


@_optional
def curves_svg(curves: Curves, key: str) -> str:
    """Draw learning curves over steps: the mean over seeds with a band from minimum to maximum.

    Args:
        curves: the epochs of each run.
        key: of an epoch's metrics, such as "val_loss".
    """
    metric = epoch_metric(key).metric
    axes = new_axes(f"validation {metric.title}", "optimizer steps")
    for n, (arm, seeds) in enumerate(curves.items()):
        known = [[(row["step"], row[key]) for row in one if key in row] for one in seeds]
        points = list(zip(*known, strict=False))  # number of epochs available for all seeds
        if not points:
            continue
        steps = [row[0][0] for row in points]
        values = [[score for _, score in row] for row in points]
        _line(axes, steps, values, arm, n)
    _finish(axes, metric.format)
    return svg_of(axes)


@_optional
def lengths_svg(comparison: Comparison) -> str:
    """Draw sequence accuracy by length, with training lengths shaded; "" for a single length."""
    lengths = {point.length for arm in comparison.arms for point in arm.by_length}
    if len(lengths) < 2:
        return ""
    axes = new_axes(comparison.metric.label, f"{comparison.axis} length")
    low, high = comparison.trained
    label = "training lengths"
    axes.axvspan(low - 0.5, high + 0.5, color=GREY, alpha=0.15, lw=0, label=label)
    for n, arm in enumerate(comparison.arms):
        values = [[point.mean, point.low, point.high] for point in arm.by_length]
        places = [point.length for point in arm.by_length]
        _line(axes, places, values, arm.arm, n, mean_first=True)
    axes.set_xlim(min(lengths) - 0.5, max(lengths) + 0.5)
    _finish(axes, comparison.metric.format)
    return svg_of(axes)


@_optional
def run_panel_svg(history: History, diagnosis: FitDiagnosis, panel: int) -> str:
    """Draw a panel of a run's learning curves (see `panels`); "" if there is no such panel."""
    drawn = panels(history)
    if panel >= len(drawn):
        return ""
    axes = new_axes("", "epoch", (5.2, 3.9))
    drawn[panel](axes, history)
    finish_axes(axes, history, diagnosis)
    for label in (axes.title, axes.yaxis.label, axes.xaxis.label):
        label.set_color(GREY)
    legend_below(axes, columns=2, labelcolor=GREY)
    return svg_of(axes)


@_optional
def bins_svg(bins: Sequence[LengthBin]) -> str:
    """Draw token and sequence accuracy by source length; "" for a single length."""
    if len(bins) < 2:
        return ""
    from matplotlib.ticker import MaxNLocator

    axes = new_axes("accuracy", "source length")
    places = [(one.low + one.high) / 2 for one in bins]
    for n, name in enumerate(("sequence_accuracy", "token_accuracy")):
        metric = find(name)
        _line(axes, places, [[getattr(one, name)] for one in bins], metric.label, n)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axes, find("sequence_accuracy").format)
    return svg_of(axes)


def inline(svg: str) -> str:
    """Prepare a plot for a page: in the color of the text, without metadata and names of parts."""
    return _METADATA.sub("", svg).replace(GREY, "currentColor").replace("<g id=", "<g data-part=")


def new_axes(y: str, x: str, size: tuple[float, float] = (5.2, 3.6)) -> Axes:
    """Return empty axes in the colors of the page, with labels for y and x."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x, color=GREY)
    axes.set_ylabel(y, color=GREY)
    axes.tick_params(colors=GREY)
    axes.grid(alpha=0.25, lw=0.6)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _line(
    axes: Axes,
    places: Sequence[float],
    values: Sequence[Sequence[float]],
    name: str,
    number: int,
    *,
    mean_first: bool = False,
) -> None:
    """Draw the mean and, where values differ, a band from the lowest to the highest."""
    color, style = COLORS[number % len(COLORS)], ("-", "--", ":")[number // len(COLORS) % 3]
    means = [row[0] if mean_first else fmean(row) for row in values]
    axes.plot(places, means, color=color, ls=style, lw=1.8, marker="o", ms=3, label=visible(name))
    lows, highs = [min(row) for row in values], [max(row) for row in values]
    if lows != highs:
        axes.fill_between(places, lows, highs, color=color, alpha=0.18, lw=0)


def _finish(axes: Axes, format: NumberFormat) -> None:
    """Set the range and the ticks of the y-axis, and draw the legend below."""
    if format.bounds is not None:
        low, high = format.bounds
        margin = (high - low) / 50
        axes.set_ylim(low - margin, high + margin)
    if format.unit == "%":
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    legend_below(axes, columns=3, labelcolor=GREY)


def svg_of(axes: Axes) -> str:
    """Convert the figure to a reproducible SVG element, with text as text."""
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seqcli"}):
        axes.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[union-attr]
    text = file.getvalue()
    return text[text.index("<svg") :]
