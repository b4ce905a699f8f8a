"""Build report.html: a page with all results of a comparison, and its plots as SVG.

The page is self-contained: it loads no other files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seqcli import __version__
from seqcli.formatting import count, plural, visible
from seqcli.metrics.metric import Metric, shown
from seqcli.report.comparison_table import SPLITS, results_table, seeds_table
from seqcli.report.conclusions import conclusions, difference_tables, method, missing_lines
from seqcli.report.page import (
    bibtex,
    copyable,
    environment_rows,
    render,
    table_values,
    visible_cell,
)
from seqcli.report.predictions import mark
from seqcli.report.summary import REASONS
from seqcli.report.svg_plots import curves_svg, history, inline
from seqcli.report.tables import Table
from seqcli.runs.environment import Environment, read_environments
from seqcli.runs.paths import RunPaths

if TYPE_CHECKING:
    from seqcli.comparison.run_result import RunResult, ShownAttention, ShownPrediction
    from seqcli.comparison.summary import Comparison, Spread


CAPTIONS = {
    "curves": "Learning curves: mean over seeds, with a band from the lowest to the highest.",
    "loss": "Validation loss, teacher forced.",
    "lengths": "Sequence accuracy by length; training lengths are shaded.",
}
_NUMBER = re.compile(r"-?[0-9][0-9,]*\.?[0-9]*")


def comparison_page(comparison: Comparison, plots: Mapping[str, str]) -> str:
    """Return the HTML page; ``plots`` are those of `comparison_plots`."""
    table, seeds = results_table(comparison), seeds_table(comparison)
    pairs = difference_tables(comparison)
    environments = _environments(comparison)
    return render(
        "comparison.html",
        "compare",
        name=visible(comparison.name),
        results=_results(comparison, table),
        copies=copyable(table),
        pairs=[(table_values(one, one.title), copyable(one)) for one in pairs],
        seeds=table_values(seeds, "runs"),
        seed_copies=copyable(seeds),
        pages=[_page_link(Path(comparison.folder) / str(row[0])) for row in seeds.rows],
        folder=visible(comparison.folder),
        environment=environment_rows(*environments),
        sentence=_sentence(comparison, environments),
        bibtex=bibtex(),
        lengths="" if comparison.language else _lengths(comparison),
        conclusions=[visible(line) for line in conclusions(comparison)],
        missing=[visible(line) for line in missing_lines(comparison)],
        differing=_differing(comparison),
        split=SPLITS[comparison.split],
        notes=[visible(note) for note in comparison.notes],
        plots=[(inline(svg), CAPTIONS[name]) for name, svg in plots.items()],
        arms=[
            (
                visible(one.arm),
                visible(one.first.model),
                [_run(comparison, run) for run in one.results],
            )
            for one in comparison.arms
        ],
    )


def _results(comparison: Comparison, table: Table) -> dict[str, Any]:
    """Return the variables of the table of results, which can be sorted."""
    values = table_values(table, "results")
    arms = len(comparison.arms)
    keys = [[_sort_key(visible(str(cell))) for cell in row] for row in table.rows[:arms]]
    rows = [
        list(zip(row, key, strict=True)) for row, key in zip(values["rows"], keys, strict=False)
    ]
    return {**values, "rows": rows, "baselines": values["rows"][arms:]}


def _differing(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return (setting, its value for each arm) of the settings that differ."""
    arms = [one.arm for one in comparison.arms]
    return [
        (
            visible(key),
            ["" if values.get(arm) is None else visible(str(values[arm])) for arm in arms],
        )
        for key, values in comparison.differing.items()
    ]


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


def _environments(comparison: Comparison) -> list[Environment]:
    """Return what is recorded about the processes that trained the runs."""
    folders = [Path(comparison.folder) / run.run for arm in comparison.arms for run in arm.results]
    return [one for path in folders for one in read_environments(RunPaths(path).environment)]


def _sentence(comparison: Comparison, environments: Sequence[Environment]) -> str:
    """Describe the comparison, its results and its method in sentences for a paper."""
    first, metric = comparison.arms[0].first, comparison.metric
    seeds = sorted({len(one.results) for one in comparison.arms})
    each = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    models = ", ".join(f"{one.arm} ({one.first.model})" for one in comparison.arms)
    number = len(first.rows[comparison.split].score)
    scores = ", ".join(
        f"{one.arm} {_mean_and_deviation(one.scores[metric.name], metric)}"
        for one in comparison.arms
    )
    title = f"{metric.title[:1].upper()}{metric.title[1:]}"
    parts = [
        f"Models: {models}; {each} each, trained on {first.data}{_origin(environments)}.",
        f"{title} on {count(number)} {SPLITS[comparison.split]} rows, "
        f"mean ± standard deviation over seeds: {scores}.",
        f"{method(comparison)}." if comparison.tests else "Differences were not tested.",
    ]
    return visible(" ".join(parts))


def _mean_and_deviation(values: Spread, metric: Metric) -> str:
    if values.sd is None:
        return metric.write(values.mean)
    return f"{metric.format.bare(values.mean)} ± {metric.write(values.sd)}"


def _origin(environments: Sequence[Environment]) -> str:
    """Describe the versions, date and machine of the first process, and what differs later."""
    if not environments:
        return f" with seqcli {__version__}"
    first, *_ = environments
    commit = f" (commit {first.commit[:12]})" if first.commit else ""
    versions = {one.versions.get("seqcli", __version__) for one in environments}
    dates = sorted({one.started[:10] for one in environments})
    machines = sorted({one.processor for one in environments})
    return (
        f" with seqcli {', '.join(sorted(versions))}{commit}, "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}, on {', '.join(machines)}"
    )


def _run(comparison: Comparison, result: RunResult) -> dict[str, Any]:
    """Return the template's variables for one run."""
    folder = Path(comparison.folder) / result.run
    rows = history(comparison, result)
    metrics = [shown(name) for name in result.scores]
    return {
        "name": result.run,
        "page": _page_link(folder),
        "scores": [(one.label, one.write(result.scores[one.name])) for one in metrics],
        "reason": visible(REASONS.get(result.reason, ("", ""))[1] or result.reason),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "config": visible(_text(folder / "config.yaml"), keep="\n"),
        "curves": [
            inline(svg)
            for key in (f"val_{comparison.metric.name}", "val_loss")
            if (svg := curves_svg({result.run: [rows]}, key))
        ],
        "attention": _attention(result.attention_map) if result.attention_map else None,
        "predictions": [_prediction(one) for one in result.predictions],
        "samples": [visible(one) for one in result.samples],
    }


def _attention(attention: ShownAttention) -> dict[str, Any]:
    """Return the variables of an attention map."""
    rows = zip(map(visible, attention.target), attention.weights, strict=True)
    return {"columns": [visible(token) for token in attention.source], "rows": list(rows)}


def _page_link(folder: Path) -> str:
    """Return the relative address of a run's page; "" if there is none."""
    page = RunPaths(folder).report
    return quote(f"{folder.name}/{page.name}") if page.is_file() else ""


def _prediction(one: ShownPrediction) -> dict[str, Any]:
    return {
        "source": visible(one.source),
        "truth": visible(one.joiner.join(one.truth)),
        "segments": visible_cell(mark(one.truth, one.prediction, one.joiner)),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
