"""Starting programs, stamping their lines, and telling the figures as one JSON document.

Every contender runs as a process of its own and is watched from outside with one clock, so that
nobody is measured by a friendlier rule than the others.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Line:
    """A line some program wrote, and when: seconds since it was started, on the clock and of CPU.

    ``cpu_seconds`` is that of the process itself, all its threads together: on a machine that
    others use too it is the steadier clock. It is 0 where the system has no ``/proc``.
    """

    seconds: float
    cpu_seconds: float
    text: str


@dataclass(frozen=True)
class Trace:
    """What watching a program to its end (or stopping it) showed.

    ``cpu_seconds`` and ``peak_mib`` are the system's own figures for the process and the
    children it waited for: CPU time is their sum, peak memory that of the largest one.
    """

    lines: tuple[Line, ...]
    seconds: float
    cpu_seconds: float
    peak_mib: float
    stopped: bool  # by us, having seen enough

    def first(self, read: Callable[[str], Any]) -> Any:
        """Return what ``read`` makes of the first line it makes anything of, else None."""
        return next((found for line in self.lines if (found := read(line.text)) is not None), None)


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a contender that may use so many threads, and no GPU."""
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONUNBUFFERED": "1",
        "WANDB_MODE": "disabled",
        "HF_HUB_OFFLINE": "1",
    }
    return {**os.environ, **settings}


def watch(
    command: Sequence[str],
    threads: int,
    enough: Callable[[Line], bool] = lambda line: False,
    text: str = "",
) -> Trace:
    """Run ``command``, stamping what it writes; stop it once ``enough`` says so.

    ``text`` is its standard input: short, for it is written to a pipe before the start.

    Raises:
        RuntimeError: it failed by itself; the message holds the end of what it wrote.
    """
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    begin = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(threads),
        start_new_session=True,  # its data workers are stopped with it
    )
    os.close(reading)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        lines, stopped = _read(process, begin, enough)
    except BaseException:  # in a session of its own, it would outlive us
        os.killpg(process.pid, signal.SIGKILL)
        raise
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not stopped:
        tail = "\n".join(line.text for line in lines[-15:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    # Linux hands the parent's peak on to a child at exec: this process must stay small, and so
    # it never imports torch or NumPy.
    cpu = usage.ru_utime + usage.ru_stime
    return Trace(tuple(lines), seconds, cpu, usage.ru_maxrss / KIB_PER_MIB, stopped)


def _read(
    process: subprocess.Popen[bytes], begin: float, enough: Callable[[Line], bool]
) -> tuple[list[Line], bool]:
    lines: list[Line] = []
    assert process.stdout is not None
    with process.stdout as stream:
        for text in _pieces(stream):
            lines.append(Line(time.perf_counter() - begin, _cpu_seconds(process.pid), text))
            if enough(lines[-1]):
                os.killpg(process.pid, signal.SIGKILL)
                return lines, True
    return lines, False


def _cpu_seconds(process: int) -> float:
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return 0.0
    user, system = path.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _pieces(stream: IO[bytes]) -> Iterator[str]:
    """Yield lines as they come; a bar that redraws itself with \\r gives a line each time."""
    rest = b""
    while chunk := os.read(stream.fileno(), 65536):
        *whole, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        yield from (piece.decode(errors="replace") for piece in whole)
    if rest:
        yield rest.decode(errors="replace")


def window_speeds(
    stamps: Iterable[tuple[int, float]], batch: float, warmup: int, window: int
) -> list[float]:
    """Return sequences per second over windows of at least ``window`` steps, after a warm-up.

    Args:
        stamps: (optimizer steps done, seconds), rising.
        batch: sequences (or characters, whatever is counted) per step.
        warmup: steps that are not counted.
        window: least number of steps between two stamps of a window.
    """
    speeds: list[float] = []
    start: tuple[int, float] | None = None
    for step, seconds in stamps:
        if start is None:
            start = (step, seconds) if step >= warmup else None
        elif step - start[0] >= window:
            speeds.append((step - start[0]) * batch / (seconds - start[1]))
            start = (step, seconds)
    return speeds


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median, least, largest and all of ``values``, rounded for reading."""
    return {
        "median": _round(statistics.median(values)),
        "min": _round(min(values)),
        "max": _round(max(values)),
        "values": [_round(value) for value in values],
    }


def times(values: Mapping[str, float], unit: str) -> dict[str, float]:
    """Return each of ``values`` as a multiple of the one called ``unit``."""
    return {name: _round(value / values[unit]) for name, value in values.items()}


def _round(value: float) -> float:
    return float(f"{value:.4g}") if value < 1000 else round(value)


def thread_counts() -> list[int]:
    """Return one thread and, where there are more, all of them."""
    return sorted({1, cores()})


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(text: str) -> None:
    """Tell how far the benchmark is (stderr)."""
    print(text, file=sys.stderr, flush=True)


def publish(
    benchmark: str, settings: Mapping[str, Any], results: Mapping[str, Any], load_before: float
) -> None:
    """Print the one JSON document of a benchmark (stdout)."""
    document = {
        "benchmark": benchmark,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine() | {"load_before": load_before, "load_after": load()},
        "settings": dict(settings),
        "results": dict(results),
    }
    print(_on_one_line(json.dumps(document, indent=2)))


def _on_one_line(text: str) -> str:
    """Return JSON text with its innermost lists on one line each, easier on the eye."""
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def machine() -> dict[str, Any]:
    """Return what can be told of this machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(pages / 2**30, 1),
        "python": platform.python_version(),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
