"""``seqcli tasks``."""

from __future__ import annotations

from seqcli.cli import options

EXAMPLES = """\
seqcli tasks
seqcli tasks --json"""


def tasks(json: options.Json = False) -> None:
    """List the tasks there are to train on, with an example of each."""
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.documents import tasks_document
    from seqcli.report.tables import tasks_table

    out, rows = Out.standard(json=json), api.tasks()
    if json:
        out.document(tasks_document(rows))
    out.show(tasks_table(rows))
    out.say(f"next: seqcli train --task {rows[0][0]} --cell gru --attention")
