"""``seqcli report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcli.cli import options
from seqcli.errors import UsageError
from seqcli.report.console import Out

EXAMPLES = """\
seqcli report runs/reverse-gru-attention
seqcli report runs/reverse-gru-attention --split val --out reverse.html
seqcli report names.pt"""

Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Split to score: train, val or test.",
        metavar="NAME",
        show_default="test, or val without test rows",
    ),
]
PageFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Output file.",
        metavar="FILE.html",
        parser=options.path_to_write,
        show_default="RUN/report.html",
    ),
]
Rows = Annotated[int, typer.Option("--rows", help="Predictions to show.", metavar="N", min=1)]


def report(
    run: options.Runs = None,
    ckpt: options.Checkpoint = None,
    split: Split = None,
    out_path: PageFile = None,
    rows: Rows = 10,
    backend: options.InferenceBackend = None,
    device: options.InferenceDevice = None,
    threads: options.InferenceThreads = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write an HTML page about a run: curves, scores, errors, attention, data and settings.

    The page is one file that opens without a server or a network.
    """
    from seqcli import api

    named = options.models(run, ckpt)
    if len(named) > 1:
        hint = "train an ensemble with --ensemble, or compare the runs with seqcli compare"
        raise UsageError("a page is about one run", hint)
    out = Out.standard(json=json, quiet=quiet, product=False)
    page = api.write_report(
        named[0],
        out=out_path,
        split=split,
        rows=rows,
        backend=backend,
        device=device,
        threads=threads,
    )
    if json:
        out.document({"page": str(page)})
    out.write(str(page))
