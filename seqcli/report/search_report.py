"""Write the report of a search: search.json, search.md and report.html; show its progress."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seqcli.comparison.run_result import RunResult
from seqcli.comparison.search import ModelSearch, SearchResult, Trial, Value, score_of
from seqcli.events import Event
from seqcli.files.atomic import write_atomically
from seqcli.formatting import duration, plural, visible
from seqcli.metrics.metric import Metric, find
from seqcli.report.console import Out
from seqcli.report.page import markdown_table, render
from seqcli.report.plots import draw_if_possible
from seqcli.report.runs_view import RunsView
from seqcli.report.svg_plots import inline, new_axes, svg_of
from seqcli.report.tables import Column, Table

SHOWN = 10  # trials in the table on the terminal


def write_search(result: SearchResult) -> None:
    """Write all files of a search into its folder, each atomically.

    Raises:
        SeqcliError, UsageError: the folder cannot be written.
    """
    folder = Path(result.folder)
    document = json.dumps(search_document(result), indent=1)
    _write(folder / "search.json", document + "\n")
    _write(folder / "search.md", _markdown(result))
    _write(folder / "report.html", _page(result))


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))


def search_document(result: SearchResult) -> dict[str, Any]:
    """Return the ``--json`` document of a search."""
    return {
        "name": result.name,
        "folder": result.folder,
        "metric": result.metric.name,
        "split": "val",
        "parameters": list(map(str, result.parameters)),
        "models": [_model_document(one) for one in result.models],
        "notes": list(result.notes),
    }


def _model_document(model: ModelSearch) -> dict[str, Any]:
    return {
        "arm": model.arm,
        "best": _trial_document(model.best) if model.best else None,
        "command": model.command,
        "trials": [_trial_document(one) for one in model.trials],
    }


def _trial_document(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "run": trial.run,
        "values": dict(trial.values),
        "metrics": dict(trial.metrics),
        "seconds": trial.seconds,
        "failed": trial.failed,
    }


def trials_table(result: SearchResult, model: ModelSearch, limit: int | None = None) -> Table:
    """Return the trials of a model, the best first."""
    metric, loss = result.metric, find("loss")
    columns = [Column("trial", right=True)]
    columns += [Column(one.leaf, right=not one.choices, keep=True) for one in result.parameters]
    columns += [Column(metric.label, right=True), Column(loss.label, right=True)]
    ordered = sorted(model.trials, key=lambda one: -score_of(one.metrics, metric))
    rows = [
        (
            str(one.number),
            *(shown_value(one.values[parameter.key]) for parameter in result.parameters),
            metric.write(one.metrics[metric.name]) if one.metrics else "failed",
            loss.write(one.metrics["loss"]) if "loss" in one.metrics else "",
            duration(one.seconds),
        )
        for one in ordered[:limit]
    ]
    caption = "scores on validation, the best trial first; test was not used"
    if limit is not None and len(ordered) > limit:
        caption += f"; {limit} of {plural(len(ordered), 'trial')}"
    return Table((*columns, Column("time", right=True)), tuple(rows), model.arm, caption)


def shown_value(value: Value) -> str:
    """Format the value of a parameter."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def best_line(result: SearchResult, model: ModelSearch) -> str:
    """Describe the best trial of a model in one line."""
    count = plural(len(model.trials), "trial")
    if model.best is None:
        return f"{model.arm}: all of {count} failed: {model.trials[0].failed}"
    values = ", ".join(f"{key}={shown_value(value)}" for key, value in model.best.values.items())
    metric = result.metric
    score = f"{metric.label} {metric.write(model.best.metrics[metric.name])} on validation"
    return f"{model.arm}: best of {count}: {values} ({score})"


def failed_lines(result: SearchResult) -> list[str]:
    """Return a line for each trial that failed."""
    trials = [one for model in result.models for one in model.trials if one.failed]
    return [f"failed: {one.run}: {one.failed}" for one in trials]


def _markdown(result: SearchResult) -> str:
    lines = [f"# Search: {result.name}", "", *(f"- `{one}`" for one in result.parameters)]
    for model in result.models:
        table = trials_table(result, model)
        lines += ["", f"## {model.arm}", "", *markdown_table(table), "", table.caption, ""]
        lines += [f"- {visible(best_line(result, model))}"]
        lines += ["", "```sh", model.command, "```"] if model.command else []
    lines += ["", *(f"- {visible(line)}" for line in failed_lines(result))]
    lines += [f"- note: {visible(one)}" for one in result.notes]
    return "\n".join(lines).rstrip() + "\n"


def _page(result: SearchResult) -> str:
    """Return the HTML page of a search."""
    models = []
    for model in result.models:
        table = trials_table(result, model)
        models.append(
            {
                "arm": visible(model.arm),
                "headers": [visible(column.header) for column in table.columns],
                "rows": [[visible(str(cell)) for cell in row] for row in table.rows],
                "caption": table.caption,
                "best": visible(best_line(result, model)),
                "command": visible(model.command),
                "plots": _plots(result, model),
            }
        )
    return render(
        "search.html",
        "compare --search",
        name=visible(result.name),
        parameters=[visible(str(one)) for one in result.parameters],
        models=models,
        failed=[visible(line) for line in failed_lines(result)],
        notes=[visible(note) for note in result.notes],
    )


def _plots(result: SearchResult, model: ModelSearch) -> list[str]:
    """Return a plot of the metric against each parameter, as SVG."""
    plots: list[str] = []
    for parameter in result.parameters:
        values = [one.values[parameter.key] for one in model.trials if not one.failed]
        scores = [one.metrics[result.metric.name] for one in model.trials if not one.failed]

        def draw(
            values: Sequence[Value] = values,
            scores: Sequence[float] = scores,
            key: str = parameter.key,
            log: bool = parameter.log,
        ) -> None:
            axes = new_axes(result.metric.label, key)
            axes.plot([str(one) if isinstance(one, str) else one for one in values], scores, "o")
            if log:
                axes.set_xscale("log")
            plots.append(inline(svg_of(axes)))

        draw_if_possible(Path(result.folder) / "report.html", draw)
    return plots


class SearchView(RunsView):
    """A listener for the trials of a search: those that run, and the best score so far."""

    def __init__(
        self, out: Out, total: int, metric: Metric, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(out, total, clock)
        self._metric = metric

    def __call__(self, run: str, event: Event | RunResult) -> None:
        """Handle an event of a trial, or its result."""
        if isinstance(event, RunResult):
            score = event.validation[self._metric.name]
            text = f"validation {self._metric.label} {self._metric.write(score)}"
            self.end(run, text, event.seconds)
        else:
            self.show(run, event)
