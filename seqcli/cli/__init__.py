"""The command line: parse options, call `seqcli.api`, and show results with `seqcli.report`.

A command is imported when it is typed; `app` has all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from seqcli import __version__
from seqcli.cli import shell

if TYPE_CHECKING:
    app: typer.Typer

EXAMPLES = """\
seqcli tasks
seqcli train --task reverse --cell gru --attention
seqcli predict runs/reverse-gru-attention "3 1 4 1 5"
seqcli eval runs/reverse-gru-attention
seqcli compare"""


class Source(NamedTuple):
    """Where a command is defined: a module of this package, and its names in it."""

    module: str
    function: str
    examples: str = "EXAMPLES"


COMMANDS = {  # in the order of the help page
    "tasks": Source("tasks", "tasks"),
    "examples": Source("examples", "examples"),
    "gen-data": Source("gen_data", "gen_data"),
    "train": Source("train", "train"),
    "eval": Source("eval", "evaluate"),
    "predict": Source("predict", "predict"),
    "sample": Source("sample", "sample"),
    "compare": Source("compare", "compare"),
    "runs": Source("info", "runs", "RUNS_EXAMPLES"),
    "info": Source("info", "info", "INFO_EXAMPLES"),
    "report": Source("report", "report"),
    "export": Source("export", "export"),
    "schema": Source("examples", "schema", "SCHEMA_EXAMPLES"),
}


def app_for(words: Sequence[str]) -> typer.Typer:
    """Return an app with the command that ``words`` starts with, or with all commands."""
    return _app_with(words[:1] if words and words[0] in COMMANDS else COMMANDS)


def _app_with(names: Iterable[str]) -> typer.Typer:
    """Return an app with these commands."""
    app = typer.Typer(
        name="seqcli",
        cls=_class(shell.Commands, EXAMPLES),
        help="Train, compare and understand small sequence models.",
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    app.callback()(_seqcli)
    for name in names:
        source = COMMANDS[name]
        module = import_module(f"seqcli.cli.{source.module}")
        function = getattr(module, source.function)
        base = shell.Command
        if name == "train":
            base, shell.ShortHelp.common = shell.ShortHelp, module.COMMON
        command = _class(base, getattr(module, source.examples))
        app.command(name, help=_paragraphs(function), cls=command)(function)
    return app


def _class(base: type, examples: str) -> type:
    """Return a command class whose help page ends with these examples."""
    return type(base.__name__, (base,), {"examples": examples})


def _paragraphs(command: Callable[..., None]) -> str:
    """Return the docstring of a command with one line per paragraph; Typer keeps line breaks."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _print_version(is_given: bool) -> None:
    if is_given:
        print(f"seqcli {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
]


def _seqcli(version: Version = False) -> None:
    pass


def __getattr__(name: str) -> typer.Typer:
    """Build `app` when it is first used."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = built = _app_with(COMMANDS)
    return built
