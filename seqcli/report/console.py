"""The one place that knows where the program talks, and whether anybody looks on."""

from __future__ import annotations

import json as json_text
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from seqcli.formatting import steers, visible
from seqcli.report.streams import Data, Messages, point_at_nothing

if TYPE_CHECKING:
    from seqcli.report.tables import Table


@dataclass
class Out:
    """Two ways out: ``data`` (stdout: what was asked for) and ``talk`` (stderr: all the rest).

    On a terminal rich draws; elsewhere plain lines are written, never wrapped, cut or boxed.
    Control characters are escaped here and nowhere else: in all talk, and in data on a terminal.
    Where nobody reads, talk is silent; see `seqcli.report.streams`.

    Args:
        data: console of stdout.
        talk: console of stderr.
        json: stdout carries one JSON document and nothing else.
        quiet: no talk but errors.
    """

    data: Console
    talk: Console
    json: bool = False
    quiet: bool = False

    @classmethod
    def standard(cls, *, json: bool = False, quiet: bool = False, product: bool = True) -> Out:
        """Talk on this process's stdout and stderr, whatever they are (also closed ones).

        Args:
            json, quiet: see `Out`.
            product: whether stdout is what the command is for; see `seqcli.report.streams.Data`.
        """
        data, talk = Data(sys.stdout, product), Messages(sys.stderr)
        return cls(console(data), console(talk), json, quiet)

    @property
    def live(self) -> bool:
        """Whether a moving view can be drawn on ``talk``."""
        return draws(self.talk) and not self.quiet

    def say(self, text: str, style: str = "", *, prose: bool = False) -> None:
        """Tell something (stderr); nothing when quiet.

        Args:
            text: a line, or several.
            style: how rich draws it, for example ``"bold"``.
            prose: wrap between words on a terminal; otherwise a line stays whole (to be copied).
        """
        if not self.quiet:
            _line(self.talk, visible(text, keep="\n"), style, prose)

    def complain(self, message: str, hint: str = "") -> None:
        """Tell an error and what to do about it (stderr), also when quiet."""
        _line(self.talk, visible(f"error: {message}", keep="\n"), "bold red")
        if hint:
            _line(self.talk, visible(f"hint: {hint}", keep="\n"))

    def write(self, text: str) -> None:
        """Write a line of data (stdout), as it is unless on a terminal; nothing with ``json``."""
        if not self.json:
            _line(self.data, visible(text, keep="\n\t") if self.data.is_terminal else text)

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write many lines of data (stdout) at once; nothing with ``json``."""
        if lines:
            self.write("\n".join(lines))

    def show(self, table: Table, *, talk: bool = False) -> None:
        """Show a table on stdout (nothing with ``json``) or as talk (nothing when quiet)."""
        if self.quiet if talk else self.json:
            return
        _show(self.talk if talk else self.data, table)

    def document(self, document: Mapping[str, Any]) -> None:
        """Write the one JSON document (stdout). Numbers that are not finite become null."""
        self.data.file.write(self._json(document) + "\n")
        self.data.file.flush()

    def documents(self, name: str, items: Iterable[Mapping[str, Any]]) -> None:
        """Write one JSON document (stdout) that holds a list, each item as soon as it comes.

        However the items end, the document does: what is there can be read.
        """
        file, before = self.data.file, ""
        file.write(f'{{"{name}": [')
        try:
            for item in items:
                file.write(f"{before}\n{self._json(item)}")
                file.flush()
                before = ","
        finally:
            file.write("\n]}\n")
            file.flush()

    def _json(self, document: Mapping[str, Any]) -> str:
        plain_ascii = not self.data.encoding.startswith("utf")
        text = json_text.dumps(_finite(document), ensure_ascii=plain_ascii, allow_nan=False)
        return _steerless(text) if self.data.is_terminal else text


def show_notes() -> None:
    """Show notes (`seqcli.messages`) on stderr from now on, one line each."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            Out.standard().say(f"note: {record.getMessage()}")

    logger = logging.getLogger("seqcli")
    logger.handlers, logger.propagate = [Handler()], False


def flush_standard() -> OSError | None:
    """Push out what else was written to stdout and stderr; return what went wrong with stdout."""
    found = [_flush(stream) for stream in (sys.stdout, sys.stderr)]
    return found[0]


def console(stream: TextIO | Messages | None) -> Console:
    """Return a rich console for ``stream``; None (a closed one) leads nowhere.

    ``NO_COLOR``, ``TERM=dumb`` and ``COLUMNS`` are honoured. Whether it is a terminal is asked of
    the stream alone: FORCE_COLOR and the like must not put a moving view into a file.
    """
    file = stream if isinstance(stream, Messages) else Messages(stream)
    made = Console(
        file=file,  # type: ignore[arg-type]
        force_terminal=file.isatty(),
        highlight=False,
        markup=False,
        emoji=False,
    )
    if made.width < 1:  # COLUMNS=0: rich would draw nothing at all
        made.width = 80
    return made


def draws(console: Console) -> bool:
    """Whether rich may draw here: boxes, colors, a moving view."""
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
        point_at_nothing(stream)
        return error
    return None


def _steerless(text: str) -> str:
    """Return a JSON text with control characters as JSON escapes them."""
    return "".join(f"\\u{ord(one):04x}" if steers(one) else one for one in text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
