"""Handle signals: end without a traceback, or finish a step and save before the exit."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def handle_interrupts() -> Interrupts:
    """Install the handler of SIGINT, unless the caller ignores the signal (``nohup``, ``&``)."""
    interrupts = Interrupts()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupts)
    return interrupts


def _importing(frame: FrameType | None) -> bool:
    """Return whether ``frame`` or one of its callers is importing a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interrupted(Exception):  # noqa: N818 - not an error: requested by a signal
    """Raised inside the loop when a signal requests a stop; the run can be resumed."""


class StopRequest:
    """A request to stop, made by the first signal; a second signal exits immediately."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.signal:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = number


class _PolledRequest(StopRequest):
    """A request to stop that is made once a check returns true."""

    def __init__(self, check: Callable[[], bool]) -> None:
        super().__init__()
        self.check = check

    def __bool__(self) -> bool:
        if not self.signal and self.check():
            self.signal = signal.SIGTERM
        return self.signal != 0


_thread = threading.local()


@contextmanager
def stop_when(check: Callable[[], bool]) -> Iterator[StopRequest]:
    """Stop training that runs in this thread, as SIGTERM would, once ``check`` returns true.

    For threads other than the main thread, which receive no signals.
    """
    _thread.request = _PolledRequest(check)
    try:
        yield _thread.request
    finally:
        del _thread.request


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Catch the signals in `STOPPING` inside the block.

    Outside the main thread no signal is caught; see `stop_when`. A signal that the caller has
    ignored (``nohup``, a background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield getattr(_thread, "request", StopRequest())
        return
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in STOPPING}
    caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, request.handle)
    try:
        yield request
    finally:
        for number in caught:
            signal.signal(number, before[number])
