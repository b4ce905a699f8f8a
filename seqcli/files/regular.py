"""Open and read regular files only, and check names to be used for folders."""

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
    """Check that a name read from a file is safe as the name of a folder, and return it.

    Raises:
        UsageError: the name is empty, too long or hidden, or contains a separator.
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
    """Open a regular file to read bytes; follow links, but never block on a FIFO.

    Raises:
        NotRegularError: the path is not a regular file.
        OSError: the file is missing or cannot be read.
    """
    # O_NONBLOCK: opening a FIFO without a writer must not block
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
    """Read a regular file of at most ``most`` bytes.

    Raises:
        OSError: the file is larger, not regular, missing, or cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return content


def read_json(path: Path, kind: Any, most: int) -> Any:
    """Read a JSON file and check it against a schema; see `seqcli.schema.read`.

    Raises:
        SchemaError: the file is not JSON, repeats a key, or does not fit the schema.
        OSError: see `read_regular`.
    """
    try:
        text = read_regular(path, most).decode("utf-8")
    except UnicodeDecodeError:
        raise schema.SchemaError("not UTF-8 text") from None
    return schema.read(kind, schema.parse_json(text))
