"""Open and read regular files only, and check names that become names of folders."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from seqcli import schema
from seqcli.errors import UsageError

LONGEST_NAME = 150  # characters; file systems allow 255 bytes


def single_name(name: str, where: str) -> str:
    """Return a name read from a file if it is safe as the name of a folder.

    Raises:
        UsageError: it is not: empty, too long, hidden, or with a separator in it.
    """
    printable = name.isprintable() and not set(name) & set("/\\:")
    if not printable or not name.strip() or name.startswith(".") or len(name) > LONGEST_NAME:
        shown = repr(name if len(name) < 60 else name[:57] + "...")
        hint = f"use letters, digits, - and _; at most {LONGEST_NAME} characters"
        raise UsageError(f"{where}: {shown} cannot be the name of a folder", hint)
    return name


class NotRegularError(OSError):
    """A folder, a device, a FIFO or a socket where a file is expected."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "is not a regular file", str(path))


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to read bytes; links are followed, a FIFO is never waited for.

    Raises:
        NotRegularError: it is something else.
        OSError: it is missing or cannot be read.
    """
    # O_NONBLOCK: opening a FIFO that nobody writes to must not wait for ever
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError(path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_regular(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file of at most ``most`` bytes.

    Raises:
        OSError: it is larger, no regular file, missing, or cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return content


def read_json(path: Path, kind: Any, most: int) -> Any:
    """Return what a JSON file holds, checked against a schema; see `seqcli.schema.read`.

    Raises:
        SchemaError: it is no JSON, gives a key twice, or does not fit; the message is one line.
        OSError: see `read_regular`.
    """
    try:
        text = read_regular(path, most).decode("utf-8")
    except UnicodeDecodeError:
        raise schema.SchemaError("not UTF-8 text") from None
    return schema.read(kind, schema.parse_json(text))
