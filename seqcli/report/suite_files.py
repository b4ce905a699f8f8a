"""What a suite shows and leaves: the tables of its comparisons, and ours beside the published."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.files.atomic import write_atomically
from seqcli.report.comparison_files import comparison_document, markdown_table
from seqcli.report.comparison_table import comparison_table, spread
from seqcli.report.formats import loss, percent
from seqcli.report.significance import verdict_lines
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.comparison.beside import Beside, SuiteOutcome


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
