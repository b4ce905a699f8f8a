"""Build report.html: a page with all results of a comparison, and its plots as SVG.

The page is self-contained: it loads no other files.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, ParamSpec

from seqcli.metrics.metric import NumberFormat, epoch_metric, shown
from seqcli.report.comparison_table import SPLITS, comparison_table, conclusions, missing_lines
from seqcli.report.plots import draw_if_possible
from seqcli.report.predictions import mark
from seqcli.report.summary import REASONS
from seqcli.runs.metrics_log import read_metrics

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.axes import Axes

    from seqcli.comparison.run_result import RunResult, ShownAttention, ShownPrediction
    from seqcli.comparison.summary import Comparison


TEMPLATE = Path(__file__).parent / "templates" / "comparison.html"
CAPTIONS = {
    "curves": "Learning curves: mean over seeds, with a band from the lowest to the highest.",
    "loss": "Validation loss, teacher forced.",
    "lengths": "Sequence accuracy by length; training lengths are shaded.",
}
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9][0-9,]*\.?[0-9]*")


def page(comparison: Comparison, plots: Mapping[str, str]) -> str:
    """Return the HTML page; ``plots`` are those of `comparison_plots`."""
    table = comparison_table(comparison.arms, differing=comparison.differing)
    arms = len(comparison.arms)
    return _template().render(
        name=comparison.name,
        headers=[" ".join(column.header.split()) for column in table.columns],
        rows=[[(str(cell), _sort_key(str(cell))) for cell in row] for row in table.rows[:arms]],
        strong=table.strong,
        baselines=[list(map(str, row)) for row in table.rows[arms:]],
        caption=table.caption,
        lengths="" if comparison.language else _lengths(comparison),
        conclusions=conclusions(comparison),
        missing=missing_lines(comparison),
        differing=comparison.differing,
        split=SPLITS[comparison.split],
        notes=comparison.notes,
        plots=[(inline(svg), CAPTIONS[name]) for name, svg in plots.items()],
        arms=[
            (one.arm, one.first.model, [_run(comparison, result) for result in one.results])
            for one in comparison.arms
        ],
    )


def _lengths(comparison: Comparison) -> str:
    spans = comparison.arms[0].first.trained_lengths
    (low, high), (least, most) = spans["source"], spans["target"]
    return f"Trained on sources of {low} to {high} tokens and targets of {least} to {most} tokens."


def inline(svg: str) -> str:
    """Prepare a plot for embedding in a page: in the color of the text, without metadata."""
    return _METADATA.sub("", svg).replace(GREY, "currentColor")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text("utf-8"))


def _sort_key(cell: str) -> str:
    """Return the sort key of a cell: its first number, else its text."""
    if ":" in cell and cell.replace(":", "").isdigit():  # a time
        seconds = 0
        for part in cell.split(":"):
            seconds = seconds * 60 + int(part)
        return str(seconds)
    number = _NUMBER.match(cell)
    return number[0].replace(",", "") if number else cell


def _run(comparison: Comparison, result: RunResult) -> dict[str, Any]:
    """Return the template's variables for one run."""
    folder = Path(comparison.folder) / result.run
    rows = history(comparison, result)
    metrics = [shown(name) for name in result.scores]
    return {
        "name": result.run,
        "scores": [(one.label, one.write(result.scores[one.name])) for one in metrics],
        "reason": (REASONS.get(result.reason, ("", ""))[1] or result.reason),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "config": _text(folder / "config.yaml"),
        "curves": [
            inline(svg)
            for key in (f"val_{comparison.metric.name}", "val_loss")
            if (svg := curves_svg({result.run: [rows]}, key))
        ],
        "attention": inline(attention_svg(result.attention_map)) if result.attention_map else "",
        "predictions": [_prediction(one) for one in result.predictions],
        "samples": result.samples,
    }


def _prediction(one: ShownPrediction) -> dict[str, Any]:
    return {
        "source": one.source,
        "truth": one.joiner.join(one.truth),
        "right": one.truth == one.prediction,
        "segments": mark(one.truth, one.prediction, one.joiner),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


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
def attention_svg(attention: ShownAttention) -> str:
    """Draw attention weights as a heat map."""
    rows, columns = len(attention.weights), len(attention.source)
    axes = new_axes("output", "source", (0.9 + 0.26 * columns, 0.8 + 0.26 * rows))
    axes.imshow(attention.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for axis, names in ((axes.xaxis, attention.source), (axes.yaxis, attention.target)):
        axis.set_ticks(range(len(names)), names)
        for text in axis.get_ticklabels():
            text.set_parse_math(False)
    axes.grid(visible=False)
    return svg_of(axes)


def new_axes(y: str, x: str, size: tuple[float, float] = (6.4, 3.8)) -> Axes:
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
    axes.plot(places, means, color=color, ls=style, lw=1.8, marker="o", ms=3, label=name)
    lows, highs = [min(row) for row in values], [max(row) for row in values]
    if lows != highs:
        axes.fill_between(places, lows, highs, color=color, alpha=0.18, lw=0)


def _finish(axes: Axes, format: NumberFormat) -> None:
    """Set the range and the ticks of the y-axis, and draw the legend."""
    if format.bounds is not None:
        low, high = format.bounds
        margin = (high - low) / 50
        axes.set_ylim(low - margin, high + margin)
    if format.unit == "%":
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(frameon=False, fontsize=8, labelcolor=GREY)
        for text in legend.get_texts():
            text.set_parse_math(False)


def svg_of(axes: Axes) -> str:
    """Convert the figure to a reproducible SVG element, with text as text."""
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seqcli"}):
        axes.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[union-attr]
    text = file.getvalue()
    return text[text.index("<svg") :]
