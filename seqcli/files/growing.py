"""A file of lines that grows as they are found, and bears its name only once it is whole."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from seqcli.errors import UsageError
from seqcli.files.atomic import sync_folder, writing

PARTIAL = ".partial"


class LinesFile:
    """Writes lines to ``PATH.partial`` and renames it to ``PATH`` at the end.

    If something stops it, the partial file stays, with every line that was written before.

    Args:
        path: what the whole file is to be called; ``.gz`` at its end packs it.
        force: whether a file of that name may be replaced.

    Raises:
        UsageError: there is a file of that name already, or the folder cannot be written to.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        self.path, self.partial = path, path.with_name(path.name + PARTIAL)
        self.lines = 0
        if path.is_dir() or (path.exists() and not (force and path.is_file())):
            raise UsageError(f"{path} is already there", "choose another --out, or give --force")
        with writing(path):
            self._raw = self.partial.open("wb")
        self._file: IO[bytes] = self._raw
        if path.suffix == ".gz":  # without name and date: equal lines make equal files
            packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._raw, mtime=0)
            self._file = cast(IO[bytes], packed)

    def write(self, lines: Iterable[str]) -> None:
        """Add lines.

        Raises:
            SeqcliError: the disk is full or broken.
        """
        block = list(lines)
        with writing(self.partial):
            self._file.write("".join(f"{line}\n" for line in block).encode("utf-8", "replace"))
        self.lines += len(block)

    def __enter__(self) -> LinesFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Give the file its name if all went well."""
        with writing(self.partial):
            if self._file is not self._raw:
                self._file.close()  # writes the end of the packed data, whatever happened
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
            if kind is None:
                self.partial.replace(self.path)
                sync_folder(self.path.parent)
            elif not self.lines:
                self.partial.unlink(missing_ok=True)
