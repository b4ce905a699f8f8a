"""Draw attention weights as a heat map, in the terminal and as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from seqcli.files.atomic import write_atomically
from seqcli.formatting import token_label, visible
from seqcli.report.console import Out, draws
from seqcli.report.plots import any_script, drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqcli.results import AttentionMap

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
