"""``seqcli train``."""

from __future__ import annotations

import shlex
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
seqcli train --config examples/patterns.yaml --set train.momentum=0.95
seqcli train --resume runs/reverse-gru-attention"""

OutPath = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Run folder, or a .pt file for the best checkpoint.",
        metavar="PATH",
        show_default="runs/<task>-<model>",
        rich_help_panel=WHERE,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume", help="Go on with a run that was stopped.", metavar="RUN", rich_help_panel=WHERE
    ),
]


def train(
    context: typer.Context,
    task: options.Task = None,
    data: options.Data = None,
    length: options.Length = None,
    test_length: options.TestLength = None,
    vocab: options.Vocab = None,
    train_rows: options.TrainRows = None,
    val_rows: options.ValRows = None,
    test_rows: options.TestRows = None,
    data_seed: options.DataSeed = None,
    source_tokens: options.SourceTokens = None,
    target_tokens: options.TargetTokens = None,
    cell: options.Cell = None,
    attention: options.Attention = None,
    layers: options.Layers = None,
    hidden: options.Hidden = None,
    embedding: options.Embedding = None,
    heads: options.Heads = None,
    dropout: options.Dropout = None,
    init: options.Init = None,
    backend: options.Backend = None,
    epochs: options.Epochs = None,
    iterations: options.Iterations = None,
    batch_size: options.BatchSize = None,
    optimiser: options.Optimiser = None,
    lr: options.LearningRate = None,
    schedule: options.Schedule = None,
    warmup: options.Warmup = None,
    patience: options.Patience = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    device: options.Device = None,
    samples: options.Samples = None,
    beam: options.Beam = None,
    length_penalty: options.LengthPenalty = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    resume: Resume = None,
    out: OutPath = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on a task, a file of pairs or a file of names, and watch it learn."""
    _train(context.params)


def _train(given: dict[str, Any]) -> None:
    """Run the verb with a view of it; ``given`` holds the options by parameter name."""
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.documents import training_document
    from seqcli.report.live import training_view

    told = Out.standard(json=given["json"], quiet=given["quiet"])
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
        told.document(training_document(run.finished, str(run.path)))
    told.say(f"next: seqcli eval --ckpt {shlex.quote(str(run.path))}")
