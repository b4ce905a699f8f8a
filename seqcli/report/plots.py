"""Plots: learning curves and heat maps of attention, and functions shared by all plots.

Plots look the same on every machine: the user's settings (``MPLBACKEND``, ``matplotlibrc``) are
ignored. If a plot cannot be drawn, a note is printed instead of an error.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from rich.cells import cell_len, set_cell_size

from seqcli.events import RunFacts
from seqcli.files.atomic import write_atomically
from seqcli.formatting import token_label, visible
from seqcli.messages import note, reason
from seqcli.metrics.metric import TRAINING, EpochMetric, epoch_metrics
from seqcli.report.console import Out, draws
from seqcli.runs.fit_diagnosis import FitDiagnosis, diagnose_fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Figure
    from matplotlib.text import Text

    from seqcli.results import AttentionMap


Picture = TypeVar("Picture")
History: TypeAlias = Sequence[Mapping[str, float]]  # the metrics of each epoch
_noted: set[str] = set()
_VARIABLES = ("MPLBACKEND", "MATPLOTLIBRC")
# used in this order, if installed, for texts in any script
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Arial Unicode MS")


def draw_if_possible(what: Path | str, draw: Callable[[], Picture]) -> Picture | None:
    """Draw a plot; if that fails, print a note and return None.

    Each note is printed only once: plots of a report usually fail for the same reason.
    """
    try:
        with drawing():
            return draw()
    except Exception as error:
        text = f"{what} could not be drawn: {reason(error)}"
        if text not in _noted:
            note(text)
        _noted.add(text)
        return None


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Use matplotlib's defaults and suppress its messages within the block."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), _own_environment():
            warnings.simplefilter("ignore")
            import matplotlib as mpl

            with mpl.rc_context():
                _set_defaults(mpl.rcParams, mpl.rcParamsDefault)
                yield
    finally:
        logging.disable(disabled)


def any_script(texts: Iterable[Text]) -> None:
    """Use fonts that cover many scripts, and disable mathematics between dollar signs."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    for text in texts:
        text.set_fontfamily([font for font in _FONTS if font in installed])
        text.set_parse_math(False)


def _set_defaults(settings: MutableMapping[Any, Any], defaults: Mapping[Any, Any]) -> None:
    """Reset all settings except the backend, which a notebook may have set."""
    settings.update({key: defaults[key] for key in defaults if not key.startswith("backend")})


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Hide the user's settings in the environment, which matplotlib reads at import."""
    before = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


# Okabe and Ito's palette, which is safe for color blindness
TRAIN, VAL, WARNING = "#0072B2", "#D55E00", "#E69F00"
_LOG_FROM = 20.0  # losses that span more than this factor are drawn on a logarithmic axis
_STYLES = ("--", "-", ":", "-.")  # line styles in the right panel
_MARKERS_UP_TO = 30  # maximum number of epochs drawn with dots


def draw_curves(
    history: Sequence[Mapping[str, float]], path: Path, title: str, facts: RunFacts | None = None
) -> None:
    """Draw the metrics of a run's epochs as a PNG, atomically; see `seqcli.report.plots`.

    Left: loss (nats per token, teacher forcing), with the epoch of the lowest validation loss and,
    if the diagnosis is overfitting, the epochs since then shaded. Right, if there are any: metrics
    between 0 and 1, such as sequence (solid) and token accuracy (dashed) of greedy decoding.

    Args:
        history: the metrics of each epoch (``EpochEnded.metrics``), in order; may be empty.
        path: path of the PNG.
        title: title above both panels.
        facts: see `diagnose_fit`.
    """
    figure = curves_figure(history, title, diagnose_fit(history, facts))
    write_atomically(path, lambda file: figure.savefig(file, format="png"))


def curves_figure(history: History, title: str, diagnosis: FitDiagnosis) -> Figure:
    """Return the figure of `draw_curves`, which a notebook shows."""
    drawn = panels(history)
    figure = _notebook_figure(figsize=(5.6 * len(drawn), 4.2), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(drawn), squeeze=False)[0]
    for draw, panel in zip(drawn, axes, strict=True):
        draw(panel, history)
        finish_axes(panel, history, diagnosis)
    _set_title(figure, title, diagnosis)
    return figure


def _notebook_figure(**options: Any) -> Figure:
    """Return a figure that notebooks show without pyplot."""
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A figure that draws itself as a PNG."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    return NotebookFigure(**options)


def panels(history: History) -> list[Callable[[Axes, History], None]]:
    """Return the functions that draw the panels of learning curves: losses, then accuracies."""
    return [_draw_loss, _draw_shares] if _shares(history) else [_draw_loss]


def _shares(history: Sequence[Mapping[str, float]]) -> list[EpochMetric]:
    """Return the metrics of the right panel: those of a split that are between 0 and 1."""
    keys = (key for row in history for key in row)
    metrics = epoch_metrics(keys, TRAINING)
    return [one for one in metrics if one.split and one.metric.format.bounds == (0.0, 1.0)]


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
    axes.set(title="Loss (teacher forcing)", ylabel="nats per token")


def _draw_shares(axes: Axes, history: Sequence[Mapping[str, float]]) -> None:
    metrics = _shares(history)
    labels = dict.fromkeys(one.metric.label for one in metrics)
    styles = dict(zip(labels, cycle(_STYLES), strict=False))
    for one in metrics:
        color, split = (TRAIN, "training") if one.split == "train" else (VAL, "validation")
        label = one.metric.label
        _line(axes, history, one.key, f"{split}, {label}", color, styles[label])
    axes.set(title="Accuracy (greedy decoding)", ylim=(-0.02, 1.02))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")


def _line(
    axes: Axes,
    history: Sequence[Mapping[str, float]],
    metric: str,
    label: str,
    color: str,
    style: str = "-",
) -> dict[int, float]:
    """Draw one metric; return its values by epoch (from 1)."""
    values = {epoch: row[metric] for epoch, row in enumerate(history, 1) if metric in row}
    if values:
        marker = "o" if len(values) <= _MARKERS_UP_TO else ""
        style_options: dict[str, Any] = {"color": color, "ls": style, "marker": marker, "ms": 3}
        style_options["lw"] = 1.8 if style == "-" else 1.2
        axes.plot(list(values), list(values.values()), label=label, **style_options)
    return values


def finish_axes(axes: Axes, history: History, diagnosis: FitDiagnosis) -> None:
    """Shade the epochs of overfitting, and set the x-axis, the grid and the legend."""
    from matplotlib.ticker import MaxNLocator

    if diagnosis.since is not None:
        label = f"overfitting since epoch {diagnosis.since}"
        axes.axvspan(
            diagnosis.since - 1, len(history), color=WARNING, alpha=0.15, lw=0, label=label
        )
    axes.set_xlabel("epoch")
    axes.set_xlim(0.6, max(len(history), 2) + 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(axes, columns=2)


def legend_below(axes: Axes, columns: int, **style: Any) -> None:
    """Draw the legend below the axes, where it hides no curve, if anything has a label."""
    if axes.get_legend_handles_labels()[0]:
        options: dict[str, Any] = {"ncols": columns, "frameon": False, "fontsize": 8, **style}
        legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), **options)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _set_title(figure: Figure, title: str, diagnosis: FitDiagnosis) -> None:
    text = figure.suptitle(f"{title} - {diagnosis.kind}", fontsize=12, fontweight="bold")
    any_script([text])


BLOCKS, ASCII_BLOCKS = " ░▒▓█", " .:*#"
_LABELS = 60  # maximum number of labels per axis of the PNG
_METADATA = {"Software": "seqcli"}  # identifies files that may be replaced
_WIDEST = 8  # terminal cells per source token


def show_attention(out: Out, attention: AttentionMap) -> None:
    """Write the heat map to stderr, at most as wide as the terminal."""
    width = out.stderr.width if draws(out.stderr) else None
    blocks = BLOCKS if out.stderr.encoding.startswith("utf") else ASCII_BLOCKS
    for line in heat_map(attention, width, blocks):
        out.info(line)


def heat_map(attention: AttentionMap, width: int | None = None, blocks: str = BLOCKS) -> list[str]:
    """Return the lines of a heat map: source tokens on top, target tokens on the left.

    A cell is shaded by its weight, from 0 (blank) to 1 (full). A source that is too long for
    ``width`` terminal cells continues in another map below.
    """
    names = [_narrow(name) for name in row_names(attention)]
    sources = [_narrow(_label(token)) for token in attention.source]
    side = max(map(cell_len, names), default=0)
    cell = max([*map(cell_len, sources), 2])
    fit = len(sources) if width is None else max(1, (width - side - 1) // (cell + 1))
    lines = [f"attention weights from 0 to 1: [{blocks}]; columns: source, rows: prediction"]
    for first in range(0, len(sources), max(fit, 1)):
        part = slice(first, first + fit)
        lines += ["", " " * side + "".join(" " + _fill(s, cell) for s in sources[part])]
        for name, weights in zip(names, attention.weights.tolist(), strict=True):
            shades = (" " + _shade(weight, blocks) * cell for weight in weights[part])
            lines.append(_fill(name, side) + "".join(shades))
    return [line.rstrip() for line in lines]


def draw_attention(attention: AttentionMap, path: Path, title: str = "") -> None:
    """Draw the heat map as a PNG, atomically.

    Characters without a glyph show as boxes. At most ``_LABELS`` tokens per axis are labeled.
    """
    with drawing():
        figure = _figure(attention, visible(title))
        write_atomically(path, lambda file: figure.savefig(file, format="png", metadata=_METADATA))


def _figure(attention: AttentionMap, title: str) -> Figure:
    from matplotlib.figure import Figure

    rows, columns = attention.weights.shape
    size = (_inches(columns) + 1.4, _inches(rows) + 0.8)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(attention.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, label="attention weight")
    axes.set(xlabel="source", ylabel="prediction")
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(*_ticks(attention.source))
    axes.set_yticks(*_ticks(attention.target, end=rows > len(attention.target)))
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.set_title(title)]
    any_script(labels)
    for label in labels:
        label.set_fontsize(9)
    return figure


def small_figure(attention: AttentionMap) -> Figure:
    """Return a heat map that is drawn fast, without a legend."""
    from matplotlib.figure import Figure

    rows, columns = attention.weights.shape
    figure = Figure(figsize=(_inches(columns) + 1, _inches(rows) + 1), dpi=80)
    axes = figure.subplots()
    axes.imshow(attention.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(xlabel="source", ylabel="prediction")
    axes.set_xticks(*_ticks(attention.source))
    axes.set_yticks(*_ticks(attention.target, end=rows > len(attention.target)))
    any_script([*axes.get_xticklabels(), *axes.get_yticklabels()])
    return figure


def is_own_plot(begin: bytes) -> bool:
    """Return whether ``begin`` is the start of a file written by ``draw_attention``."""
    return b"Software\0seqcli" in begin


def row_names(attention: AttentionMap) -> list[str]:
    """Return a label for each row of weights: the predicted tokens, then ``<eos>`` if predicted."""
    rows = len(attention.weights)
    return list(map(_label, (*attention.target, None)))[:rows]


def _label(token: str | None) -> str:
    """Return the label of a token; a space is shown as ␣."""
    return "␣" if token == " " else token_label(token)


def _narrow(text: str) -> str:
    """Shorten a label to fit a narrow column."""
    return text if cell_len(text) <= _WIDEST else set_cell_size(text, _WIDEST - 1) + "…"


def _fill(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _shade(weight: float, blocks: str) -> str:
    return blocks[min(len(blocks) - 1, max(0, round(weight * (len(blocks) - 1))))]


def _inches(tokens: int) -> float:
    return min(max(tokens * 0.32, 1.6), 24.0)


def _ticks(tokens: Sequence[str], *, end: bool = False) -> tuple[range, list[str]]:
    """Return the positions and labels of the ticks of an axis."""
    names = [*map(token_label, tokens), *[token_label(None)] * end]
    places = range(0, len(names), -(-len(names) // _LABELS) or 1)
    return places, [names[place] for place in places]
