"""What a comparison leaves in its folder: compare.json, compare.md, plots, report.html."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.files.atomic import write_atomically
from seqcli.formatting import visible
from seqcli.report.comparison_plots import Curves, curves_svg, lengths_svg
from seqcli.report.comparison_table import comparison_table
from seqcli.report.comparison_view import method, verdict_lines
from seqcli.report.tables import Table
from seqcli.runs.metrics_log import read_metrics

if TYPE_CHECKING:
    from seqcli.comparison.run_result import RunResult
    from seqcli.comparison.summary import Comparison, Standing
from typing import TYPE_CHECKING

from seqcli.formatting import loss, percent
from seqcli.report.comparison_table import spread
from seqcli.report.tables import Column

if TYPE_CHECKING:
    from seqcli.comparison.published import Beside, SuiteOutcome


ROW_LISTS = ("rows", "answers", "look", "samples")  # too long for a summary
PLOTS = ("curves", "loss", "lengths")


def write_comparison(comparison: Comparison) -> None:
    """Write all files of a comparison into its folder, each whole or not at all.

    Raises:
        SeqcliError, UsageError: the folder cannot be written.
    """
    from seqcli.report.comparison_page import page

    folder = Path(comparison.folder)
    plots = comparison_plots(comparison)
    document = json.dumps(_finite(comparison_document(comparison)), indent=1, allow_nan=False)
    _write(folder / "compare.json", document + "\n")
    _write(folder / "compare.md", markdown(comparison, plots))
    for name in PLOTS:
        if name in plots:
            _write(folder / f"{name}.svg", plots[name])
        else:
            (folder / f"{name}.svg").unlink(missing_ok=True)
    _write(folder / "report.html", page(comparison, plots))


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return what ``--json`` prints: how every arm and run stands, and what is clear."""
    return {
        "name": comparison.name,
        "folder": comparison.folder,
        "metric": comparison.metric,
        "split": comparison.split,
        "best_on_validation": comparison.best,
        "differing_settings": {key: dict(values) for key, values in comparison.differing.items()},
        "arms": [_arm_document(one) for one in comparison.standings],
        "baselines": {name: dict(scores) for name, scores in comparison.baselines.items()},
        "trained_lengths": dict(comparison.standings[0].first.trained_lengths),
        "verdicts": [asdict(one) for one in comparison.verdicts],
        **_tests_document(comparison),
        "verdict": verdict_lines(comparison),
        "missing": list(comparison.missing),
        "left_out": dict(comparison.left_out),
        "notes": list(comparison.notes),
    }


def _tests_document(comparison: Comparison) -> dict[str, Any]:
    """Return every pair that was tested, the groups without a difference, and the method."""
    return {
        "differences": [
            {**asdict(one), "significant": one.significant} for one in comparison.tests
        ],
        "no_significant_difference": {
            scope: [list(group) for group in groups] for scope, groups in comparison.ties.items()
        },
        "too_few_seeds": dict(comparison.too_few_seeds),
        "verdict_method": method(comparison),
    }


def markdown(comparison: Comparison, plots: Mapping[str, str]) -> str:
    """Return the comparison as Markdown: the table, the verdict, the plots."""
    table = comparison_table(comparison.standings, differing=comparison.differing)
    lines = [f"# {comparison.name}", "", *markdown_table(table), "", visible(table.caption), ""]
    lines += [f"- {line}" for line in verdict_lines(comparison)]
    lines += [f"- not finished: {run}" for run in comparison.missing]
    lines += [f"- left out: {run}: {visible(why)}" for run, why in comparison.left_out.items()]
    lines += [f"- note: {visible(note)}" for note in comparison.notes]
    lines += [line for name in plots for line in ("", f"![{name}]({name}.svg)")]
    return "\n".join(lines) + "\n"


def comparison_plots(comparison: Comparison) -> dict[str, str]:
    """Return the plots as SVG, by name."""
    curves = histories(comparison)
    if comparison.language:
        drawn = {"curves": curves_svg(curves, "val_bits_per_character", "validation bits/char")}
    else:
        label = "validation sequence accuracy"
        drawn = {
            "curves": curves_svg(curves, "val_sequence_accuracy", label),
            "loss": curves_svg(curves, "val_loss", "validation loss (nats per token)"),
            "lengths": lengths_svg(comparison),
        }
    return {name: svg for name, svg in drawn.items() if svg}


def histories(comparison: Comparison) -> Curves:
    """Return arm -> seed -> the rows of metrics.jsonl."""
    return {
        one.arm: [history(comparison, result) for result in one.results]
        for one in comparison.standings
    }


def history(comparison: Comparison, result: RunResult) -> list[dict[str, float]]:
    """Return the rows of a run's metrics.jsonl."""
    return read_metrics(Path(comparison.folder) / result.run / "metrics.jsonl")


def _arm_document(standing: Standing) -> dict[str, Any]:
    first = standing.first
    return {
        "arm": standing.arm,
        "model": first.model,
        "cell": first.cell,
        "attention": first.attention,
        "positions": first.positions,
        "parameters": first.parameters,
        "steps": standing.steps,
        "seconds": standing.seconds,
        "sequences_per_second": standing.sequences_per_second,
        "scores": {name: asdict(spread) for name, spread in standing.scores.items()},
        "validation": {name: asdict(spread) for name, spread in standing.validation.items()},
        "scopes": dict(standing.scopes),
        "by_length": [asdict(one) for one in standing.by_length],
        "runs": [_run_document(one) for one in standing.results],
    }


def _run_document(result: RunResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name not in ROW_LISTS}


def markdown_table(table: Table) -> Iterable[str]:
    """Yield the lines of a table in Markdown."""
    headers = [" ".join(column.header.split()) for column in table.columns]
    yield _markdown_row(headers)
    yield _markdown_row("---:" if column.right else "---" for column in table.columns)
    for row in table.rows:
        yield _markdown_row(str(cell) for cell in row)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _finite(value: Any) -> Any:
    """Return a document in which numbers that are not finite are null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))


def write_suite(outcome: SuiteOutcome) -> None:
    """Write suite.json and suite.md into the suite's folder.

    Raises:
        SeqcliError, UsageError: the folder cannot be written.
    """
    folder = Path(outcome.folder)
    document = json.dumps(suite_document(outcome), indent=1)
    write_atomically(folder / "suite.json", lambda file: file.write(document.encode()))
    text = _markdown(outcome)
    write_atomically(folder / "suite.md", lambda file: file.write(text.encode()))


def beside_table(outcome: SuiteOutcome) -> Table:
    """Return the published numbers with ours before them."""
    headers = ("comparison", "model", "metric", "ours", "published", "source")
    columns = tuple(Column(one, right=one in ("ours", "published")) for one in headers)
    return Table(columns, tuple(_row(one) for one in outcome.rows), stacks=True)


def suite_document(outcome: SuiteOutcome) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "suite": outcome.name,
        "about": outcome.about,
        "folder": outcome.folder,
        "comparisons": [comparison_document(one) for one in outcome.comparisons],
        "beside": [asdict(one) for one in outcome.rows],
    }


def _row(one: Beside) -> tuple[str, ...]:
    told = one.published
    write = percent if told.metric.endswith("_accuracy") else loss
    ours = "-" if one.ours is None else spread(one.ours, write)
    metric = f"{told.metric.replace('_', ' ')}, {told.scope}"
    return one.comparison, told.arm, metric, ours, told.value, told.source


def _markdown(outcome: SuiteOutcome) -> str:
    lines = [f"# Suite {outcome.name}", "", outcome.about]
    for one in outcome.comparisons:
        name = Path(one.folder).name
        lines += ["", f"## [{one.name}]({name}/report.html)", ""]
        table = comparison_table(one.standings, differing=one.differing)
        lines += [*markdown_table(table), "", table.caption]
        lines += ["", *(f"- {line}" for line in verdict_lines(one))]
    if outcome.rows:
        lines += ["", "## Ours beside what is published", ""]
        lines += markdown_table(beside_table(outcome))
    return "\n".join(lines) + "\n"
