"""``seqcli train``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import completing, options, shell
from seqcli.cli.options import OUTPUT
from seqcli.messages import plural
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.api import Run

EXAMPLES = """\
seqcli train --task reverse --cell gru --attention
seqcli train --task sort --cell transformer --epochs 10 --lr 1e-3
seqcli train --data pairs.tsv --budget 10m
seqcli train --data pairs.tsv --recipe best --cell lstm --attention dot --out models/pairs
seqcli train --data names.txt --cell gru --out names.pt
seqcli train --data pairs.tsv --cell gru --attention --ensemble 5 --out runs/pairs-x5
seqcli train --train train.tsv --val dev.tsv --columns target=1,source=2,count=3
seqcli train --data labels.csv --columns source=name,target=class --target-tokens whole --check
seqcli train --config patterns_transformer --set train.momentum=0.95
seqcli train --data dialect.tsv --init-from runs/standard-gru-attention --freeze embeddings
seqcli train --resume runs/reverse-gru-attention
seqcli train --task sort --cell gru --resume auto --out runs/sort"""

COMMON = {  # the options on the short help page, with their help
    "task": "Synthetic task; seqcli tasks lists them.",
    "data": "Data set, or file of pairs or names.",
    "check": "Read the data, print a summary, and stop.",
    "cell": "rnn, gru, lstm or transformer. \\[by recipe]",
    "attention": "Alone: additive; none, dot, ... \\[by recipe]",
    "layers": "Layers of encoder and decoder. \\[by recipe]",
    "hidden": "Hidden size. \\[by recipe]",
    "dropout": "Dropout probability. \\[by recipe]",
    "recipe": "quick, auto, best or none. \\[auto]",
    "budget": "Time limit, such as 90s or 10m.",
    "epochs": "Passes over the training rows. \\[by recipe]",
    "batch_size": "Rows per optimizer step. \\[by recipe]",
    "lr": "Peak learning rate. \\[by recipe]",
    "seed": "Random seed. \\[0]",
    "ensemble": "Models to train as an ensemble. \\[1]",
    "device": "auto, cpu, cuda or mps. \\[auto]",
    "resume": "Continue a stopped run.",
    "config": "YAML file or preset of settings.",
    "set_": "Set any configuration key.",
    "out": "Run folder, or .pt file. \\[runs/DATA-MODEL]",
    "force": "Replace existing output.",
    "json": "Print one JSON document to stdout.",
    "quiet": "Print no messages.",
    "help": "Show this page.",
}
Suspects = Annotated[
    int,
    typer.Option(
        "--suspects",
        help="After training, show the N training rows with the highest loss, which are often "
        "errors in the data: nats per token, source, target.",
        metavar="N",
        min=0,
        rich_help_panel=OUTPUT,
    ),
]
HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all", help="Show all options.", callback=shell.show_all_help, is_eager=True
    ),
]
OutPath = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Run folder, or a .pt file for the best checkpoint.",
        metavar="PATH",
        parser=options.path_to_write,
        show_default="runs/<task>-<model>",
        rich_help_panel=OUTPUT,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        help="Continue a stopped run. auto: start the run in --out, continue it if it was stopped, "
        "or keep it if it is finished.",
        metavar="RUN|auto",
        autocompletion=completing.runs,
        parser=options.path_to_read,
        rich_help_panel=options.TRAINING,
    ),
]
Check = Annotated[
    bool, options.switch("--check", "Read the data, print a summary, and stop.", options.DATA)
]


@options.with_flags(*options.ALL_FLAGS)
def train(
    flags: options.Flags,
    resume: Resume = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    check: Check = False,
    out: OutPath = None,
    force: options.Force = False,
    report: options.Report = False,
    track: options.Track = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
    suspects: Suspects = 0,
    help_all: HelpAll = False,
) -> None:
    """Train a model on a synthetic task or on your own data.

    A recipe chooses the settings that you leave open, by the data and the time; defaults are in
    brackets. The run folder contains the configuration, checkpoints, the metrics of every epoch,
    and a plot.
    """
    from seqcli import api
    from seqcli.events import broadcast
    from seqcli.report.live import training_view
    from seqcli.report.runs_view import EnsembleView
    from seqcli.training.processes import reports

    output = Out.standard(json=json, quiet=quiet, product=check)
    if check:
        return _check(output, config, set_ or (), flags)
    with training_view(output) as view, EnsembleView(output) as ensemble:
        listen = broadcast(essential=(view, ensemble))
        run = api.train(
            config,
            set=set_ or (),
            out=out,
            resume=resume,
            force=force,
            listen=listen,
            track=track,
            started=shell.started(),
            **flags,
        )
    if reports():  # another process of this training may do so
        _show(output, run, report, suspects)
    return None


def _show(output: Out, run: Run, report: bool, suspects: int) -> None:
    """Print the result of a run, write its report if wanted, and name the command to run next."""
    from seqcli import api

    if run.kept:
        output.info(f"finished before: {plural(run.finished.epochs, 'epoch')} in {run.path}")
    if output.json:
        output.document(_document(run))
    if report:
        output.info(f"report: {api.write_report(run.checkpoint)}")
    if suspects:
        _show_suspects(output, run.checkpoint, suspects)
    output.info(f"next: {_next(shlex.quote(str(run.checkpoint)), run.rows)}")


def _document(run: Run) -> dict[str, Any]:
    """Return the JSON document of a run."""
    from seqcli.report.json_documents import ensemble_document, training_document

    if run.ensemble:
        return ensemble_document(run.ensemble, str(run.path), run.data)
    return training_document(run.finished, run.diagnosis, str(run.path), run.data)


def _show_suspects(output: Out, checkpoint: Path, count: int) -> None:
    """Show the training rows with the highest loss: a table, or lines with ``--json`` on stderr."""
    from seqcli import api
    from seqcli.formatting import plural

    rows = api.suspects(checkpoint, count)
    output.info(f"{plural(len(rows), 'training row')} with the highest loss:")
    show = output.info if output.json else output.write
    for row in rows:
        show("\t".join((f"{row.loss:.4f}", *filter(None, (row.source,)), row.target)))


def _check(output: Out, config: str | None, settings: Sequence[str], flags: options.Flags) -> None:
    """Print a summary of the data that a run would use."""
    from seqcli import api
    from seqcli.report.json_documents import reading_document
    from seqcli.report.summary import show_reading
    from seqcli.training.processes import refuse_several

    refuse_several("--check reads the data in one", "run it without torchrun")
    data = api.read_data(config, set=settings, **flags)
    if output.json:
        output.document(reading_document(data))
    else:
        show_reading(output, data, to_stderr=False)
        for note in data.notes:
            output.write(f"note: {note}", prose=True)


def _next(checkpoint: str, rows: Mapping[str, int]) -> str:
    """Return the command to run next: score the test or validation rows, if there are any."""
    if rows.get("test"):
        return f"seqcli eval {checkpoint}"
    if rows.get("val"):
        return f"seqcli eval {checkpoint} --split val"
    return f"seqcli info {checkpoint}"
