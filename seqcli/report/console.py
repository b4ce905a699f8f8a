"""Write to stdout and stderr: rich on a terminal, plain lines elsewhere, nothing if closed."""

from __future__ import annotations

import contextlib
import io
import json as json_text
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from seqcli.errors import MachineError, ReaderGone
from seqcli.formatting import is_control, visible
from seqcli.training.processes import reports

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

    from seqcli.report.tables import Table


_ESCAPING = "backslashreplace"  # for characters not in the encoding


class MessageStream(io.TextIOBase):
    """A stream of messages (stderr) that discards all output once a write fails.

    A command must not fail because its messages cannot be written.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream: TextIO | None = _escaping(stream)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        with contextlib.suppress(ValueError):  # closed
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the file descriptor."""
        if self._stream is None:
            raise OSError("a stream without a file descriptor")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write a text, or discard it if the stream is broken."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._try("flush")

    def close(self) -> None:
        """Do nothing: the stream belongs to the process."""

    def _try(self, action: str, *values: str) -> None:
        if self._stream is None:
            return
        try:
            getattr(self._stream, action)(*values)
        except (OSError, ValueError) as error:
            redirect_to_devnull(self._stream)
            self._stream = None
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Handle the first failure."""


class DataStream(MessageStream):
    """A stream of results (stdout).

    Args:
        stream: the stream; output to None (a closed stdout) is discarded.
        product: whether this output is the purpose of the command, which then stops when its
            reader closes the pipe.

    Raises:
        ReaderGone: (while writing) the reader of a product closed the pipe.
        MachineError: (while writing) the stream is full or broken.
    """

    def __init__(self, stream: TextIO | None, product: bool = True) -> None:
        super().__init__(stream)
        self._product = product

    def _failed(self, error: Exception) -> None:
        if isinstance(error, ValueError):  # closed
            return
        if not isinstance(error, BrokenPipeError):
            what = str(getattr(error, "strerror", None) or error).lower()
            raise MachineError(f"cannot write to stdout: {what}", "redirect it elsewhere")
        if self._product:
            raise ReaderGone


def redirect_to_devnull(stream: Any) -> None:
    """Redirect a broken stream to the null device, because Python flushes it at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no file descriptor: nothing to do
        return


def _escaping(stream: TextIO | None) -> TextIO | None:
    """Make a stream escape characters that are not in its encoding."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors != _ESCAPING:
        with contextlib.suppress(
            OSError, ValueError
        ):  # it also flushes, which fails if the stream is broken or closed
            stream.reconfigure(errors=_ESCAPING)
    return stream


@dataclass
class Out:
    """The two output streams of a command: results go to stdout, messages to stderr.

    On a terminal, output is drawn by rich; elsewhere plain lines are written, never wrapped,
    truncated or boxed. Control characters are escaped only here: in all messages, and in results
    on a terminal. Output to a broken stream is discarded.

    Args:
        stdout: console for results.
        stderr: console for messages.
        json: stdout carries one JSON document and nothing else.
        quiet: suppress all messages but errors.
    """

    stdout: Console
    stderr: Console
    json: bool = False
    quiet: bool = False

    @classmethod
    def standard(cls, *, json: bool = False, quiet: bool = False, product: bool = True) -> Out:
        """Return the output of this process; closed streams are allowed.

        Args:
            json, quiet: see `Out`. Of several processes of a training only one reports.
            product: whether stdout is the command's result; see `DataStream`.
        """
        stdout, stderr = DataStream(sys.stdout, product), MessageStream(sys.stderr)
        return cls(console(stdout), console(stderr), json, quiet or not reports())

    @property
    def live(self) -> bool:
        """Whether stderr can show a live view."""
        return draws(self.stderr) and not self.quiet

    def info(self, text: str, style: str = "", *, prose: bool = False) -> None:
        """Write a message to stderr, unless quiet.

        Args:
            text: one or more lines.
            style: a rich style, for example ``"bold"``.
            prose: wrap between words on a terminal, as notes and warnings are; other lines are kept
                whole, for copying.
        """
        if not self.quiet:
            prose = prose or text.startswith(("note: ", "warning: "))
            _line(self.stderr, visible(text, keep="\n"), style, prose)

    def error(self, message: str, hint: str = "") -> None:
        """Write an error and a hint to stderr, also when quiet."""
        _line(self.stderr, visible(f"error: {message}", keep="\n"), "bold red", prose=True)
        if hint:
            _line(self.stderr, visible(f"hint: {hint}", keep="\n"), prose="seqcli " not in hint)

    def write(self, text: str, *, prose: bool = False) -> None:
        """Write a result to stdout, unless ``json`` is set; ``prose``: see `info`."""
        if not self.json:
            text = visible(text, keep="\n\t") if self.stdout.is_terminal else text
            _line(self.stdout, text, prose=prose)

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write several lines of results to stdout at once, unless ``json`` is set."""
        if lines:
            self.write("\n".join(lines))

    def show(self, table: Table, *, to_stderr: bool = False) -> None:
        """Write a table to stdout (unless ``json``) or to stderr (unless quiet)."""
        if self.quiet if to_stderr else self.json:
            return
        _show(self.stderr if to_stderr else self.stdout, table)

    def document(self, document: Mapping[str, Any], indent: int | None = None) -> None:
        """Write the JSON document to stdout. Numbers that are not finite become null."""
        self.stdout.file.write(self._json(document, indent) + "\n")
        self.stdout.file.flush()

    def documents(self, name: str, items: Iterable[Mapping[str, Any]]) -> None:
        """Write a JSON document with one list to stdout, each item as soon as it is available.

        The document is closed even if an item raises, so that it can be parsed.
        """
        file, before = self.stdout.file, ""
        file.write(f'{{"{name}": [')
        try:
            for item in items:
                file.write(f"{before}\n{self._json(item)}")
                file.flush()
                before = ","
        finally:
            file.write("\n]}\n")
            file.flush()

    def _json(self, document: Mapping[str, Any], indent: int | None = None) -> str:
        plain_ascii = not self.stdout.encoding.startswith("utf")
        options: dict[str, Any] = {"ensure_ascii": plain_ascii, "indent": indent}
        text = json_text.dumps(_finite(document), allow_nan=False, **options)
        return _escaped_json(text) if self.stdout.is_terminal else text


def show_notes() -> None:
    """Write notes (`seqcli.messages.note`) to stderr from now on, one line each."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            Out.standard().info(f"note: {record.getMessage()}")

    logger = logging.getLogger("seqcli")
    logger.handlers, logger.propagate = [Handler()], False


def flush_standard() -> OSError | None:
    """Flush stdout and stderr; return the error of stdout, if any."""
    errors = [_flush(stream) for stream in (sys.stdout, sys.stderr)]
    return errors[0]


def console(stream: TextIO | MessageStream | None) -> Console:
    """Return a rich console for ``stream``; output to None (a closed stream) is discarded.

    ``NO_COLOR``, ``TERM=dumb`` and ``COLUMNS`` are respected. Only the stream determines
    whether it is a terminal: FORCE_COLOR must not write a live view to a file.
    """
    file = stream if isinstance(stream, MessageStream) else MessageStream(stream)
    terminal = Console(
        file=file,  # type: ignore[arg-type]
        force_terminal=file.isatty(),
        highlight=False,
        markup=False,
        emoji=False,
    )
    if terminal.width < 1:  # with COLUMNS=0 rich would draw nothing
        terminal.width = 80
    return terminal


def draws(console: Console) -> bool:
    """Return whether the console supports boxes, colors and a live view."""
    return console.is_terminal and not console.is_dumb_terminal


def _line(console: Console, text: str, style: str = "", prose: bool = False) -> None:
    if draws(console):
        console.print(Text(text, style=style), soft_wrap=not prose)
    else:
        console.file.write(text + "\n")
        console.file.flush()


def _show(console: Console, table: Table) -> None:
    from seqcli.report import tables

    if draws(console):
        console.print(tables.rich_table(table))
    else:
        console.file.write("\n".join([*tables.plain_lines(table), ""]))


def _flush(stream: TextIO | None) -> OSError | None:
    try:
        if stream is not None:
            stream.flush()
    except ValueError:  # closed
        return None
    except OSError as error:
        redirect_to_devnull(stream)
        return error
    return None


def _escaped_json(text: str) -> str:
    """Escape the control characters of a JSON text."""
    return "".join(f"\\u{ord(one):04x}" if is_control(one) and one != "\n" else one for one in text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class View:
    """Something that is shown while work goes on; it is closed at the end of a ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove or complete what is drawn live; by default nothing is."""
