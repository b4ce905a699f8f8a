"""report.html: one page that holds all of a comparison and needs nothing else, online or off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.report.comparison_plots import GREY, curves_svg, look_svg
from seqcli.report.comparison_table import SPLITS, comparison_table
from seqcli.report.comparison_view import verdict_lines
from seqcli.report.predictions import mark, symbols_of

if TYPE_CHECKING:
    from jinja2 import Template

    from seqcli.comparison.run_result import Answer, RunResult
    from seqcli.comparison.summary import Comparison

TEMPLATE = Path(__file__).parent / "templates" / "comparison.html"
CAPTIONS = {
    "curves": "Learning curves: the mean over seeds, the band from the lowest to the highest.",
    "loss": "Validation loss, teacher forced.",
    "lengths": "Sequence accuracy by length; the lengths of training are shaded.",
}
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9][0-9,]*\.?[0-9]*")


def page(comparison: Comparison, plots: Mapping[str, str]) -> str:
    """Return the page; ``plots`` as `seqcli.report.comparison_files.comparison_plots` gives."""
    table = comparison_table(comparison.standings, differing=comparison.differing)
    arms = len(comparison.standings)
    return _template().render(
        name=comparison.name,
        headers=[" ".join(column.header.split()) for column in table.columns],
        rows=[[(str(cell), _sortable(str(cell))) for cell in row] for row in table.rows[:arms]],
        strong=table.strong,
        baselines=[list(map(str, row)) for row in table.rows[arms:]],
        caption=table.caption,
        lengths="" if comparison.language else _lengths(comparison),
        verdict=verdict_lines(comparison),
        missing=comparison.missing,
        left_out=comparison.left_out,
        differing=comparison.differing,
        split=SPLITS[comparison.split],
        notes=comparison.notes,
        plots=[(inline(svg), CAPTIONS[name]) for name, svg in plots.items()],
        arms=[
            (one.arm, one.first.model, [_run(comparison, result) for result in one.results])
            for one in comparison.standings
        ],
    )


def _lengths(comparison: Comparison) -> str:
    spans = comparison.standings[0].first.trained_lengths
    (low, high), (least, most) = spans["source"], spans["target"]
    return f"Trained on sources of {low} to {high} symbols and targets of {least} to {most}."


def inline(svg: str) -> str:
    """Return a plot fit to stand in a page: in the color of its text, without metadata."""
    return _METADATA.sub("", svg).replace(GREY, "currentColor")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text("utf-8"))


def _sortable(cell: str) -> str:
    """Return what a column is sorted by: the first number of a cell, else its text."""
    if ":" in cell and cell.replace(":", "").isdigit():  # a time
        seconds = 0
        for part in cell.split(":"):
            seconds = seconds * 60 + int(part)
        return str(seconds)
    found = _NUMBER.match(cell)
    return found[0].replace(",", "") if found else cell


def _run(comparison: Comparison, result: RunResult) -> dict[str, Any]:
    """Return what the page tells of one run."""
    from seqcli.report.comparison_files import history

    folder = Path(comparison.folder) / result.run
    rows = history(comparison, result)
    decided = "val_bits_per_character" if result.language else "val_sequence_accuracy"
    return {
        "name": result.run,
        "scores": result.scores,
        "reason": result.reason,
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "config": _text(folder / "config.yaml"),
        "curves": [
            inline(svg)
            for metric in (decided, "val_loss")
            if (svg := curves_svg({result.run: [rows]}, metric, metric.replace("_", " ")))
        ],
        "look": inline(look_svg(result.look)) if result.look else "",
        "answers": [_answer(one) for one in result.answers],
        "samples": result.samples,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    truth = symbols_of(answer.truth, answer.joiner)
    prediction = symbols_of(answer.prediction, answer.joiner)
    return {
        "source": answer.source,
        "truth": answer.truth,
        "right": truth == prediction,
        "segments": mark(truth, prediction, answer.joiner),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
