"""``seqcli info`` and ``seqcli runs``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from seqcli.cli import options
from seqcli.report.console import Out, draws
from seqcli.runs import ROOT

INFO_EXAMPLES = """\
seqcli info runs/reverse-gru-attention
seqcli info names.pt --json
seqcli info runs/compare-reverse/gru-s1 runs/compare-reverse/gru-s2"""

RUNS_EXAMPLES = """\
seqcli runs
seqcli runs runs/compare-reverse
seqcli runs --json"""

Folder = Annotated[
    Path | None,
    typer.Argument(
        help="Folder to search, also in its subfolders.",
        metavar="FOLDER",
        parser=options.path_to_read,
        show_default="runs",
    ),
]


def info(
    run: options.Runs = None, ckpt: options.Checkpoint = None, json: options.Json = False
) -> None:
    """Describe a checkpoint: model, data, scores, and how to use it."""
    from seqcli import api
    from seqcli.report.info_view import checkpoint_lines
    from seqcli.report.json_documents import info_document

    out = Out.standard(json=json)
    checkpoint = api.info(options.models(run, ckpt))
    if json:
        out.document(info_document(checkpoint))
    width = out.stdout.width if draws(out.stdout) else None
    out.write_lines(checkpoint_lines(checkpoint, width))


def runs(folder: Folder = None, json: options.Json = False) -> None:
    """List the runs in a folder: data, model, state and validation scores, newest first."""
    from seqcli import api
    from seqcli.report.info_view import runs_table
    from seqcli.report.json_documents import runs_document

    out, found = Out.standard(json=json), api.list_runs(folder or ROOT)
    if json:
        out.document(runs_document(found))
    elif found:
        out.show(runs_table(found))
    else:
        out.info(f"{folder or ROOT} has no runs\nnext: seqcli train --task reverse")
    if found:
        out.info(f"next: seqcli info {shlex.quote(found[0].path)}")
