"""The expected errors, and their exit codes.

====  ========================================================================================
code  meaning
====  ========================================================================================
0     Success.
1     A bug in seqcli: please report it.
2     A wrong option, value or configuration key, or an output path that cannot be written.
3     A data file that is missing, unreadable or malformed, or lines that cannot be used.
4     A checkpoint that is missing, unreadable, damaged or of the wrong kind.
5     Training diverged: the loss became NaN or infinite.
6     The machine failed: disk full or broken, out of memory, too many open files or threads.
129   Stopped by SIGHUP; training saves first.
130   Stopped by SIGINT (Ctrl-C); training saves first.
141   The reader of the output closed the pipe (``| head``).
143   Stopped by SIGTERM; training saves first.
====  ========================================================================================
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line; the module's docstring has the table."""

    DONE = 0
    BUG = 1
    USAGE = 2
    DATA = 3
    CHECKPOINT = 4
    DIVERGED = 5
    MACHINE = 6
    SIGHUP = 129
    SIGINT = 130
    BROKEN_PIPE = 141
    SIGTERM = 143


class SeqcliError(Exception):
    """An error that the user can fix.

    Args:
        message: one line with the problem and its place (``path, line N:`` for files).
        hint: how to fix it; may be empty.
    """

    exit_code = Exit.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SeqcliError):
    """A wrong option, value or config key."""

    exit_code = Exit.USAGE


class DataError(SeqcliError):
    """A data file that cannot be used."""

    exit_code = Exit.DATA


class CheckpointError(SeqcliError):
    """A checkpoint that is missing, damaged, hostile or of another kind."""

    exit_code = Exit.CHECKPOINT


class DivergedError(SeqcliError):
    """The loss became NaN or infinite."""

    exit_code = Exit.DIVERGED


class MachineError(SeqcliError):
    """The machine failed: a full or broken disk, too little memory, too many open files."""

    exit_code = Exit.MACHINE


class ReaderGone(SeqcliError):  # noqa: N818 - not an error: the output is no longer read
    """The reader of stdout closed the pipe (``| head``)."""

    exit_code = Exit.BROKEN_PIPE

    def __init__(self) -> None:
        super().__init__("the reader of the output closed the pipe")


class StoppedBySignal(SeqcliError):  # noqa: N818 - not an error: the user stopped it
    """The command was stopped by SIGINT, SIGTERM or SIGHUP, after saving its state."""

    def __init__(self, message: str, hint: str, exit_code: Exit) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


_CHECK = "check the path and its permissions"
_DISK = "free some disk space, or write to another disk"
_MEMORY = "use a smaller model or --batch-size, or close other programs"
_GPU_MEMORY = "use a smaller model or --batch-size, --set train.precision=bf16, or --device cpu"
_FILES = "close other programs, or raise the limit (ulimit -n)"
_PROCESSES = "close other programs, or raise the limit (ulimit -u)"
_MACHINE_ERRNOS = {
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
    errno.EFBIG: _DISK,
    errno.EIO: "check the disk",
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _PROCESSES,
}
_OUT_OF_GPU_MEMORY = ("cuda out of memory", "mps backend out of memory", "hip out of memory")
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


def expected(error: BaseException) -> SeqcliError | None:
    """Return the expected error behind an exception, or None if it is a bug.

    The whole chain of causes is searched for errors of the machine, because libraries wrap them.
    Any other ``OSError`` is about a path that the user passed.
    """
    if isinstance(error, SeqcliError):
        return error
    faults = (_machine_fault(one) for one in causes(error))
    return next(filter(None, faults), None) or _refusal(error)


@contextmanager
def blamed(kind: type[SeqcliError]) -> Iterator[None]:
    """Convert an ``OSError`` about a user's path to an error of this ``kind``.

    Raises:
        SeqcliError: an error of this kind, or a `MachineError`, with the path and the reason.
    """
    try:
        yield
    except OSError as error:
        fault = _machine_fault(error)
        raise fault or kind(_system_message(error), _CHECK) from error


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its chain of causes."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__ or current.__context__


def _machine_fault(error: BaseException) -> MachineError | None:
    if isinstance(error, MachineError):
        return error
    if isinstance(error, OSError):
        hint = _MACHINE_ERRNOS.get(error.errno or 0)
        return None if hint is None else MachineError(_system_message(error), hint)
    text = str(error).lower()
    if any(words in text for words in _OUT_OF_GPU_MEMORY):
        return MachineError("out of GPU memory", _GPU_MEMORY)
    if isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY):
        return MachineError("out of memory", _MEMORY)
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return MachineError("the system cannot start more threads", _PROCESSES)
    return None


def _refusal(error: BaseException) -> UsageError | None:
    if not isinstance(error, OSError):
        return None
    return UsageError(_system_message(error), _CHECK)


def _system_message(error: OSError) -> str:
    named = f"{error.filename}: " if error.filename not in (None, "") else ""
    return named + (error.strerror or str(error) or type(error).__name__).lower()
