"""Handle Ctrl-C at any time, from the first import to the exit, without a traceback."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT


class Interrupts:
    """Handle SIGINT: end the process without a traceback.

    During an import and during the shutdown of the interpreter the process exits immediately,
    because an exception cannot leave them cleanly. Otherwise KeyboardInterrupt is raised once; a
    second SIGINT exits immediately.
    """

    def __init__(self) -> None:
        self.at_once = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if self.at_once or _importing(frame):
            os._exit(INTERRUPTED)
        self.at_once = True
        raise KeyboardInterrupt

    def handle_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Handle an exception that Python cannot raise, such as one inside ``__del__``."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            os._exit(INTERRUPTED)
        sys.__unraisablehook__(unraisable)


def handle_interrupts() -> Interrupts:
    """Install the handler of SIGINT, unless the caller ignores the signal (``nohup``, ``&``)."""
    interrupts = Interrupts()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupts)
        sys.unraisablehook = interrupts.handle_unraisable
    return interrupts


def _importing(frame: FrameType | None) -> bool:
    """Return whether ``frame`` or one of its callers is importing a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
