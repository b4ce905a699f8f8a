"""Handle SIGINT, SIGTERM and SIGHUP: finish the step, save, then exit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Catch the signals in `STOPPING` inside the block.

    Outside the main thread no signal is caught. A signal that the caller has ignored (``nohup``, a
    background job) stays ignored.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, request.handle)
    try:
        yield request
    finally:
        for number in caught:
            signal.signal(number, before[number])
