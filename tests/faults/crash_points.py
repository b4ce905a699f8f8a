"""Enumerates the points at which a command changes the disk, and makes it fail at each of them.

A point is one system call that changes the disk below a folder: an open for writing, a write, a
rename, a link, an unlink, a mkdir, an rmdir, an fsync, a truncation. The command runs in a forked
child of this process, which has imported everything already. At point k the child is killed, or
the call fails with an error. Afterwards a scenario says which state a user sees.

Run as a program, ``crash_points.py SCENARIO ... --every N`` prints one JSON document.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAULTS = ("kill", "ENOSPC", "EACCES")
SECONDS = 120  # after which a command counts as hanging
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = ("rename", "replace", "link", "symlink", "unlink", "remove", "rmdir", "mkdir", "truncate")
_DESCRIPTORS = ("fsync", "ftruncate", "write")


@dataclass
class Points:
    """Counts the points below ``folder`` and makes the one numbered ``at`` fail."""

    folder: str
    at: int = -1
    fault: str = "kill"
    seen: list[str] = field(default_factory=list)

    def reach(self, call: str, path: Any) -> None:
        """Pass a point, or fail there."""
        where = self._place(path)
        if where is None:
            return
        self.seen.append(f"{call} {where}")
        if len(self.seen) - 1 != self.at:
            return
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.fault)
        raise OSError(number, os.strerror(number), str(path))

    def _place(self, path: Any) -> str | None:
        try:
            link = f"/proc/self/fd/{path}"
            name = os.readlink(link) if isinstance(path, int) else path  # noqa: PTH115
            name = os.path.abspath(os.fsdecode(name))  # noqa: PTH100 - links stay
        except (OSError, TypeError):
            return None
        inside = name == self.folder or name.startswith(self.folder + "/")
        return name[len(self.folder) + 1 :] or "." if inside else None

    def install(self) -> None:
        """Put a point before every call of this process that changes the disk."""
        for name in _PATHS:
            setattr(os, name, self._before(name, getattr(os, name)))
        for name in _DESCRIPTORS:
            setattr(os, name, self._before(name, getattr(os, name)))
        os.open = self._before("open", os.open, lambda flags: flags & _WRITING)  # type: ignore
        opener = self._opener()
        io.open = builtins.open = opener  # type: ignore
        self._install_exchange()

    def _before(
        self, name: str, call: Callable[..., Any], counts: Callable[[int], int] | None = None
    ) -> Callable[..., Any]:
        def pointed(path: Any, *rest: Any, **named: Any) -> Any:
            if counts is None or counts(rest[0] if rest else named["flags"]):
                self.reach(name, path)
            return call(path, *rest, **named)

        return pointed

    def _opener(self) -> Callable[..., Any]:
        real, points = io.open, self

        class Pointed(io.FileIO):
            def write(self, data: Any) -> Any:
                points.reach("write", self.fileno())
                return super().write(data)

        def opened(
            file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None,
            errors: Any = None, newline: Any = None, closefd: bool = True, opener: Any = None,
        ) -> Any:  # fmt: skip
            if not set(mode) & set("wax+") or self._place(file) is None:
                return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
            if not isinstance(file, int):
                self.reach("open", file)
            raw = Pointed(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            if "b" in mode and buffering == 0:
                return raw
            made = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return made if "b" in mode else io.TextIOWrapper(made, encoding, errors, newline)

        return opened

    def _install_exchange(self) -> None:
        import ctypes

        from seqcli.files import system

        real = system._renameat2()

        def pointed(*words: Any) -> int:
            try:
                self.reach("exchange", words[1])
            except OSError as error:
                ctypes.set_errno(error.errno or 0)
                return -1
            return int(real(*words))

        if real is not None:
            system._renameat2 = lambda: pointed  # type: ignore


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (negative: the signal) and what it said."""

    code: int
    out: str
    err: str
    points: tuple[str, ...] = ()


def run(folder: Path, argv: list[str], points: Points | None = None) -> Done:
    """Run a command line in a forked child whose working folder is ``folder``."""
    with tempfile.TemporaryDirectory() as aside:
        files = [Path(aside, name) for name in ("out", "err", "points")]
        child = os.fork()
        if child == 0:
            _child(folder, argv, points, files)
        _, status = os.waitpid(child, 0)
        out, err, seen = (
            path.read_text(errors="replace") if path.exists() else "" for path in files
        )
    return Done(os.waitstatus_to_exitcode(status), out, err, tuple(seen.splitlines()))


def _child(folder: Path, argv: list[str], points: Points | None, files: list[Path]) -> None:
    code = 99
    try:
        signal.alarm(SECONDS)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for number, path in enumerate(files[:2], 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115
        os.chdir(folder)
        os.environ["SEQCLI_CACHE"] = str(folder / "cache")
        os.environ["TMPDIR"] = str(folder / "tmp")
        tempfile.tempdir = None
        from seqcli.cli import app, shell

        write = os.write
        if points is not None:
            points.install()
        code = shell.run(app, argv)
        sys.stdout.flush()
        sys.stderr.flush()
        if points is not None and points.at < 0:
            target = os.open(files[2], os.O_WRONLY | os.O_CREAT)
            write(target, "\n".join(points.seen).encode())
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


@dataclass(frozen=True)
class Scenario:
    """A command and the states in which it may leave the disk.

    Args:
        argv: the command.
        prepare: fills a folder with what is there before.
        state: names the state of a folder: "old", "new", or what is wrong with it.
        again: what is run after a fault; the first that succeeds must lead to the new state.
        left: names that a folder holds in the end, hidden ones too; None: not looked at.
        harmless: whether a call that fails must not fail the command.
    """

    argv: list[str]
    prepare: Callable[[Path], None]
    state: Callable[[Path], str]
    again: tuple[list[str], ...] = ()
    left: frozenset[str] | None = None
    harmless: bool = False
    bystanders: tuple[str, ...] = ("thesis.tex",)


@dataclass
class Report:
    """The figures of one scenario."""

    points: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {**vars(self), "calls": dict(self.calls), "faults": dict(self.faults),
                "states": dict(self.states)}  # fmt: skip


def enumerate_points(scenario: Scenario, room: Path, every: int = 1) -> Report:
    """Make a command fail at every point (or at every n-th) in every way."""
    with tempfile.TemporaryDirectory(dir=room) as name:
        before = Path(name)
        (before / "tmp").mkdir()
        (before / "thesis.tex").write_text("years of work")
        scenario.prepare(before)
        return _enumerate(scenario, before, every)


def _enumerate(scenario: Scenario, before: Path, every: int) -> Report:
    with _copied(before) as folder:
        clean = run(folder, scenario.argv, Points(str(folder)))
        report = Report(len(clean.points), Counter(one.split()[0] for one in clean.points))
        if clean.code or scenario.state(folder) != "new":
            report.problems.append(f"without a fault: {clean.code} {clean.err}")
            return report
    tried = range(len(clean.points)) if every == 1 else _ends(clean.points)
    for number, fault in enumerate(FAULTS):
        for at in tried[number % every :: every]:
            with _copied(before) as folder:
                problem = _try(scenario, folder, Points(str(folder), at, fault), report)
            if problem:
                report.problems.append(f"{fault} at point {at}, {clean.points[at]}: {problem}")
    return report


def _ends(points: tuple[str, ...]) -> list[int]:
    """Return the points less those in the middle of many writes to one file."""
    last = len(points) - 1
    return [
        at
        for at, point in enumerate(points)
        if at in (0, last) or not points[at - 1] == point == points[at + 1]
    ]


@contextmanager
def _copied(before: Path) -> Iterator[Path]:
    """Give a copy of the state before the command."""
    with tempfile.TemporaryDirectory(dir=before.parent) as name:
        folder = Path(name).resolve() / "here"
        shutil.copytree(before, folder, symlinks=True)
        yield folder


def _try(scenario: Scenario, folder: Path, points: Points, report: Report) -> str:
    """Run with one fault, then again without; return what is wrong, or nothing."""
    done = run(folder, scenario.argv, points)
    report.faults[points.fault] += 1
    state = scenario.state(folder)
    report.states[state] += 1
    wrong = _wrong_end(done, points.fault, scenario.harmless)
    if state not in ("old", "new"):
        wrong.append(f"state: {state}")
    for argv in (scenario.argv, *scenario.again):
        again = run(folder, argv)
        if again.code == 0:
            break
    if again.code or scenario.state(folder) != "new":
        wrong.append(f"again: {again.code}, {scenario.state(folder)}, {again.err}")
    names = {path.name for path in folder.iterdir()}
    if scenario.left is not None and names != scenario.left | {"tmp", "thesis.tex"}:
        wrong.append(f"left: {sorted(names)}")
    if any((folder / "tmp").iterdir()):
        wrong.append(f"left: {[path.name for path in (folder / 'tmp').iterdir()]}")
    if (folder / "thesis.tex").read_text() != "years of work":
        wrong.append("another file was touched")
    return "; ".join(wrong)


def _wrong_end(done: Done, fault: str, harmless: bool) -> list[str]:
    if fault == "kill":
        return [] if done.code == -signal.SIGKILL else [f"not killed: {done.code}"]
    expected = {0} if harmless else {0, 6} if fault == "ENOSPC" else {0, 2}
    wrong = [] if done.code in expected else [f"exit {done.code}"]
    if "Traceback" in done.err or "bug" in done.err:
        wrong.append(done.err)
    elif done.code and done.err.count("error: ") != 1:
        wrong.append(f"not one line: {done.err!r}")
    return wrong


def main(argv: list[str]) -> None:
    """Print the reports of some scenarios as one JSON document."""
    from crash_scenarios import SCENARIOS, warm

    every = int(argv[argv.index("--every") + 1]) if "--every" in argv else 1
    names = [one for one in argv if one in SCENARIOS]
    with tempfile.TemporaryDirectory() as room:
        warm(Path(room))
        made = {name: SCENARIOS[name](Path(room) / name) for name in names}
        found = {}
        for name, scenario in made.items():
            began = time.monotonic()
            found[name] = enumerate_points(scenario, Path(room), every).plain()
            took = time.monotonic() - began
            print(f"{name}: {took:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
