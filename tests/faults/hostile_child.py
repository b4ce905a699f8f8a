"""Run command lines one after the other in this process, and measure each.

A job is a line of JSON on stdin: the folder to run in, and the command lines. The answer is a line
of JSON on the stdout that this process began with: for each command its exit code, what it printed,
its CPU seconds and how far its peak memory exceeds that of the idle process.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

ROOM = 2 << 30  # bytes of address space that a command may take


def status(key: str) -> int:
    """Return a number of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{key}:"))


def reset_peak() -> None:
    """Forget the peak of resident memory so far."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def answered(argv: list[str], said: Path) -> dict[str, Any]:
    """Run one command line."""
    from seqcli.cli import app, shell

    reset_peak()
    idle = status("VmRSS")  # releases of PyTorch differ by hundreds of megabytes
    began = resource.getrusage(resource.RUSAGE_SELF)
    code = shell.run(app, argv)
    sys.stdout.flush()
    sys.stderr.flush()
    ended = resource.getrusage(resource.RUSAGE_SELF)
    text = said.read_bytes()[-4000:].decode("utf-8", "replace")
    os.ftruncate(1, 0)
    os.lseek(1, 0, os.SEEK_SET)
    cpu = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    return {
        "argv": argv,
        "code": int(code),
        "said": text,
        "cpu": cpu,
        "peak": status("VmHWM") - idle,
    }


def main() -> None:
    """Answer jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    said = Path(sys.argv[1])
    output = os.open(said, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    import torch  # noqa: F401 - so that no command is charged for it

    resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + ROOM,) * 2)
    for line in sys.stdin:
        job = json.loads(line)
        os.chdir(job["folder"])
        answers.write(json.dumps([answered(argv, said) for argv in job["commands"]]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
