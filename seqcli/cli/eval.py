"""``seqcli eval``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli.cli import options

if TYPE_CHECKING:
    from seqcli.results import Evaluation

EXAMPLES = """\
seqcli eval --ckpt runs/reverse-gru-attention
seqcli eval --ckpt runs/reverse-gru-attention --beam 5 --json
seqcli eval --ckpt models/pairs.pt --data more.tsv --predictions answers.tsv
seqcli eval --ckpt names.pt --data names_test.txt"""

Split = Annotated[
    str, typer.Option("--split", help="The rows to score: train, val or test.", metavar="NAME")
]
OtherData = Annotated[
    Path | None,
    typer.Option("--data", help="Score this folder or file instead.", metavar="PATH"),
]
Predictions = Annotated[
    Path | None,
    typer.Option("--predictions", help="Write every prediction to this file.", metavar="FILE.tsv"),
]


def evaluate(
    ckpt: options.Checkpoint,
    split: Split = "test",
    data: OtherData = None,
    beam: options.SearchBeam = None,
    length_penalty: options.SearchPenalty = None,
    batch_size: options.BatchRows = 256,
    predictions: Predictions = None,
    backend: options.Speaker = "torch",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score a trained model: accuracy or loss, errors, and what guessing would reach."""
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.documents import evaluation_document
    from seqcli.report.evaluation import show_evaluation

    out = Out.standard(json=json, quiet=quiet)
    evaluation = api.evaluate(
        ckpt,
        split=split,
        data=data,
        beam=beam,
        length_penalty=length_penalty,
        batch_size=batch_size,
        predictions=predictions,
        backend=backend,
    )
    if json:
        out.document(evaluation_document(evaluation))
    else:
        show_evaluation(out, evaluation)
    out.say(f"next: {_next(ckpt, evaluation)}")


def _next(ckpt: Path, evaluation: Evaluation) -> str:
    """Return the command that answers the first row, or that draws from a language model."""
    if evaluation.novelty is not None:
        return f"seqcli sample --ckpt {shlex.quote(str(ckpt))} --n 10"
    command = f"seqcli predict --ckpt {shlex.quote(str(ckpt))}"
    rows = evaluation.predictions
    first = evaluation.source_joiner.join(rows[0].source) if rows else ""
    return f"{command} {shlex.quote(first)}" if first and first.isprintable() else command
