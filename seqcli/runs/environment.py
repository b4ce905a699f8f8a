"""Record where a run was trained: the command, versions and machine of each process.

``environment.json`` has one entry for the process that started the run, and one for each that
resumed it. Nothing depends on the file: if it is lost, only the record is lost.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from seqcli import __version__, schema
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import read_json

PACKAGES = ("torch", "numpy")
_MAX_BYTES = 1 << 20
_MOST = 100  # entries: the first process, and the last ones that resumed it


@dataclass(frozen=True)
class Environment:
    """The process that trained a run, or a part of it.

    Args:
        command: the command line; "" if it was started from Python.
        started: the time it started, ISO 8601 in UTC.
        versions: name -> version, of seqcli, Python and the packages that compute.
        system: the operating system, such as "Linux-6.1-x86_64".
        processor: the name of the processor.
        cores: its logical cores.
        commit: the commit of the checkout that seqcli runs from; "" if it is installed.
        device: the device that computed, such as "cpu" or "cuda:0 (NVIDIA H100)".
        threads: CPU threads; 0 if unknown.
    """

    command: str
    started: str
    versions: dict[str, str] = field(default_factory=dict)
    system: str = ""
    processor: str = ""
    cores: int = 0
    commit: str = ""
    device: str = ""
    threads: int = 0


def current_environment(device: str = "", threads: int = 0) -> Environment:
    """Describe this process."""
    return Environment(
        command=_command(sys.argv),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions={"seqcli": __version__, "Python": platform.python_version(), **_versions()},
        system=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count() or 0,
        commit=_commit(Path(__file__).resolve().parent.parent.parent),
        device=device,
        threads=threads,
    )


def append_environment(path: Path, environment: Environment) -> None:
    """Add the entry of a process.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written.
    """
    known = read_environments(path)
    kept = [*known[:1], *known[1:][2 - _MOST :], environment]
    text = json.dumps([asdict(one) for one in kept], indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def read_environments(path: Path) -> list[Environment]:
    """Return the entries of a run, the first process first; none if the file is unreadable."""
    try:
        plain = read_json(path, list[Any], _MAX_BYTES)
        return [schema.read(Environment, one) for one in plain]
    except (OSError, schema.SchemaError):
        return []


def _command(argv: list[str]) -> str:
    program = Path(argv[0]) if argv else Path()
    if program.stem == "seqcli" or program.parts[-2:] == ("seqcli", "__main__.py"):
        return shlex.join(["seqcli", *argv[1:]])
    return ""


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # computed without it
            continue
    return found


def _processor() -> str:
    """Return the name of the processor; that of its architecture if the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _commit(checkout: Path) -> str:
    """Return the commit of a checkout by git's files; "" if it is none."""
    try:
        git = checkout / ".git"
        if git.is_file():  # of a worktree
            git = Path(git.read_text("utf-8").partition(":")[2].strip())
        head = (git / "HEAD").read_text("utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        common = git / "commondir"
        store = git / common.read_text("utf-8").strip() if common.is_file() else git
        if (store / name).is_file():
            return (store / name).read_text("utf-8").strip()
        packed = (store / "packed-refs").read_text("utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
