"""stdout and stderr: what happens when one of them cannot be written is decided here."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any, TextIO

from seqcli.errors import MachineError, ReaderGone

_NARROW = "backslashreplace"  # for what a narrow encoding lacks: it must not crash


class MessageStream(io.TextIOBase):
    """A stream of messages (stderr): once it cannot be written to, it is silent.

    Work does not end because nobody reads about it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream: TextIO | None = _without_surprises(stream)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        with contextlib.suppress(ValueError):  # closed
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return its file descriptor."""
        if self._stream is None:
            raise OSError("a stream without a file descriptor")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write a text, as far as that goes."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Push the text out."""
        self._try("flush")

    def close(self) -> None:
        """Leave the stream open: it is the process's, not ours."""

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
    """A stream of data (stdout).

    Args:
        stream: where it goes; None (a closed stdout) leads nowhere.
        product: whether the data is what the command is for: then it stops when its reader goes.

    Raises:
        ReaderGone: (while writing) the reader went away from a product.
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
            raise MachineError(f"stdout cannot be written: {what}", "redirect it elsewhere")
        if self._product:
            raise ReaderGone


def redirect_to_devnull(stream: Any) -> None:
    """Point the descriptor of a broken stream at the null device: Python flushes it at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no descriptor behind it: nothing to do
        return


def _without_surprises(stream: TextIO | None) -> TextIO | None:
    """Return a stream that escapes what its encoding lacks."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors != _NARROW:
        with contextlib.suppress(OSError, ValueError):  # it also flushes: gone, or closed
            stream.reconfigure(errors=_NARROW)
    return stream
