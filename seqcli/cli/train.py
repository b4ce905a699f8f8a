"""``seqcli train``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seqcli.cli import options
from seqcli.cli.options import WHERE
from seqcli.config.flags import FLAGS

EXAMPLES = """\
seqcli train --task reverse --cell gru --attention
seqcli train --task sort --cell transformer --epochs 10 --lr 1e-3
seqcli train --data pairs.tsv --cell lstm --attention dot --out models/pairs
seqcli train --data names.txt --cell gru --out names.pt
seqcli train --train train.tsv --val dev.tsv --columns target=1,source=2,count=3
seqcli train --data labels.csv --columns source=name,target=class --target-tokens whole --check
seqcli train --config examples/patterns_transformer.yaml --set train.momentum=0.95
seqcli train --resume runs/reverse-gru-attention"""

OutPath = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Run folder, or a .pt file for the best checkpoint.",
        metavar="PATH",
        parser=options.out_path,
        show_default="runs/<task>-<model>",
        rich_help_panel=WHERE,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        help="Resume a run that was stopped.",
        metavar="RUN",
        parser=options.in_path,
        rich_help_panel=WHERE,
    ),
]


Check = Annotated[
    bool,
    typer.Option(
        "--check", help="Read the data, show what was read, and stop.", rich_help_panel=WHERE
    ),
]


OWN: options.Options = {"resume": (Resume, None), "out": (OutPath, None), "check": (Check, False)}


@options.takes(
    options.DATA, options.MODELS, options.TRAINING, options.SETTINGS, OWN, options.TELLING
)
def train(**given: Any) -> None:
    """Train a model on a task, a file of pairs or a file of names, and watch it learn."""
    if given["check"]:
        _check(given)
    else:
        _train(given)


def _check(given: dict[str, Any]) -> None:
    """Read the data and show what was read."""
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.json_documents import reading_document
    from seqcli.report.summary import show_reading

    out = Out.standard(json=given["json"], quiet=given["quiet"])
    flags = {name: given[name] for name in FLAGS}
    read = api.read_data(given["config"], set=given["set_"] or (), **flags)
    if out.json:
        out.document(reading_document(read))
    else:
        show_reading(out, read, to_stderr=False)
        for note in read.notes:
            out.write(f"note: {note}")


def _train(given: dict[str, Any]) -> None:
    """Run the verb with a view of it; ``given`` holds the options by parameter name."""
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.json_documents import training_document
    from seqcli.report.live import training_view

    told = Out.standard(json=given["json"], quiet=given["quiet"], product=False)
    with training_view(told) as view:
        run = api.train(
            given["config"],
            set=given["set_"] or (),
            out=given["out"],
            resume=given["resume"],
            force=given["force"],
            listen=view,
            **{name: given[name] for name in FLAGS},
        )
    if told.json:
        told.document(training_document(run.finished, run.diagnosis, str(run.path), run.data))
    told.info(f"next: {_next(shlex.quote(str(run.checkpoint)), run.rows)}")


def _next(checkpoint: str, rows: Mapping[str, int]) -> str:
    """Return a command that works with what there is: rows to score, or none."""
    if rows.get("test"):
        return f"seqcli eval --ckpt {checkpoint}"
    if rows.get("val"):
        return f"seqcli eval --ckpt {checkpoint} --split val"
    return f"seqcli info {checkpoint}"
