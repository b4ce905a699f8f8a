"""``seqcli tasks``."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from seqcli import registry
from seqcli.cli import options

EXAMPLES = """\
seqcli tasks
seqcli tasks patterns
seqcli tasks --json"""

WIDTH = 79  # of a paragraph

Name = Annotated[
    str | None,
    typer.Argument(
        help="A task, to be told what it is and which options it has.",
        metavar="NAME",
        autocompletion=options.completion(tuple(registry.TASKS)),
    ),
]


def tasks(name: Name = None, json: options.Json = False) -> None:
    """List the tasks there are to train on, with an example of each, or tell all of one."""
    if name is None:
        _list(json)
    else:
        _tell(name, json)


def _filled(paragraph: str) -> str:
    """Return a paragraph for a narrow terminal; what is set apart in it stays as it is."""
    apart = any(line.startswith((" ", "-")) for line in paragraph.splitlines())
    return paragraph if apart else textwrap.fill(paragraph, WIDTH)


def _list(json: bool) -> None:
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.json_documents import tasks_document
    from seqcli.report.tables import tasks_table

    out, rows = Out.standard(json=json), api.tasks()
    if json:
        out.document(tasks_document(rows))
    out.show(tasks_table(rows))
    out.info(f"options of a task: seqcli tasks {rows[0][0]}")
    out.info(f"next: seqcli train --task {rows[0][0]} --cell gru --attention")


def _tell(name: str, json: bool) -> None:
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.json_documents import task_document
    from seqcli.report.tables import task_options_table

    out, found = Out.standard(json=json), api.task(name)
    if json:
        out.document(task_document(found))
    else:
        example = " -> ".join(filter(None, found.example))
        about = "\n\n".join(map(_filled, found.about.split("\n\n")))
        out.write(f"{found.name}: {found.summary}\n\n  {example}\n\n{about}\n")
        out.show(task_options_table(found))
    out.info("options are set by --set task.KEY=VALUE (gen-data: --option KEY=VALUE)")
    out.info(f"next: seqcli train --task {found.name}")
