"""Every option that commands share, once, with help and defaults read off the configuration."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import typer

from seqcli import registry
from seqcli.config.flags import FLAGS, spelt
from seqcli.config.limits import OneOf
from seqcli.config.presets import varying
from seqcli.config.schema import Key, keys

WHAT, HOW, WHERE = "The data", "How to train", "Where it goes and how it is told"
MODEL = "The model"
Command = TypeVar("Command", bound=Callable[..., None])
_DEFAULT = " [dim](default {})[/dim]"
_METAVARS = {bool: "BOOL", int: "N", float: "X", str: "NAME"}


def completion(names: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Return what completes a word to one of some names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def flag(name: str, panel: str, metavar: str = "", text: str = "", spelling: str = "") -> Any:
    """Return the option for a flag of the configuration, told as its key tells it."""
    key, spelling = keys().get(FLAGS[name]), spelling or spelt(name)
    if key is None:  # an option of the task
        return typer.Option(spelling, help=text, metavar=metavar, rich_help_panel=panel)
    names = key.limit.names if isinstance(key.limit, OneOf) else ()
    choices = f" One of {', '.join(names)}." if names else ""
    return typer.Option(
        spelling,
        help=(text or key.doc) + choices + _default(key),
        metavar=metavar or _METAVARS[key.kind],
        autocompletion=completion(names) if names else None,
        rich_help_panel=panel,
    )


def _default(key: Key) -> str:
    """Return what the help says of a key's default: none that does not hold for every task."""
    if key.default == "":
        return ""
    shown = "depends on task, model and backend" if key.name in varying() else key.default
    return _DEFAULT.format(shown)


def in_path(text: str) -> Path:
    """Return a path to read.

    Raises:
        BadParameter: it can name no file.
    """
    if text == "" or "\0" in text:
        raise typer.BadParameter("this names no file")
    return Path(text)


def out_path(text: str) -> Path:
    """Return a path to write.

    Raises:
        BadParameter: it can name no file, or means stdout.
    """
    if text == "-":
        raise typer.BadParameter("this is a file or folder, not stdout (a file called -: ./-)")
    return in_path(text)


def tokens(side: str) -> Any:
    """Return the option for how the texts of a scored file are cut, where it does not say so."""
    names = tuple(registry.TOKEN_STYLES)
    return typer.Option(
        f"--{side}-tokens",
        help=f"With --score, how {side}s are cut if the file does not say: {', '.join(names)}.",
        metavar="NAME",
        autocompletion=completion(names),
    )


def switch(name: str, text: str, panel: str = WHERE) -> Any:
    """Return an option that is on or off."""
    return typer.Option(name, help=text, rich_help_panel=panel)


def as_trained(name: str, metavar: str, text: str) -> Any:
    """Return an option of a trained model's use that is, left out, as it was in training."""
    return typer.Option(spelt(name), help=f"{text} (default as trained)", metavar=metavar)


LENGTH = "Symbols per row: a number, or a range such as 5:20."
TEST_LENGTH = "Symbols per test row, if not as --length says; such as 21:40."
VOCAB = "How many symbols the task has; see `seqcli tasks NAME`."

# what to train on
Task = Annotated[str | None, flag("task", WHAT)]
Data = Annotated[str | None, flag("data", WHAT, "PATH")]
_APART = "{} rows: a file of them, or of a task how many."
TrainFile = Annotated[str | None, flag("train", WHAT, "FILE|N", _APART.format("Training"))]
ValFile = Annotated[str | None, flag("val", WHAT, "FILE|N", _APART.format("Validation"))]
TestFile = Annotated[str | None, flag("test", WHAT, "FILE|N", _APART.format("Test"))]
Format = Annotated[str | None, flag("format", WHAT)]
Columns = Annotated[str | None, flag("columns", WHAT, "ROLE=COLUMN,...")]
Separator = Annotated[str | None, flag("separator", WHAT, "TEXT")]
Counts = Annotated[str | None, flag("counts", WHAT)]
Normalize = Annotated[str | None, flag("normalize", WHAT)]
LOWER = "Put a side in lower case; bare --lower is both."
Lower = Annotated[str | None, flag("lower", WHAT, "[SIDE]", LOWER)]
Strict = Annotated[bool | None, switch("--strict", "Refuse a file for its first bad row.", WHAT)]
Length = Annotated[str | None, flag("length", WHAT, "N|LOW:HIGH", LENGTH)]
TestLength = Annotated[str | None, flag("test_length", WHAT, "N|LOW:HIGH", TEST_LENGTH)]
Vocab = Annotated[str | None, flag("vocab", WHAT, "N", VOCAB)]
TrainRows = Annotated[int | None, flag("train_rows", WHAT)]
ValRows = Annotated[int | None, flag("val_rows", WHAT)]
TestRows = Annotated[int | None, flag("test_rows", WHAT)]
DataSeed = Annotated[int | None, flag("data_seed", WHAT)]
SourceTokens = Annotated[str | None, flag("source_tokens", WHAT)]
TargetTokens = Annotated[str | None, flag("target_tokens", WHAT)]

# the model
ATTENTION = "How a recurrent decoder looks back; bare --attention is additive (Bahdanau)."
Cell = Annotated[str | None, flag("cell", MODEL)]
Attention = Annotated[str | None, flag("attention", MODEL, "[KIND]", ATTENTION)]
Layers = Annotated[int | None, flag("layers", MODEL)]
Hidden = Annotated[int | None, flag("hidden", MODEL)]
Embedding = Annotated[int | None, flag("embedding", MODEL)]
Heads = Annotated[int | None, flag("heads", MODEL)]
Dropout = Annotated[float | None, flag("dropout", MODEL)]
Init = Annotated[str | None, flag("init", MODEL)]

# how to train
Backend = Annotated[str | None, flag("backend", HOW)]
Epochs = Annotated[int | None, flag("epochs", HOW)]
Iterations = Annotated[int | None, flag("iterations", HOW)]
BatchSize = Annotated[int | None, flag("batch_size", HOW)]
Optimizer = Annotated[str | None, flag("optimizer", HOW)]
LearningRate = Annotated[float | None, flag("lr", HOW)]
Schedule = Annotated[str | None, flag("schedule", HOW)]
Warmup = Annotated[int | None, flag("warmup", HOW)]
Patience = Annotated[int | None, flag("patience", HOW)]
Seed = Annotated[int | None, flag("seed", HOW)]
Threads = Annotated[int | None, flag("threads", HOW)]
Device = Annotated[str | None, flag("device", HOW)]
Samples = Annotated[int | None, flag("samples", HOW)]
Beam = Annotated[int | None, flag("beam", HOW)]
LengthPenalty = Annotated[float | None, flag("length_penalty", HOW)]
ConfigFile = Annotated[
    str | None,
    typer.Option("--config", help="A YAML file of settings.", metavar="FILE", rich_help_panel=HOW),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Set any key of the configuration, such as train.lr=3e-4; as often as you like.",
        metavar="KEY=VALUE",
        rich_help_panel=HOW,
    ),
]

# where it goes, how it is told
Json = Annotated[bool, switch("--json", "One JSON document on stdout and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No talk.", rich_help_panel=WHERE)]
Force = Annotated[bool, switch("--force", "Replace what is there, once the new is complete.")]

# a trained model and what it is used on
Checkpoint = Annotated[
    Path,
    typer.Option(
        "--ckpt", help="A run folder or a checkpoint file.", metavar="PATH", parser=in_path
    ),
]
SomeCheckpoint = Annotated[
    Path,
    typer.Argument(help="A run folder or a checkpoint file.", metavar="CKPT", parser=in_path),
]
BatchRows = Annotated[
    int, typer.Option("--batch-size", help="Rows decoded at once.", metavar="N", min=1)
]
BACKEND = "Who does the sums for a language model; numpy runs rnn, gru and lstm without PyTorch."
Speaker = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help=f"{BACKEND} One of {', '.join(registry.LANGUAGE_MODELS)}. (default as trained)",
        metavar="NAME",
        autocompletion=completion(tuple(registry.LANGUAGE_MODELS)),
    ),
]
SearchBeam = Annotated[
    int | None,
    typer.Option(
        "--beam", help="Beam width; 1 is greedy. (default as trained)", metavar="N", min=1
    ),
]
SearchPenalty = Annotated[
    float | None,
    typer.Option(
        "--length-penalty",
        help="Scores are divided by length to this power. (default as trained)",
        metavar="X",
        min=0,
    ),
]

# rows to write
Train = Annotated[int | None, flag("train_rows", WHAT, spelling="--train")]
Val = Annotated[int | None, flag("val_rows", WHAT, spelling="--val")]
Test = Annotated[int | None, flag("test_rows", WHAT, spelling="--test")]
RowSeed = Annotated[int | None, flag("data_seed", WHAT, spelling="--seed")]
TaskName = Annotated[
    str,
    typer.Option(
        "--task",
        help=f"The task, one of {', '.join(registry.TASKS)}.",
        metavar="NAME",
        autocompletion=completion(tuple(registry.TASKS)),
    ),
]

# Options of several commands, by parameter name in the order of the help: type and default.
Options: TypeAlias = Mapping[str, tuple[Any, Any]]
DATA: Options = {
    "task": (Task, None),
    "data": (Data, None),
    "train": (TrainFile, None),
    "val": (ValFile, None),
    "test": (TestFile, None),
    "format": (Format, None),
    "columns": (Columns, None),
    "separator": (Separator, None),
    "counts": (Counts, None),
    "length": (Length, None),
    "test_length": (TestLength, None),
    "vocab": (Vocab, None),
    "train_rows": (TrainRows, None),
    "val_rows": (ValRows, None),
    "test_rows": (TestRows, None),
    "data_seed": (DataSeed, None),
    "source_tokens": (SourceTokens, None),
    "target_tokens": (TargetTokens, None),
    "normalize": (Normalize, None),
    "lower": (Lower, None),
    "strict": (Strict, None),
}
MODELS: Options = {
    "cell": (Cell, None),
    "attention": (Attention, None),
    "layers": (Layers, None),
    "hidden": (Hidden, None),
    "embedding": (Embedding, None),
    "heads": (Heads, None),
    "dropout": (Dropout, None),
    "init": (Init, None),
}
TRAINING: Options = {
    "backend": (Backend, None),
    "epochs": (Epochs, None),
    "iterations": (Iterations, None),
    "batch_size": (BatchSize, None),
    "optimizer": (Optimizer, None),
    "lr": (LearningRate, None),
    "schedule": (Schedule, None),
    "warmup": (Warmup, None),
    "patience": (Patience, None),
    "seed": (Seed, None),
    "threads": (Threads, None),
    "device": (Device, None),
    "samples": (Samples, None),
    "beam": (Beam, None),
    "length_penalty": (LengthPenalty, None),
}
SETTINGS: Options = {
    "config": (ConfigFile, None),
    "set_": (Set, None),
}
TELLING: Options = {
    "force": (Force, False),
    "json": (Json, False),
    "quiet": (Quiet, False),
}


def with_defaults(table: Options, defaults: Mapping[str, Any]) -> Options:
    """Return the options of a command that has defaults of its own, with these in their help.

    Args:
        table: options whose help ends in the default of `flag`.
        defaults: dotted key -> value.
    """
    changed = dict(table)
    for name, (annotation, value) in table.items():
        if FLAGS.get(name) in defaults:
            kind, info = get_args(annotation)
            info = copy.copy(info)
            info.help = info.help.partition(_DEFAULT[: _DEFAULT.index("{")])[0]
            info.help += _DEFAULT.format(defaults[FLAGS[name]])
            changed[name] = Annotated[kind, info], value
    return changed


def takes(*tables: Options) -> Callable[[Command], Command]:
    """Give a command that is written with ``**given`` these options, for Typer to read."""

    def with_options(command: Command) -> Command:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        named = [
            inspect.Parameter(name, kind, default=default, annotation=annotation)
            for table in tables
            for name, (annotation, default) in table.items()
        ]
        command.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
        return command

    return with_options
