"""The command line: parse options, call `seqcli.api`, and show results with `seqcli.report`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from seqcli import __version__
from seqcli.cli import (
    compare,
    eval,
    examples,
    export,
    gen_data,
    info,
    predict,
    report,
    sample,
    shell,
    tasks,
    train,
)

EXAMPLES = """\
seqcli tasks
seqcli train --task reverse --cell gru --attention
seqcli predict runs/reverse-gru-attention "3 1 4 1 5"
seqcli eval runs/reverse-gru-attention
seqcli compare"""


def _class(base: type, examples: str) -> type:
    """Return a command class whose help page ends with these examples."""
    return type(base.__name__, (base,), {"examples": examples})


shell.ShortHelp.common = train.COMMON


def _paragraphs(command: Callable[..., None]) -> str:
    """Return the docstring of a command with one line per paragraph; Typer keeps line breaks."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


app = typer.Typer(
    name="seqcli",
    cls=_class(shell.Commands, EXAMPLES),
    help="Train, compare and understand small sequence models.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(is_given: bool) -> None:
    if is_given:
        print(f"seqcli {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
]


@app.callback()
def _seqcli(version: Version = False) -> None:
    pass


for _name, _function, _examples in (
    ("tasks", tasks.tasks, tasks.EXAMPLES),
    ("examples", examples.examples, examples.EXAMPLES),
    ("gen-data", gen_data.gen_data, gen_data.EXAMPLES),
    ("train", train.train, train.EXAMPLES),
    ("eval", eval.evaluate, eval.EXAMPLES),
    ("predict", predict.predict, predict.EXAMPLES),
    ("sample", sample.sample, sample.EXAMPLES),
    ("compare", compare.compare, compare.EXAMPLES),
    ("runs", info.runs, info.RUNS_EXAMPLES),
    ("info", info.info, info.INFO_EXAMPLES),
    ("report", report.report, report.EXAMPLES),
    ("export", export.export, export.EXAMPLES),
    ("schema", examples.schema, examples.SCHEMA_EXAMPLES),
):
    _base = shell.ShortHelp if _name == "train" else shell.Command
    app.command(_name, help=_paragraphs(_function), cls=_class(_base, _examples))(_function)
