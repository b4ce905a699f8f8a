"""``seqcli tasks``."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from seqcli import registry
from seqcli.cli import completing, options
from seqcli.report.console import Out

EXAMPLES = """\
seqcli tasks
seqcli tasks patterns
seqcli tasks --json"""

WIDTH = 79  # terminal cells of a paragraph

Name = Annotated[
    str | None,
    typer.Argument(
        help="Task to describe in full, with its options.",
        metavar="NAME",
        autocompletion=completing.names(lambda: tuple(registry.TASKS)),
    ),
]


def tasks(name: Name = None, json: options.Json = False) -> None:
    """List the synthetic tasks, or describe one task in full."""
    if name is None:
        _list(json)
    else:
        _describe(name, json)


def _wrap(paragraph: str) -> str:
    """Wrap a paragraph for a narrow terminal; indented blocks and lists are left unchanged."""
    is_block = any(line.startswith((" ", "-")) for line in paragraph.splitlines())
    return paragraph if is_block else textwrap.fill(paragraph, WIDTH)


def _list(json: bool) -> None:
    from seqcli import api
    from seqcli.report.json_documents import tasks_document
    from seqcli.report.tables import tasks_table

    out, rows = Out.standard(json=json), api.tasks()
    if json:
        out.document(tasks_document(rows))
    out.show(tasks_table(rows))
    out.info(f"options of a task: seqcli tasks {rows[0][0]}")
    out.info(f"next: seqcli train --task {rows[0][0]} --cell gru --attention")


def _describe(name: str, json: bool) -> None:
    from seqcli import api
    from seqcli.report.json_documents import task_document
    from seqcli.report.tables import task_options_table

    out, task = Out.standard(json=json), api.task(name)
    if json:
        out.document(task_document(task))
    else:
        example = " -> ".join(filter(None, task.example))
        about = "\n\n".join(map(_wrap, task.about.split("\n\n")))
        out.write(f"{task.name}: {task.summary}\n\n  {example}\n\n{about}\n")
        out.show(task_options_table(task))
    out.info("set options with --set task.KEY=VALUE (gen-data: --option KEY=VALUE)")
    out.info(f"next: seqcli train --task {task.name}")
