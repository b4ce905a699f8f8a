"""The options that commands share, and the options generated from the configuration schema.

`with_flags` gives a command one option for each flag of `seqcli.config.flags`: type, help, choices
and default come from the flag's key. Options of one command only are in the command's module.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

import typer

from seqcli import registry
from seqcli.cli import completing
from seqcli.config.flags import FLAGS, TASK_HELP, spelt
from seqcli.config.limits import Duration, OneOf, SomeOf
from seqcli.config.recipe_choice import varying
from seqcli.config.schema import Key, keys
from seqcli.config.sections import DEVICES
from seqcli.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., None])
Flags: TypeAlias = Mapping[str, Any]
"""Flag -> value, None if the option was not given; passed to the functions of `seqcli.api`."""

DATA, MODEL, TRAINING = "Data", "Model", "Training"
OUTPUT, CONFIGURATION, DECODING = "Output", "Configuration", "Decoding"
TASK_OPTIONS, FILE_OPTIONS = "Synthetic tasks", "Data files"
PREDICTIONS_FILE = "Scoring a file of predictions"
PANELS = (DATA, MODEL, TRAINING, OUTPUT, CONFIGURATION, TASK_OPTIONS, FILE_OPTIONS)

# Flags of the configuration by panel of the help page, in the order of the page.
GROUPS: Mapping[str, tuple[str, ...]] = {
    DATA: ("task", "data", "train", "val", "test"),
    MODEL: (
        *("cell", "attention", "copy", "layers", "hidden", "embedding", "heads", "dropout", "init"),
    ),
    TRAINING: (
        *("recipe", "budget", "epochs", "steps", "batch_size", "optimizer", "lr"),
        *("schedule", "warmup", "patience", "seed"),
        *("init_from", "freeze", "ensemble", "distill", "unlabelled"),
        *("backend", "device", "threads", "beam", "length_penalty", "samples"),
    ),
    TASK_OPTIONS: (
        *("length", "test_length", "vocab", "train_rows", "val_rows", "test_rows", "data_seed"),
    ),
    FILE_OPTIONS: (
        *("format", "columns", "separator", "counts", "source_tokens", "target_tokens"),
        *("normalize", "lower", "strict"),
    ),
}
ALL_FLAGS = tuple(name for names in GROUPS.values() for name in names)
DATA_FLAGS = GROUPS[DATA] + GROUPS[TASK_OPTIONS] + GROUPS[FILE_OPTIONS]
_PANEL_OF = {name: panel for panel, names in GROUPS.items() for name in names}
_ROWS = "{} data: a file, or the number of rows of a task."
# Help texts that replace the documentation of the key.
OWN_HELP = {
    "train": _ROWS.format("Training"),
    "val": _ROWS.format("Validation"),
    "test": _ROWS.format("Test"),
    **TASK_HELP,
    "attention": "Attention of a recurrent decoder; --attention alone means additive.",
    "lower": "Lowercase one side; --lower alone means both.",
}
_METAVARS = {
    **{"data": "PATH", "train": "FILE|N", "val": "FILE|N", "test": "FILE|N"},
    **{"init_from": "RUN", "freeze": "PARTS"},
    **{"distill": "RUN", "unlabelled": "FILE"},
    **{"length": "N|LOW:HIGH", "test_length": "N|LOW:HIGH", "vocab": "N"},
    **{"budget": "TIME", "columns": "ROLE=COLUMN,...", "separator": "TEXT"},
    **{"attention": "[KIND]", "lower": "[SIDE]"},
}
RUNS = ("init_from", "distill")  # flags whose value is a run
_METAVAR_OF_KIND = {bool: "", int: "N", float: "X", str: "NAME"}
DEFAULT = " [dim]\\[default: {}][/dim]"


def choice(
    name: str, text: str, table: Mapping[str, str], default: str = "", panel: str | None = None
) -> Any:
    """Return an option whose value is a name in a table of the registry."""
    return typer.Option(
        name,
        help=f"{text} One of {', '.join(table)}." + (DEFAULT.format(default) if default else ""),
        metavar="NAME",
        autocompletion=completing.names(lambda: tuple(table)),
        rich_help_panel=panel,
    )


def flag(name: str, spelling: str = "", default: object = None) -> Any:
    """Return the option for a flag of the configuration.

    Args:
        name: the flag, such as ``batch_size``.
        spelling: the option, if not ``--batch-size``.
        default: the default of the command, if it differs from that of the configuration.
    """
    key, spelling = keys().get(FLAGS[name]), spelling or spelt(name)
    text = OWN_HELP.get(name) or (key.doc if key else "")
    return typer.Option(
        spelling,
        help=text + _choices(key) + _default(key, default),
        metavar=_METAVARS.get(name, _METAVAR_OF_KIND[_kind(key)]) or None,
        autocompletion=completing.runs if name in RUNS else _completion(key),
        rich_help_panel=_PANEL_OF[name],
    )


def with_flags(
    *names: str, defaults: Mapping[str, Any] | None = None
) -> Callable[[Command], Callable[..., None]]:
    """Add an option for each of these flags of the configuration to a command.

    The command receives them as one argument, ``flags``; Typer sees one parameter for each.

    Args:
        names: flags, such as ``task`` and ``batch_size``.
        defaults: dotted key -> default of the command, for the help.
    """

    def decorate(command: Command) -> Callable[..., None]:
        own = dict(inspect.signature(command, eval_str=True).parameters)
        del own["flags"]
        parameters = [*(_parameter(name, defaults or {}) for name in names), *own.values()]

        @functools.wraps(command)
        def with_options(**values: Any) -> None:
            flags = {name: _as_named(name, values.pop(name)) for name in names}
            command(flags=flags, **values)

        keyword = inspect.Parameter.KEYWORD_ONLY
        ordered = [one.replace(kind=keyword) for one in sorted(parameters, key=_panel_index)]
        with_options.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
        with_options.__annotations__ = {one.name: one.annotation for one in ordered}
        return with_options

    return decorate


def _as_named(name: str, value: Any) -> Any:
    """Return the value of a flag; a name in another case, such as GRU, as it is registered."""
    key = keys().get(FLAGS[name])
    if not (key and isinstance(key.limit, OneOf) and isinstance(value, str)):
        return value
    known = key.limit.allows(value) or not key.limit.allows(value.lower())
    return value if known else value.lower()


def _parameter(name: str, defaults: Mapping[str, Any]) -> inspect.Parameter:
    key = FLAGS[name]
    kind: Any = _kind(keys().get(key))
    annotation = Annotated[kind | None, flag(name, default=defaults.get(key))]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _kind(key: Key | None) -> type:
    """Return the type of an option; text for options that the task or the schema parses."""
    return key.kind if key and not isinstance(key.limit, Duration) else str


def _panel_index(parameter: inspect.Parameter) -> int:
    """Return the index of a parameter's panel on the help page."""
    for info in getattr(parameter.annotation, "__metadata__", ()):
        if info.rich_help_panel in PANELS:
            return PANELS.index(info.rich_help_panel)
    return -1


def _completion(key: Key | None) -> completing.Complete | None:
    limit = key.limit if key else None
    if not isinstance(limit, OneOf):
        return None
    complete = completing.comma_list if isinstance(limit, SomeOf) else completing.names
    return complete(lambda: limit.names)


def _choices(key: Key | None) -> str:
    names = key.limit.names if key and isinstance(key.limit, OneOf) else ()
    return f" One of {', '.join(names)}." if names else ""


def _default(key: Key | None, default: object) -> str:
    """Format the default for the help; "by recipe" if the recipe chooses it."""
    if default is not None:
        return DEFAULT.format(default)
    if key is None or key.default == "" or key.default is False:
        return ""
    if isinstance(key.limit, Duration):  # 0, which the documentation explains
        return ""
    shown = "by recipe" if key.name in varying() else key.default
    return DEFAULT.format(shown)


def path_to_read(text: str) -> Path:
    """Parse a path to read.

    Raises:
        BadParameter: the text is not a file name.
    """
    if text == "" or "\0" in text:
        raise typer.BadParameter("not a file name")
    return Path(text)


def path_to_write(text: str) -> Path:
    """Parse a path to write.

    Raises:
        BadParameter: the text is not a file name, or means stdout.
    """
    if text == "-":
        raise typer.BadParameter("stdout is not supported here (for a file called -, give ./-)")
    return path_to_read(text)


def models(runs: list[Path] | None, ckpt: list[Path] | None) -> list[Path]:
    """Return the models that a command line names, by position and with ``--ckpt``.

    Raises:
        UsageError: there are none; the hint lists the runs nearby.
    """
    named = [*(runs or ()), *(ckpt or ())]
    if not named:
        from seqcli.runs.folders import existing_runs_hint

        raise UsageError("no run is named", existing_runs_hint())
    return named


def file_tokens(side: str) -> Any:
    """Return the option for the tokenization of one side of a file of predictions."""
    text = f"Tokenization of its {side}s, if the file does not name it."
    return choice(f"--{side}-tokens", text, registry.TOKEN_STYLES, panel=PREDICTIONS_FILE)


def switch(name: str, text: str, panel: str | None = OUTPUT) -> Any:
    """Return a boolean option."""
    return typer.Option(name, help=text, rich_help_panel=panel)


def comma_list(name: str, text: str, known: Mapping[str, Any], panel: str = OUTPUT) -> Any:
    """Return an option with names of the registry, separated by commas."""
    return typer.Option(
        name,
        help=f"{text}, separated by commas: any of {', '.join(known)}.",
        metavar="NAMES",
        autocompletion=completing.comma_list(lambda: tuple(known)),
        rich_help_panel=panel,
    )


def as_trained(name: str, metavar: str, text: str, panel: str, **limits: Any) -> Any:
    """Return an option whose default is the setting that the model was trained with."""
    help_ = text + DEFAULT.format("as trained")
    return typer.Option(spelt(name), help=help_, metavar=metavar, rich_help_panel=panel, **limits)


ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        help="YAML file or preset of settings.",
        metavar="FILE",
        autocompletion=completing.presets,
        rich_help_panel=CONFIGURATION,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Set any configuration key, such as train.lr=3e-4; can be repeated.",
        metavar="KEY=VALUE",
        autocompletion=completing.settings,
        rich_help_panel=CONFIGURATION,
    ),
]
Track = Annotated[str, comma_list("--track", "Follow training with trackers", registry.TRACKERS)]
Json = Annotated[bool, switch("--json", "Print one JSON document to stdout.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print no messages, only results and errors.", rich_help_panel=OUTPUT
    ),
]
Force = Annotated[bool, switch("--force", "Replace existing output.")]

# options of commands that use a trained model
CHECKPOINT = (
    "Run folder, checkpoint file, or quoted pattern. Several are an ensemble, which predicts with "
    "the mean of their probabilities."
)
_A_RUN: dict[str, Any] = {
    **{"metavar": "RUN", "parser": path_to_read, "autocompletion": completing.runs}
}
Runs = Annotated[list[Path] | None, typer.Argument(help=CHECKPOINT, **_A_RUN)]
Checkpoint = Annotated[list[Path] | None, typer.Option("--ckpt", help="The same as RUN.", **_A_RUN)]
Report = Annotated[bool, switch("--report", "Write an HTML page about the run; see seqcli report.")]
BatchRows = Annotated[
    int,
    typer.Option(
        "--batch-size", help="Rows per batch.", metavar="N", min=1, rich_help_panel=DECODING
    ),
]
InferenceBackend = Annotated[
    str | None,
    choice(
        "--backend",
        "Compute backend; auto is NumPy, and PyTorch for large inputs.",
        {"auto": "", **registry.BACKENDS},
        default="auto",
    ),
]
InferenceDevice = Annotated[
    str | None,
    choice(
        "--device",
        "Device to compute on; a GPU is used with PyTorch.",
        dict.fromkeys(DEVICES, ""),
        default="that of the training, if available",
    ),
]
InferenceThreads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        help="CPU threads." + DEFAULT.format("those of the training; 1 for NumPy"),
        metavar="N",
        min=1,
    ),
]
SearchBeam = Annotated[
    int | None, as_trained("beam", "N", "Beam width; 1 decodes greedily.", DECODING, min=1)
]
SearchPenalty = Annotated[
    float | None,
    as_trained("length_penalty", "X", "Length-penalty exponent; 0 disables it.", DECODING, min=0),
]

# rows to write
Train = Annotated[int | None, flag("train_rows", "--train")]
Val = Annotated[int | None, flag("val_rows", "--val")]
Test = Annotated[int | None, flag("test_rows", "--test")]
RowSeed = Annotated[int | None, flag("data_seed", "--seed")]
Length = Annotated[str | None, flag("length")]
TestLength = Annotated[str | None, flag("test_length")]
Vocab = Annotated[str | None, flag("vocab")]
TaskName = Annotated[str, choice("--task", "The task.", registry.TASKS)]
