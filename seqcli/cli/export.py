"""``seqcli export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcli import registry
from seqcli.cli import options
from seqcli.report.console import Out

EXAMPLES = """\
seqcli export runs/reverse-gru-attention --to onnx --out exported
seqcli export runs/reverse-gru-attention --to html --out reverse.html
seqcli export runs/reverse-gru-attention --to safetensors --out exported
seqcli export names.pt --to safetensors --out names.safetensors"""

To = Annotated[str, options.choice("--to", "The format.", registry.EXPORTS)]
Place = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Output file; a folder for onnx, and for safetensors without the suffix .safetensors.",
        metavar="PATH",
        parser=options.path_to_write,
    ),
]
Rows = Annotated[
    int, typer.Option("--rows", help="Rows used to check the exported model.", metavar="N", min=1)
]


def export(
    to: To,
    out_path: Place,
    run: options.Runs = None,
    ckpt: options.Checkpoint = None,
    rows: Rows = 64,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Export a trained model to another format.

    An ONNX model is run and compared with the original before the command ends. An HTML page runs
    the model in the browser, and compares itself with the original when it opens.
    """
    from seqcli import api
    from seqcli.formatting import plural
    from seqcli.report.json_documents import export_document

    out = Out.standard(json=json, quiet=quiet, product=False)
    exported = api.export(options.models(run, ckpt), to=to, out=out_path, rows=rows, force=force)
    if json:
        out.document(export_document(exported))
    out.write_lines(exported.files)
    if exported.rows:
        out.info(
            f"checked against the original on {plural(exported.rows, 'row')} "
            f"({plural(exported.steps, 'step')}): {exported.compared} "
            f"{exported.largest_difference:.1e}",
            prose=True,
        )
    for note in exported.notes:
        out.info(f"note: {note}")
