"""The options of ``seqcli compare`` that other commands do not have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcli import registry
from seqcli.cli import completing, options
from seqcli.cli.options import OUTPUT, TRAINING

PANEL = options.MODEL
Cells = Annotated[
    str,
    options.comma_list("--cells", "Models to compare", registry.CELLS, PANEL),
]
Attention = Annotated[
    str,
    typer.Option(
        "--attention",
        help="Attention of rnn, gru and lstm: on, off or both. The kind is additive, or "
        "model.attention if --set gives it.",
        autocompletion=completing.names(lambda: ("on", "off", "both")),
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        help="Runs per model; significance tests need at least 3.",
        metavar="N",
        rich_help_panel=PANEL,
    ),
]
Match = Annotated[
    str,
    typer.Option(
        "--match",
        help="Model sizes. params: choose hidden sizes so that parameter counts agree within 5%. "
        "none: as configured.",
        autocompletion=completing.names(lambda: ("params", "none")),
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="Compare several values of a configuration key; can be repeated.",
        metavar="KEY=A,B,C",
        autocompletion=completing.settings,
        rich_help_panel=PANEL,
    ),
]
Search = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        help="Search good values of a key on validation, with Optuna: LOW..HIGH, LOW..HIGH:log or "
        "A|B|C; can be repeated.",
        metavar="KEY=RANGE",
        autocompletion=completing.settings,
        rich_help_panel=PANEL,
    ),
]
Trials = Annotated[
    int,
    typer.Option(
        "--trials",
        help="Trials of --search, for each model.",
        metavar="N",
        min=1,
        rich_help_panel=PANEL,
    ),
]
Recipes = Annotated[
    str,
    typer.Option(
        "--recipes",
        help="Learning rate, warm-up, schedule and dropout. shared: the same for all models. own: "
        "a tuned recipe for each. Your own settings override both.",
        autocompletion=completing.names(lambda: ("shared", "own")),
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        help="Budget per run in seconds, instead of epochs.",
        metavar="X",
        min=0.1,
        rich_help_panel=TRAINING,
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        help="Parallel runs; 0 means one per CPU core, at most 4.",
        metavar="K",
        min=0,
        rich_help_panel=TRAINING,
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        help="Train on a Dask cluster. dask: start one here with --jobs workers. An address such "
        "as tcp://HOST:8786, or a scheduler file: use a running one.",
        metavar="CLUSTER",
        show_default="local processes",
        rich_help_panel=TRAINING,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder for the runs and the report.",
        metavar="DIR",
        parser=options.path_to_write,
        show_default="runs/compare-<task>",
        rich_help_panel=OUTPUT,
    ),
]
SuiteName = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="Run a suite of comparisons next to published results: smoke, claims, core, chomsky, "
        "scan, recall, arithmetic, or a YAML file.",
        metavar="NAME",
        autocompletion=completing.suites,
        rich_help_panel=options.DATA,
    ),
]
PlanOnly = Annotated[
    bool, options.switch("--plan", "Train nothing; print one seqcli train command per run.")
]
Collect = Annotated[
    Path | None,
    typer.Option(
        "--collect",
        help="Train nothing; report on the finished runs in a folder.",
        metavar="DIR",
        parser=options.path_to_read,
        rich_help_panel=OUTPUT,
    ),
]
