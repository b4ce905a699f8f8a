"""The entry point of ``seqcli`` and ``python -m seqcli``: install signal handling, then run."""

from __future__ import annotations

import os
import sys


def _handle_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Handle an exception that Python cannot raise: exit on Ctrl-C, print others.

    Python discards what is raised inside ``__del__`` and inside callbacks of weak references,
    such as the one that releases the lock of an import.
    """
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        os._exit(130)
    sys.__unraisablehook__(unraisable)


sys.unraisablehook = _handle_unraisable  # before any import of a module that is not loaded yet
try:
    from seqcli.interrupts import INTERRUPTED, handle_interrupts
except KeyboardInterrupt:
    os._exit(130)


def main() -> None:
    """Run the command line."""
    try:
        interrupts = handle_interrupts()
        _fill_standard_streams()
        _load_plugins()
        from seqcli.cli import app_for, shell

        code = int(shell.run(app_for(sys.argv[1:]), sys.argv[1:]))
        interrupts.at_once = True  # the command is done
    except KeyboardInterrupt:
        code = INTERRUPTED
    if "RANK" in os.environ and "torch" in sys.modules:
        _exit_at_once(code)
    raise SystemExit(code)


def _exit_at_once(code: int) -> None:
    """Exit one of several processes of torchrun without finalizing the interpreter.

    The threads of Gloo may still hold tensors. If they release one while the interpreter is
    finalized, PyTorch aborts the process (pytorch/pytorch#190489), and torchrun takes a training
    that is complete for a failed one.
    """
    from contextlib import suppress

    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _load_plugins() -> None:
    """Register names from outside the package before the options list them.

    `shell.run` reports a plugin that cannot be imported.
    """
    from contextlib import suppress

    from seqcli.errors import SeqcliError
    from seqcli.plugins import load_plugins

    with suppress(SeqcliError):
        load_plugins()


def _fill_standard_streams() -> None:
    """Open the null device for each closed standard stream.

    Otherwise the next file opened gets its descriptor, and libraries print into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
