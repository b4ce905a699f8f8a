"""The one family of expected errors, and the exit codes they lead to."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line."""

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
    """An error the user can mend: one line that says what is wrong and where, and a hint.

    Args:
        message: what is wrong and where (``path, line N:`` for files).
        hint: what to do about it; may be empty.
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
    """A data file that cannot be used as it stands."""

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


class StoppedBySignal(SeqcliError):  # noqa: N818 - not an error: a stop that was asked for
    """SIGINT or SIGTERM: the work so far was saved before this was raised."""

    def __init__(self, message: str, hint: str, exit_code: Exit) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
