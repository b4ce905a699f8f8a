"""``seqcli info``."""

from __future__ import annotations

from seqcli.cli import options

EXAMPLES = """\
seqcli info runs/reverse-gru-attention
seqcli info names.pt --json
seqcli info runs/compare-reverse/gru-s1 runs/compare-reverse/gru-s2"""


def info(
    run: options.Runs = None, ckpt: options.Checkpoint = None, json: options.Json = False
) -> None:
    """Describe a checkpoint: model, data, scores, and how to use it."""
    from seqcli import api
    from seqcli.report.console import Out, draws
    from seqcli.report.info_view import checkpoint_lines
    from seqcli.report.json_documents import info_document

    out = Out.standard(json=json)
    checkpoint = api.info(options.models(run, ckpt))
    if json:
        out.document(info_document(checkpoint))
    width = out.stdout.width if draws(out.stdout) else None
    out.write_lines(checkpoint_lines(checkpoint, width))
