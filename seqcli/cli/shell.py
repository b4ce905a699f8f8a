"""Run a command line: print an error as one line with a hint, and return the exit code."""

from __future__ import annotations

import copy
import shutil
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from seqcli import registry
from seqcli.cli.completing import whole_words
from seqcli.cli.spelling import COMMANDS_ALSO_CALLED, nearest_option, spelled_out, stray_argument
from seqcli.errors import (
    Exit,
    MachineError,
    ReaderGone,
    StoppedBySignal,
    UsageError,
    causes,
    expected,
)
from seqcli.plugins import load_plugins
from seqcli.report.console import Out, flush_standard, show_notes
from seqcli.training.processes import refuse_several, reports

HELP_ALL = "seqcli.help_all"  # key of the context's ``meta``
BUG = "this is a bug in seqcli; please report it with the command and the traceback"


class WithExamples:
    """A command whose help page ends with examples, which can be copied."""

    examples: ClassVar[str] = ""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write Typer's help page, then the examples."""
        super().format_help(ctx, formatter)  # type: ignore[misc]
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        lines = "".join(f"  $ {_broken(line, width)}\n" for line in self.examples.splitlines())
        formatter.write(f"Examples:\n{lines}")


def _broken(line: str, width: int) -> str:
    """Break a command line before options, as a shell reads it; a ``width`` of 0 has no limit."""
    parts, indent = line.split(" --"), 4
    shown, length = parts[0], indent + len(parts[0])
    for part in parts[1:]:
        length += len(part) + 3
        if width and length > width - 2:
            shown, length = f"{shown} \\\n   ", indent + len(part) + 3
        shown += f" --{part}"
    return shown


class Command(WithExamples, TyperCommand):
    """One command. Its help page shows the arguments without their types, which are functions."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        for argument in (one for one in self.params if one.param_type_name == "argument"):
            argument.type = copy.copy(argument.type)
            argument.type.get_metavar = lambda **_: ""  # type: ignore[method-assign]
        super().format_help(ctx, formatter)


class ShortHelp(Command):
    """A command whose help page shows the common options; ``--help-all`` shows all of them."""

    common: ClassVar[Mapping[str, str]] = {}  # name of a parameter -> its help on the short page
    shown_examples = 4

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the short page, unless ``--help-all`` is given."""
        if ctx.meta.get(HELP_ALL):
            super().format_help(ctx, formatter)
            return
        every, examples = self.params, self.examples
        self.params = [_on_short_page(one, self.common) for one in every if one.name in self.common]
        type(self).examples = "\n".join(examples.splitlines()[: self.shown_examples])
        try:
            super().format_help(ctx, formatter)
        finally:
            self.params, type(self).examples = every, examples
        formatter.write(f"All options: {ctx.command_path} --help-all\n")


def _on_short_page(option: Any, texts: Mapping[str, str]) -> Any:
    """Return an option as the short page shows it: its own text, and no panel."""
    shown = copy.copy(option)
    shown.help, shown.rich_help_panel, shown.show_default = texts[option.name], None, False
    return shown


def show_all_help(ctx: typer.Context, is_given: bool) -> None:
    """Show the help page with all options, and exit."""
    if is_given:
        ctx.meta[HELP_ALL] = True
        print(ctx.get_help(), end="")
        raise typer.Exit


class Commands(WithExamples, TyperGroup):
    """The group of commands; suggests the most similar name for an unknown command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command named by the first argument."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            usual = COMMANDS_ALSO_CALLED.get(args[0])
            hint = f"did you mean {usual}?" if usual else registry.suggest(args[0], self.commands)
            raise UsageError(f"unknown command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)


_started = time.monotonic()


def started() -> float:
    """Return ``time.monotonic()`` at the start of the command line that runs."""
    return _started


def run(app: typer.Typer, argv: Sequence[str]) -> int:
    """Run a command line, print any error, and return the exit code."""
    global _started
    _started = time.monotonic()
    show_notes()
    words = spelled_out(argv) or ["--help"]
    try:
        if words[0] != "train":
            refuse_several(f"{words[0]} runs in one", "torchrun is for train; run it without")
        load_plugins()
        with whole_words():
            code = app(args=words, prog_name="seqcli", standalone_mode=False)
        return _flushed(code if isinstance(code, int) else Exit.DONE)
    except StoppedBySignal as stopped:  # not an error: the state is saved
        Out.standard().info(f"{stopped.message}\nnext: {stopped.hint}")
        return _flushed(stopped.exit_code)
    except ReaderGone:
        return Exit.BROKEN_PIPE
    except SystemExit as exiting:  # rich and Typer exit when the reader closes the pipe
        broken = any(isinstance(one, BrokenPipeError) for one in causes(exiting))
        return _flushed(Exit.BROKEN_PIPE if broken else int(exiting.code or 0))
    except (KeyboardInterrupt, Exception) as error:
        return _flushed(_failed(error, words))


def _failed(error: BaseException, words: Sequence[str]) -> int:
    """Print an error of a command line to stderr and return its exit code.

    Of several processes of a training only one prints it.
    """
    if any(isinstance(one, KeyboardInterrupt) for one in causes(error)):
        return Exit.SIGINT  # libraries wrap it in their own errors
    out, known = Out.standard(), expected(error)
    if not reports():
        return Exit.BUG if known is None else known.exit_code
    if known is not None:
        out.error(known.message, known.hint)
        return known.exit_code
    if hasattr(error, "format_message"):  # Typer's own errors, such as a missing option
        out.error(*_usage(error, [word for word in words[:1] if not word.startswith("-")]))
        return Exit.USAGE
    out.info("".join(traceback.format_exception(error, limit=-4)).rstrip())
    out.error(f"{type(error).__name__}: {error}", BUG)
    return Exit.BUG


def _usage(error: Any, command: Sequence[str]) -> tuple[str, str]:
    """Return message and hint for an error raised by Typer; ``command``: its name, if known."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else " ".join(["seqcli", *command])
    hint = f"see {path} --help"
    option = getattr(error, "option_name", None)
    if option and context and "No such option" in error.format_message():
        return f"unknown option {option}", nearest_option(option, context)
    if context and "unexpected extra" in error.format_message():
        return stray_argument(error, context.info_name)
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:], hint


def _flushed(code: int) -> int:
    """Flush what libraries wrote, such as help pages; return the exit code."""
    error = flush_standard()
    if error is None or code != Exit.DONE:
        return code
    if isinstance(error, BrokenPipeError):
        return Exit.BROKEN_PIPE
    fault = expected(error) or MachineError("cannot write to stdout")
    Out.standard().error(f"stdout: {fault.message}", fault.hint)
    return Exit.MACHINE
