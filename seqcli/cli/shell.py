"""The shell around the commands: errors become one line, a hint and an exit code."""

from __future__ import annotations

import contextlib
import difflib
import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from seqcli import registry
from seqcli.config.flags import known_otherwise
from seqcli.errors import (
    Exit,
    MachineError,
    ReaderGone,
    StoppedBySignal,
    UsageError,
    causes,
    expected,
)
from seqcli.report.console import Out, flush_standard, show_notes

BUG = "this is a bug in seqcli: please report it with the command and the lines above"


_BARE = {"--attention": "additive", "--lower": "both"}  # what they mean without a value


class WithExamples:
    """A command whose help page ends with examples, as they are to be typed: never wrapped."""

    examples: ClassVar[str] = ""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Let Typer draw the page, then add the examples."""
        super().format_help(ctx, formatter)  # type: ignore[misc]
        lines = "".join(f"  $ {line}\n" for line in self.examples.splitlines())
        formatter.write(f"Examples:\n{lines}")


class Command(WithExamples, TyperCommand):
    """One command."""


class Commands(WithExamples, TyperGroup):
    """The group of commands, which suggests the nearest one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that ``args`` begin with."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = registry.suggest(args[0], self.commands)
            raise UsageError(f"no command is called {args[0]!r}", hint)
        return super().resolve_command(ctx, args)


def run(app: typer.Typer, argv: Sequence[str]) -> int:
    """Run a command line and return its exit code. Prints every error, raises none."""
    show_notes()
    words = with_kind_of_attention(argv) or ["--help"]
    try:
        registry.load_plugins()
        code = app(args=words, prog_name="seqcli", standalone_mode=False)
        return _flushed(code if isinstance(code, int) else Exit.DONE)
    except StoppedBySignal as stopped:  # asked for, so no error: all is saved
        Out.standard().info(f"{stopped.message}\nnext: {stopped.hint}")
        return _flushed(stopped.exit_code)
    except ReaderGone:
        return Exit.BROKEN_PIPE
    except SystemExit as leaving:  # rich and Typer leave so when a reader has gone
        gone = any(isinstance(one, BrokenPipeError) for one in causes(leaving))
        return _flushed(Exit.BROKEN_PIPE if gone else int(leaving.code or 0))
    except (KeyboardInterrupt, Exception) as error:
        return _flushed(_failed(error))


def _failed(error: BaseException) -> int:
    """Report an error on stderr and return its exit code."""
    if any(isinstance(one, KeyboardInterrupt) for one in causes(error)):
        return Exit.SIGINT  # libraries turn it into errors of their own
    out, known = Out.standard(), expected(error)
    if known is not None:
        out.error(known.message, known.hint)
        return known.exit_code
    if hasattr(error, "format_message"):  # Typer's own: a wrong option or a missing one
        out.error(*_usage(error))
        return Exit.USAGE
    out.info("".join(traceback.format_exception(error, limit=-4)).rstrip())
    out.error(f"{type(error).__name__}: {error}", BUG)
    return Exit.BUG


def with_kind_of_attention(argv: Sequence[str]) -> list[str]:
    """Let ``train --attention`` stand without a kind: it then means the additive one.

    ``--lower`` alike means both sides. ``train`` takes no arguments besides options, so a word
    behind one of these is its kind.
    """
    words = list(argv)
    if "train" not in words[:1]:
        return words
    for at, word in enumerate(words):
        if word in _BARE and (at + 1 == len(words) or words[at + 1].startswith("-")):
            words[at] = f"{word}={_BARE[word]}"
    return words


def _usage(error: Any) -> tuple[str, str]:
    """Return message and hint for an error of Typer's."""
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context else "see seqcli --help"
    option = getattr(error, "option_name", None)
    if option and context and "No such option" in error.format_message():
        return f"no option is called {option}", _nearest_option(option, context)
    if context and context.info_name == "train" and "unexpected extra" in error.format_message():
        return _stray(error)
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:], hint


def _nearest_option(option: str, context: Any) -> str:
    """Return the hint for an unknown option: one like it, or the way to set the key."""
    names = [name for param in context.command.params for name in param.opts]
    known = [name.removeprefix("--") for name in names if name.startswith("--")]
    word = option.lstrip("-")  # dashes are alike in all of them, and prove nothing
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    if not near and context.info_name == "train":
        hint = known_otherwise(word.replace("-", "_"))
        if hint:
            return hint
    if word == "option" and "set" in known:  # what gen-data calls it
        return "options of the task: --set task.KEY=VALUE"
    near = near or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean --{near[0]}?" if near else f"see {context.command_path} --help"


def _stray(error: Any) -> tuple[str, str]:
    """Return message and hint for a word behind ``train`` that belongs to no option."""
    found = re.search(r"arguments?(?:\(s\))? \((\S+?)[ )]", error.format_message())
    word = found[1] if found else ""
    message = f"train takes options only, not {word!r}"
    if word in registry.TASKS:
        return message, f"did you mean --task {word}?"
    with contextlib.suppress(OSError, ValueError):  # no name that a file could have
        if Path(word).exists():
            return message, f"did you mean --data {word}?"
    return message, "see seqcli train -h"


def _flushed(code: int) -> int:
    """Push out what libraries wrote, such as help pages; return the exit code."""
    error = flush_standard()
    if error is None or code != Exit.DONE:
        return code
    if isinstance(error, BrokenPipeError):
        return Exit.BROKEN_PIPE
    fault = expected(error) or MachineError("stdout cannot be written")
    Out.standard().error(f"stdout: {fault.message}", fault.hint)
    return Exit.MACHINE
