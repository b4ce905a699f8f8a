"""Write the files of a comparison (compare.json, compare.md, plots, report.html) or a suite."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.files.atomic import write_atomically
from seqcli.formatting import visible
from seqcli.metrics.metric import shown
from seqcli.report.comparison_page import comparison_page
from seqcli.report.comparison_table import SCOPES, results_table, seeds_table, spread
from seqcli.report.conclusions import conclusions, difference_tables, method, missing_lines
from seqcli.report.page import markdown_table
from seqcli.report.svg_plots import comparison_plots
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.comparison.run_result import RunResult
    from seqcli.comparison.suites import PublishedResult, SuiteResult
    from seqcli.comparison.summary import ArmSummary, Comparison

ROW_LISTS = (
    "rows",
    "predictions",
    "attention_map",
    "samples",
)  # omitted because they are too long for a summary
PLOTS = ("curves", "loss", "lengths")


def write_comparison(comparison: Comparison) -> None:
    """Write all files of a comparison into its folder, each atomically.

    Raises:
        SeqcliError, UsageError: the folder cannot be written.
    """
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
    _write(folder / "report.html", comparison_page(comparison, plots))


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return the ``--json`` document: results of every arm and run, and the conclusions."""
    return {
        "name": comparison.name,
        "folder": comparison.folder,
        "metric": comparison.metric.name,
        "split": comparison.split,
        "best_on_validation": comparison.best,
        "differing_settings": {key: dict(values) for key, values in comparison.differing.items()},
        "arms": [_arm_document(one) for one in comparison.arms],
        "baselines": {name: dict(scores) for name, scores in comparison.baselines.items()},
        "trained_lengths": dict(comparison.arms[0].first.trained_lengths),
        "significant_differences": [asdict(one) for one in comparison.significant_differences],
        **_tests_document(comparison),
        "conclusions": conclusions(comparison),
        "missing": list(comparison.missing),
        "failed": {run: failed.message for run, failed in comparison.failed.items()},
        "left_out": dict(comparison.left_out),
        "notes": list(comparison.notes),
    }


def _tests_document(comparison: Comparison) -> dict[str, Any]:
    """Return the tested pairs, the groups without significant differences, and the method."""
    return {
        "differences": [
            {**asdict(one), "significant": one.significant} for one in comparison.tests
        ],
        "no_significant_difference": {
            scope: [list(group) for group in groups] for scope, groups in comparison.ties.items()
        },
        "too_few_seeds": dict(comparison.too_few_seeds),
        "method": method(comparison),
    }


def markdown(comparison: Comparison, plots: Mapping[str, str]) -> str:
    """Return the comparison as Markdown: table, conclusions and plots."""
    table = results_table(comparison)
    lines = [f"# {comparison.name}", "", *markdown_table(table), "", visible(table.notes), ""]
    lines += [f"- {line}" for line in conclusions(comparison)]
    lines += [f"- {visible(line)}" for line in missing_lines(comparison)]
    lines += [f"- note: {visible(note)}" for note in comparison.notes]
    for one in (*difference_tables(comparison), seeds_table(comparison)):
        heading = one.title or "seeds"
        lines += ["", f"## {heading[:1].upper()}{heading[1:]}", "", *markdown_table(one)]
        lines += ["", visible(one.notes)]
    lines += [line for name in plots for line in ("", f"![{name}]({name}.svg)")]
    return "\n".join(lines) + "\n"


def _arm_document(arm: ArmSummary) -> dict[str, Any]:
    first = arm.first
    return {
        "arm": arm.arm,
        "model": first.model,
        "cell": first.cell,
        "attention": first.attention,
        "positions": first.positions,
        "parameters": first.parameters,
        "steps": arm.steps,
        "seconds": arm.seconds,
        "sequences_per_second": arm.sequences_per_second,
        "scores": {name: asdict(spread) for name, spread in arm.scores.items()},
        "validation": {name: asdict(spread) for name, spread in arm.validation.items()},
        "scopes": dict(arm.scopes),
        "by_length": [asdict(one) for one in arm.by_length],
        "runs": [_run_document(one) for one in arm.results],
    }


def _run_document(result: RunResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name not in ROW_LISTS}


def _finite(value: Any) -> Any:
    """Replace numbers that are not finite by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))


def write_suite(suite: SuiteResult) -> None:
    """Write suite.json and suite.md into the suite's folder.

    Raises:
        SeqcliError, UsageError: the folder cannot be written.
    """
    folder = Path(suite.folder)
    document = json.dumps(suite_document(suite), indent=1)
    write_atomically(folder / "suite.json", lambda file: file.write(document.encode()))
    text = _markdown(suite)
    write_atomically(folder / "suite.md", lambda file: file.write(text.encode()))


def published_table(suite: SuiteResult) -> Table:
    """Return the table of our results next to published ones."""
    headers = ("comparison", "model", "metric", "ours", "published", "source")
    columns = tuple(Column(one, right=one in ("ours", "published")) for one in headers)
    return Table(columns, tuple(_row(one) for one in suite.rows), stacks=True)


def suite_document(suite: SuiteResult) -> dict[str, Any]:
    """Return the ``--json`` document of a suite."""
    return {
        "suite": suite.name,
        "about": suite.about,
        "folder": suite.folder,
        "comparisons": [comparison_document(one) for one in suite.comparisons],
        "published": [asdict(one) for one in suite.rows],
    }


def _row(one: PublishedResult) -> tuple[str, ...]:
    published = one.published
    metric = shown(published.metric)
    ours = "-" if one.ours is None else spread(one.ours, metric)
    where = f"{metric.label}, {SCOPES.get(published.scope, published.scope)}"
    return one.comparison, published.arm, where, ours, published.value, published.source


def _markdown(suite: SuiteResult) -> str:
    lines = [f"# Suite {suite.name}", "", suite.about]
    for one in suite.comparisons:
        name = Path(one.folder).name
        lines += ["", f"## [{one.name}]({name}/report.html)", ""]
        table = results_table(one)
        lines += [*markdown_table(table), "", table.notes]
        lines += ["", *(f"- {line}" for line in conclusions(one))]
    if suite.rows:
        lines += ["", "## Our results and published ones", ""]
        lines += markdown_table(published_table(suite))
    return "\n".join(lines) + "\n"
