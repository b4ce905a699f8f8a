"""Plots of a comparison as SVG: learning curves with bands over seeds, accuracy by length."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from statistics import fmean
from typing import TYPE_CHECKING, ParamSpec

from seqcli.report.plots import draw_if_possible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from seqcli.comparison.run_result import Look
    from seqcli.comparison.summary import Comparison

# Okabe and Ito's palette: told apart with any kind of color vision
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
GREY = "#808080"  # seen on white and on black
P = ParamSpec("P")
Curves = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]  # arm -> seed -> epoch


def _extra(draw: Callable[P, str]) -> Callable[P, str]:
    """Let a plot be "" where it cannot be drawn: the report does without."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        return draw_if_possible("the plots", lambda: draw(*args, **kwargs)) or ""

    return drawn


@_extra
def curves_svg(curves: Curves, metric: str, label: str) -> str:
    """Return learning curves over steps: a line for the mean over seeds, a band to the extremes.

    Args:
        curves: the rows of each run's metrics.jsonl.
        metric: which of them to draw.
        label: what it is called.
    """
    axes = _axes(label, "optimizer steps")
    for n, (arm, seeds) in enumerate(curves.items()):
        known = [[(row["step"], row[metric]) for row in one if metric in row] for one in seeds]
        points = list(zip(*known, strict=False))  # as far as all seeds went
        if not points:
            continue
        steps = [row[0][0] for row in points]
        values = [[score for _, score in row] for row in points]
        _line(axes, steps, values, arm, n)
    _dress(axes, metric)
    return _svg(axes)


@_extra
def lengths_svg(comparison: Comparison) -> str:
    """Return sequence accuracy by length, the lengths of training shaded; "" for one length."""
    lengths = {one.length for standing in comparison.standings for one in standing.by_length}
    if len(lengths) < 2:
        return ""
    axes = _axes("sequence accuracy", f"{comparison.axis} length")
    low, high = comparison.trained
    label = "lengths of training"
    axes.axvspan(low - 0.5, high + 0.5, color=GREY, alpha=0.15, lw=0, label=label)
    for n, standing in enumerate(comparison.standings):
        found = standing.by_length
        values = [[one.mean, one.low, one.high] for one in found]
        _line(axes, [one.length for one in found], values, standing.arm, n, mean_first=True)
    axes.set_xlim(min(lengths) - 0.5, max(lengths) + 0.5)
    _dress(axes, "sequence_accuracy")
    return _svg(axes)


@_extra
def look_svg(look: Look) -> str:
    """Return where a model looked as a heat map."""
    rows, columns = len(look.weights), len(look.source)
    axes = _axes("output", "source", (0.9 + 0.26 * columns, 0.8 + 0.26 * rows))
    axes.imshow(look.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for axis, names in ((axes.xaxis, look.source), (axes.yaxis, look.target)):
        axis.set_ticks(range(len(names)), names)
        for text in axis.get_ticklabels():
            text.set_parse_math(False)
    axes.grid(visible=False)
    return _svg(axes)


def _axes(y: str, x: str, size: tuple[float, float] = (6.4, 3.8)) -> Axes:
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
    axes.plot(places, means, color=color, ls=style, lw=1.8, marker="o", ms=3, label=name)
    lows, highs = [min(row) for row in values], [max(row) for row in values]
    if lows != highs:
        axes.fill_between(places, lows, highs, color=color, alpha=0.18, lw=0)


def _dress(axes: Axes, metric: str) -> None:
    if metric.endswith("_accuracy"):
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(frameon=False, fontsize=8, labelcolor=GREY)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _svg(axes: Axes) -> str:
    """Return the figure as an SVG element, the same for the same numbers, letters as letters."""
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seqcli"}):
        axes.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[union-attr]
    text = file.getvalue()
    return text[text.index("<svg") :]
