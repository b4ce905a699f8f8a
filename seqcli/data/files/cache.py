"""Cache encoded files: entries are created atomically and verified when used.

``SEQCLI_CACHE`` is ``off``, or the path of a folder to use instead of ``~/.cache/seqcli``. All
entries are in its subfolder ``encoded``. Only folders with the cache's marker file are ever
removed, file by file, so a user's own folder is safe, whatever its path.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqcli.files.atomic import writing
from seqcli.files.system import owned
from seqcli.files.temporary import leftovers, prefix_of, temporary_folder

VARIABLE, OFF = "SEQCLI_CACHE", "off"
SUBFOLDER = "encoded"
CHECKS = "checks.json"
MARKER = "seqcli-cache-entry"
_KEY = re.compile(r"[0-9a-f]{32}")
_DAYS = 30  # after which an unused entry is removed
_BLOCK = 1 << 20
_MOST_CHECKS = 1 << 16  # bytes

# Fills a folder; returns the key of its content, or None if that is the requested key.
Write = Callable[[Path], str | None]


def root() -> Path | None:
    """Return the folder of the entries; None if the cache is off or no home folder exists."""
    setting = os.environ.get(VARIABLE, "")
    if setting.lower() == OFF:
        return None
    try:
        return _base(setting) / SUBFOLDER
    except RuntimeError:  # no home folder
        return None


@contextlib.contextmanager
def cached_folder(key: str, write: Write) -> Iterator[tuple[Path, bool]]:
    """Yield the cached folder of ``key``, filled by ``write`` unless it exists and is intact.

    The entry gets its name only after it is filled, from the key that ``write`` returns: if the
    files have changed since ``key`` was computed, the entry has the key of their new content.

    If the cache is off, full or not writable, a temporary folder is used and removed afterwards
    (memory maps of its files stay readable).

    Args:
        key: 32 hexadecimal digits, computed from everything that the content depends on.
        write: fills an empty folder with files.

    Yields:
        the folder, and whether it is kept.

    Raises:
        MachineError: the disk has no room for temporary files either.
    """
    folder = _cached(key, write)
    if folder is not None:
        yield folder, True
        return
    with temporary_entry(write) as temporary:
        yield temporary


@contextlib.contextmanager
def temporary_entry(write: Write) -> Iterator[tuple[Path, bool]]:
    """Yield a folder filled by ``write``, and remove it afterwards.

    Leftovers of killed processes in the folder for temporary files are removed first.

    Yields:
        the folder, and False: it is not kept.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: no folder for temporary files exists.
    """
    with contextlib.ExitStack() as stack:
        with writing(Path(os.environ.get("TMPDIR", "/tmp"))):
            place = Path(tempfile.gettempdir()) / SUBFOLDER
            _sweep(place.parent, prefix_of(place))
            folder = stack.enter_context(temporary_folder(place, mode=0o700))
            stack.callback(remove_entry, folder)
            (folder / MARKER).touch()
            write(folder)
        yield folder, False


def is_intact(folder: Path) -> bool:
    """Return whether an entry has exactly its files, with correct checksums."""
    try:
        sums = _sums(folder)
        names = {path.name for path in folder.iterdir()}
        return names == {*sums, CHECKS, MARKER} and all(
            _is_plain(folder / name) and checksum(folder / name) == one
            for name, one in sums.items()
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def remove_entry(folder: Path) -> None:
    """Remove a folder of plain files with the marker of the cache, or an empty one.

    The marker is removed last, so that an interrupted removal can be continued. Never raises
    ``OSError``.
    """
    with contextlib.suppress(OSError):
        if folder.is_symlink() or not owned(folder.lstat()):
            return
        paths = sorted(folder.iterdir(), key=lambda path: path.name == MARKER)
        if not paths or (paths[-1].name == MARKER and all(map(_is_plain, paths))):
            for path in paths:
                path.unlink(missing_ok=True)
            folder.rmdir()


def _base(setting: str) -> Path:
    if setting:
        return Path(setting).expanduser()
    from platformdirs import user_cache_path  # takes 60 ms, so only large files import it

    path = user_cache_path("seqcli", appauthor=False)
    if path.is_absolute():
        return path
    return Path.home() / ".cache" / "seqcli"  # a relative XDG_CACHE_HOME is invalid


def _cached(key: str, write: Write) -> Path | None:
    """Return the folder of a key in the cache; None if the cache is unusable."""
    place = root()
    if place is None:
        return None
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            return None
        folder = place / key
        if is_intact(folder):
            os.utime(folder)
            return folder
        _remove_old(place)
        return _make(folder, write)
    return None


def _make(folder: Path, write: Write) -> Path:
    """Fill a temporary folder and rename it, unless another process has created the entry."""
    with temporary_folder(folder) as partial:
        try:
            (partial / MARKER).touch()
            made = folder.with_name(write(partial) or folder.name)
            paths = sorted(path for path in partial.iterdir() if path.name != MARKER)
            sums = {path.name: checksum(path) for path in paths}
            (partial / CHECKS).write_text(json.dumps(sums), encoding="ascii")
            if not is_intact(made):
                remove_entry(made)
            with contextlib.suppress(OSError):
                partial.rename(made)
            if not is_intact(made):
                raise OSError("the cache cannot be written")
            return made
        finally:
            remove_entry(partial)


def _sums(folder: Path) -> dict[str, Any]:
    path = folder / CHECKS
    if not _is_plain(path) or path.stat().st_size > _MOST_CHECKS:
        raise ValueError("not a list of checksums")
    sums: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
    return sums


def _is_plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _remove_old(place: Path) -> None:
    """Remove entries that have not been used for a long time, and leftovers of killed processes."""
    oldest = time.time() - _DAYS * 86400
    for folder in place.iterdir():
        if _KEY.fullmatch(folder.name) and folder.lstat().st_mtime < oldest:
            remove_entry(folder)
    _sweep(place)


def _sweep(place: Path, prefix: str = "") -> None:
    for leftover in leftovers(place, prefix):
        if leftover.is_folder:
            remove_entry(leftover.path)
