"""Ctrl-C ends the program in silence, from its first line to its last."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT


class Interrupts:
    """Handle SIGINT: end the process in silence, whatever it is doing.

    While a module is imported and while the interpreter shuts down, the process ends at once:
    neither can be left cleanly by an exception, and both may leave behind only what a kill leaves.
    Elsewhere KeyboardInterrupt is raised, once; a second SIGINT ends the process at once.
    """

    def __init__(self) -> None:
        self.at_once = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take the signal."""
        if self.at_once or _importing(frame):
            os._exit(INTERRUPTED)
        self.at_once = True
        raise KeyboardInterrupt

    def take_lost(self, lost: sys.UnraisableHookArgs) -> None:
        """Take an exception that Python cannot raise, such as one inside ``__del__``."""
        if isinstance(lost.exc_value, KeyboardInterrupt):
            os._exit(INTERRUPTED)
        sys.__unraisablehook__(lost)


def handle_interrupts() -> Interrupts:
    """Handle SIGINT from now on, unless the caller had it ignored (``nohup``, ``&``)."""
    interrupts = Interrupts()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupts)
        sys.unraisablehook = interrupts.take_lost
    return interrupts


def _importing(frame: FrameType | None) -> bool:
    """Return whether a module is being imported in ``frame`` or above it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
