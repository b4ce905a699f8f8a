"""Build report.html: a page with all results of a comparison, and its plots as SVG.

The page is self-contained: it loads no other files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seqcli.metrics.metric import shown
from seqcli.report.comparison_table import SPLITS, comparison_table, conclusions, missing_lines
from seqcli.report.page import bibtex, copyable, environment_rows, render
from seqcli.report.predictions import mark
from seqcli.report.summary import REASONS
from seqcli.report.svg_plots import attention_svg, curves_svg, history, inline
from seqcli.runs.environment import read_environments
from seqcli.runs.paths import RunPaths

if TYPE_CHECKING:
    from seqcli.comparison.run_result import RunResult, ShownPrediction
    from seqcli.comparison.summary import Comparison


CAPTIONS = {
    "curves": "Learning curves: mean over seeds, with a band from the lowest to the highest.",
    "loss": "Validation loss, teacher forced.",
    "lengths": "Sequence accuracy by length; training lengths are shaded.",
}
_NUMBER = re.compile(r"-?[0-9][0-9,]*\.?[0-9]*")


def comparison_page(comparison: Comparison, plots: Mapping[str, str]) -> str:
    """Return the HTML page; ``plots`` are those of `comparison_plots`."""
    table = comparison_table(comparison.arms, differing=comparison.differing)
    arms = len(comparison.arms)
    return render(
        "comparison.html",
        "compare",
        name=comparison.name,
        headers=[" ".join(column.header.split()) for column in table.columns],
        rows=[[(str(cell), _sort_key(str(cell))) for cell in row] for row in table.rows[:arms]],
        strong=table.strong,
        baselines=[list(map(str, row)) for row in table.rows[arms:]],
        caption=table.caption,
        copies=copyable(table),
        environment=_environment(comparison),
        bibtex=bibtex(),
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


def _sort_key(cell: str) -> str:
    """Return the sort key of a cell: its first number, else its text."""
    if ":" in cell and cell.replace(":", "").isdigit():  # a time
        seconds = 0
        for part in cell.split(":"):
            seconds = seconds * 60 + int(part)
        return str(seconds)
    number = _NUMBER.match(cell)
    return number[0].replace(",", "") if number else cell


def _environment(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return the command, versions and machine of the first run that recorded them."""
    for arm in comparison.arms:
        for result in arm.results:
            paths = RunPaths(Path(comparison.folder) / result.run)
            for one in read_environments(paths.environment)[:1]:
                return environment_rows(one)
    return []


def _run(comparison: Comparison, result: RunResult) -> dict[str, Any]:
    """Return the template's variables for one run."""
    folder = Path(comparison.folder) / result.run
    rows = history(comparison, result)
    metrics = [shown(name) for name in result.scores]
    return {
        "name": result.run,
        "page": _page_link(folder),
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


def _page_link(folder: Path) -> str:
    """Return the relative address of a run's page; "" if there is none."""
    page = RunPaths(folder).report
    return quote(f"{folder.name}/{page.name}") if page.is_file() else ""


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
