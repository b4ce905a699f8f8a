"""Write folders atomically, even if the process is killed.

A folder is built next to its target and replaces it in one step: the disk holds either the old
folder or the new one. If the system cannot swap two folders, the old one is renamed first; if the
process dies at that moment, the next run restores it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from seqcli.errors import UsageError
from seqcli.files.atomic import refuse_stdout, writing
from seqcli.files.system import exchange, sync_folder
from seqcli.files.temporary import OLD, leftovers, prefix_of, temporary_folder, temporary_path

Ours = Callable[
    [PurePath], bool
]  # whether seqcli wrote a file, given its path relative to the folder


class StagedFolder:
    """A folder that is built next to ``target`` and moved there by ``commit``.

    Attributes:
        target: the final path, absolute, with links resolved.
        path: the current path: the staging folder, and ``target`` after ``commit``.

    Example::

        with staged_folder(target, ours) as staged:
            write_checkpoint(staged.path)
            staged.commit()                  # the old folder is replaced in one step
            write_more(staged.path)          # staged.path is target now
    """

    def __init__(self, target: Path, staging: Path, ours: Ours) -> None:
        self.target, self.path = target, staging
        self._ours = ours

    @property
    def committed(self) -> bool:
        """Whether the folder has been moved to its target."""
        return self.path == self.target

    def commit(self) -> None:
        """Move the folder to its target in one step, and flush it to disk.

        Files that seqcli did not write are linked into the new folder first, so that they are
        always visible; the rest of the old folder is removed. A second call does nothing.

        Raises:
            MachineError: the disk is full or broken.
            UsageError: the target cannot be replaced. The old folder is unchanged.
        """
        if self.committed:
            return
        with writing(self.target):
            _sync_tree(self.path)
            _link_foreign(self.target, PurePath(), self.path, self._ours)
            old = _swap(self.path, self.target)
            sync_folder(self.target.parent)
        self.path = self.target
        if old is not None:
            _retire(old, self.target, self._ours)


@contextmanager
def staged_folder(path: Path, ours: Ours) -> Iterator[StagedFolder]:
    """Yield a new, empty folder next to ``path``; remove it unless it is committed.

    Leftovers of killed processes next to ``path`` are removed or restored first.

    Args:
        path: the folder to create or replace; its parents are created.
        ours: whether a file of the old folder may be removed after the new one replaces it.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: ``path`` is a file or a dangling link, or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with writing(path):
            target = resolved_folder(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            recover(target, ours)
            staging = stack.enter_context(temporary_folder(target))
        staged = StagedFolder(target, staging, ours)
        stack.callback(_remove_uncommitted, staged)
        yield staged


@contextmanager
def replacing_folder(path: Path, names: Collection[str], force: bool) -> Iterator[Path]:
    """Yield an empty folder next to ``path``, which replaces ``path`` at the end.

    Args:
        path: the folder to create; its parents are created.
        names: the files the folder may contain; a folder with other files is never replaced.
        force: replace a folder that is not empty.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: ``path`` exists and may not be replaced, or cannot be written.
    """

    def ours(file: PurePath) -> bool:
        return str(file) in names

    with writing(path):
        _check_free(path, resolved_folder(path), names, force)
    with staged_folder(path, ours) as staged:
        with writing(path):
            yield staged.path
        staged.commit()


def resolved_folder(path: Path) -> Path:
    """Return the absolute path of a folder to write, with links resolved.

    Raises:
        OSError: the path is not accessible.
        UsageError: the path is a file, a dangling link, or contains the working folder.
    """
    refuse_stdout(path)
    if path.is_symlink() and not path.exists():
        raise UsageError(f"{path} is a dangling symbolic link", "remove it, or choose another")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file", "choose another folder")
    target = path.resolve()
    if Path.cwd().is_relative_to(target):  # the process would lose its working folder
        message = f"{path} is or contains the working folder, so it cannot be replaced"
        raise UsageError(message, "choose another folder, or run the command from elsewhere")
    return target


def check_room(folder: Path, needed: int) -> None:
    """Refuse output that does not fit on the disk.

    Args:
        folder: an existing folder on the disk.
        needed: the estimated size in bytes.

    Raises:
        UsageError: less space is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        message = f"the output needs about {_readable(needed)}, but only {_readable(free)} are free"
        raise UsageError(f"{folder.parent}: {message}", "ask for fewer rows, or use another disk")


def recover(target: Path, ours: Ours) -> None:
    """Clean up after killed processes: finish an interrupted swap, remove leftovers.

    Args:
        target: the folder, resolved.
        ours: whether a file may be removed; others are moved to ``target``.
    """
    for leftover in leftovers(target.parent, prefix_of(target)):
        if not leftover.is_folder:
            continue
        if leftover.path.suffix == f".{OLD}" and not target.exists():
            leftover.path.rename(target)
            sync_folder(target.parent)
        else:
            _retire(leftover.path, target, ours)


def _readable(size: float) -> str:
    """Format a number of bytes, such as 3.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.0f} PB"


def _check_free(path: Path, target: Path, names: Collection[str], force: bool) -> None:
    existing = sorted(one.name for one in target.iterdir()) if target.exists() else []
    foreign = [name for name in existing if name not in names]
    if foreign:
        message = f"{path} contains other files, such as {foreign[0]}: it will not be replaced"
        raise UsageError(message, "choose another folder")
    if existing and not force:
        message = f"{path} already contains {existing[0]}"
        raise UsageError(message, "choose another folder, or give --force")


def _swap(staging: Path, target: Path) -> Path | None:
    """Rename ``staging`` to ``target``; return the new path of the old folder."""
    if not target.exists():
        staging.rename(target)
        return None
    if exchange(staging, target):
        return staging
    old = temporary_path(target, OLD)
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    return old


def _retire(old: Path, target: Path, ours: Ours) -> None:
    """Remove an old folder; move files that seqcli did not write to ``target``.

    Never raises ``OSError``: what cannot be removed now is removed by the next run.
    """
    with contextlib.suppress(OSError):
        _empty(old, PurePath(), target, ours)
        old.rmdir()


def _link_foreign(old: Path, inside: PurePath, new: Path, ours: Ours) -> None:
    """Link the files of a folder that seqcli did not write into another folder.

    Never raises ``OSError``: files that cannot be linked are moved after the folders are swapped.
    """
    with contextlib.suppress(OSError):
        for entry in sorted((old / inside).iterdir()):
            name = inside / entry.name
            if not entry.is_symlink() and entry.is_dir():
                _link_foreign(old, name, new, ours)
            elif not ours(name) and not os.path.lexists(new / name):
                (new / inside).mkdir(parents=True, exist_ok=True)
                os.link(entry, new / name, follow_symlinks=False)


def _empty(old: Path, inside: PurePath, target: Path, ours: Ours) -> None:
    """Move files that seqcli did not write to ``target``, then remove the rest."""
    entries = sorted((old / inside).iterdir(), key=lambda entry: ours(inside / entry.name))
    for entry in entries:
        name = inside / entry.name
        with contextlib.suppress(OSError):
            if not entry.is_symlink() and entry.is_dir():
                _empty(old, name, target, ours)
                entry.rmdir()
            elif ours(name) or _is_there_too(entry, target / name):
                entry.unlink(missing_ok=True)
            elif target.is_dir() and not os.path.lexists(target / name):
                (target / inside).mkdir(parents=True, exist_ok=True)
                entry.rename(target / name)


def _is_there_too(entry: Path, other: Path) -> bool:
    """Return whether two paths are hard links to the same file."""
    with contextlib.suppress(OSError):
        return os.path.samestat(entry.lstat(), other.lstat())
    return False


def _remove_uncommitted(staged: StagedFolder) -> None:
    """Remove a staging folder that was not committed, with all its content."""
    if not staged.committed:
        _retire(staged.path, staged.path, lambda _: True)


def _sync_tree(folder: Path) -> None:
    """Flush every file and name below ``folder`` to disk.

    Raises:
        OSError: a file cannot be written to the disk.
    """
    for path, _, names in os.walk(folder):
        for name in names:
            _sync_file(Path(path, name))
        sync_folder(Path(path))


def _sync_file(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # the disk does not support it
            raise
    finally:
        os.close(descriptor)
