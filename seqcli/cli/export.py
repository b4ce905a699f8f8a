"""``seqcli export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcli import registry
from seqcli.cli import options

EXAMPLES = """\
seqcli export runs/reverse-gru-attention --to onnx --out exported
seqcli export names.pt --to safetensors --out names.safetensors"""

To = Annotated[
    str,
    typer.Option(
        "--to",
        help=f"The format, one of {', '.join(registry.EXPORTS)}.",
        metavar="NAME",
        autocompletion=options.completion(tuple(registry.EXPORTS)),
    ),
]
Place = Annotated[
    Path,
    typer.Option(
        "--out",
        help="The file to write; for onnx a folder.",
        metavar="PATH",
        parser=options.out_path,
    ),
]
Rows = Annotated[
    int, typer.Option("--rows", help="Rows to compare the outputs on.", metavar="N", min=1)
]


def export(
    ckpt: options.SomeCheckpoint,
    to: To,
    out_path: Place,
    rows: Rows = 64,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a trained model for other programs, checked against the original."""
    from seqcli import api
    from seqcli.formatting import plural
    from seqcli.report.console import Out
    from seqcli.report.json_documents import export_document

    out = Out.standard(json=json, quiet=quiet, product=False)
    found = api.export(ckpt, to=to, out=out_path, rows=rows, force=force)
    if json:
        out.document(export_document(found))
    out.write_lines(found.files)
    if found.rows:
        out.info(
            f"compared with the original on {plural(found.rows, 'row')}, "
            f"{plural(found.steps, 'step')}: the same "
            f"answers, logits within {found.largest_difference:.1e}"
        )
    for note in found.notes:
        out.info(f"note: {note}")
