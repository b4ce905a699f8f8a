"""Train several runs, one after another or in parallel processes.

The runs are those of a comparison (`seqcli.api.comparing`) or the members of an ensemble
(`seqcli.api.ensemble_training`). What a job does, and what it returns, is up to its caller.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from seqcli import registry
from seqcli.api.checkpoint_config import steps_done
from seqcli.comparison.run_result import RunResult, read_result, write_result
from seqcli.comparison.specification import PlannedRun
from seqcli.errors import DivergedError, Exit, SeqcliError, StoppedBySignal, expected
from seqcli.events import Event
from seqcli.interrupts import stop_on_signals
from seqcli.report.console import show_notes
from seqcli.runs import RunPaths

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


class Job(Protocol):
    """A run to be trained in another process: a picklable object with a unique name."""

    @property
    def name(self) -> str:
        """The name of the run."""


JobT = TypeVar("JobT", bound=Job)
Result = TypeVar("Result")
Listen: TypeAlias = Callable[[Event], None]
Watch: TypeAlias = Callable[[str, Event | RunResult], None]
MAX_JOBS = 4  # by default; each process needs the memory of PyTorch
POLL_SECONDS = 0.2  # seconds between checks for signals and dead processes


def run_all(
    planned: Sequence[JobT],
    folder: Path,
    jobs: int,
    watch: Callable[[str, Event | Result], None],
    work: Callable[[JobT, Path, Listen], Result],
) -> None:
    """Finish every run: keep finished runs, resume interrupted ones, and train the others.

    Args:
        planned: the runs.
        folder: the folder that contains their folders.
        jobs: the number of processes.
        watch: called with each event of a run, and with its result at the end.
        work: finishes one run and returns its result; a function of a module, such as `finish`.

    Raises:
        SeqcliError: a run failed.
        StoppedBySignal: a signal arrived; the same call resumes the runs.
    """
    if jobs > 1 and len(planned) > 1:
        _WorkerPool(planned, folder, min(jobs, len(planned)), watch, work).run()
        return
    for one in planned:
        watch(one.name, work(one, folder, partial(watch, one.name)))


def default_jobs() -> int:
    """Return the number of cores available to this process, at most MAX_JOBS."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(len(allowed(0)) if allowed else os.cpu_count() or 1, MAX_JOBS)


def cached_result(folder: Path) -> RunResult | None:
    """Return the result in a run folder; None if it is missing or outdated by more training."""
    result = read_result(folder)
    if result is None or not RunPaths(folder).best.exists():
        return None
    return result if steps_done(RunPaths(folder)) in (result.steps, None) else None


def finish(run: PlannedRun, folder: Path, listen: Listen) -> RunResult:
    """Train or resume a run if needed, score it, and return its result.

    A run that replaces another starts from scratch; the old run is kept until the new one has a
    checkpoint.

    Raises:
        SeqcliError: training or scoring failed.
    """
    from seqcli.api.scoring import RunName, finish_reason, score_run

    paths = RunPaths(folder / run.name)
    cached = None if run.replace else cached_result(paths.folder)
    if cached is not None:
        return cached
    reason = "" if run.replace else finish_reason(paths.folder)
    if not reason:
        reason = _train(run, paths, listen)
    result = score_run(paths.folder, RunName(run.name, run.arm, run.seed), reason)
    write_result(paths.folder, result)
    return result


def _train(run: PlannedRun, paths: RunPaths, listen: Listen) -> str:
    """Train or resume a run; return why training ended.

    A run that diverges is represented by its best checkpoint, if it has one. The checkpoint of an
    old run that was not replaced yet is never used.
    """
    from seqcli import api

    # a time budget does not include the import of PyTorch, which only the first run needs
    registry.resolve("backend", run.config.train.backend, registry.BACKENDS)
    replaced = paths.folder.stat().st_ino if paths.has_checkpoint() else None
    try:
        if run.replace:
            return api.train(
                run.config, out=paths.folder, force=True, listen=listen
            ).finished.reason
        if paths.holds_run():
            return api.train(resume=paths.folder, listen=listen).finished.reason
        return api.train(run.config, out=paths.folder, listen=listen).finished.reason
    except DivergedError:
        is_old = run.replace and paths.folder.stat().st_ino == replaced
        if is_old or not paths.best.exists():
            raise
        return "diverged"


class _WorkerPool(Generic[JobT, Result]):
    """Worker processes that take runs from one queue and report events through another."""

    def __init__(
        self,
        planned: Sequence[JobT],
        folder: Path,
        jobs: int,
        watch: Callable[[str, Event | Result], None],
        work: Callable[[JobT, Path, Listen], Result],
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.todo, self.reports = spawn.Queue(), spawn.Queue()
        self.watch, self.left = watch, len(planned)
        for one in (*planned, *[None] * jobs):
            self.todo.put(one)
        make = spawn.Process
        self.processes: list[BaseProcess] = [
            make(target=_worker, args=(work, folder, self.todo, self.reports), daemon=True)
            for _ in range(jobs)
        ]

    def run(self) -> None:
        """Train until all runs are finished, one fails, or a signal arrives."""
        with stop_on_signals() as stop:
            with _no_signals():  # workers start with signals blocked; this process stops them
                for process in self.processes:
                    process.start()
            try:
                while self.left and not stop:
                    self._listen()
            finally:
                self._end()
        if stop:
            raise StoppedBySignal("stopped; every run is saved", "", Exit(128 + stop.signal))

    def _listen(self) -> None:
        try:
            run, report = self.reports.get(timeout=POLL_SECONDS)
        except queue.Empty:
            self._check_alive()
            return
        if isinstance(report, _Failure):
            raise report.error(run)
        done = isinstance(report, _Done)
        self.left -= done
        self.watch(run, report.result if done else report)

    def _check_alive(self) -> None:
        dead = [one.exitcode for one in self.processes if one.exitcode not in (None, 0)]
        if dead:
            hint = "run the same command again to resume"
            raise SeqcliError(f"a training process exited with code {dead[0]}", hint)

    def _end(self) -> None:
        """Let every process save its run and exit."""
        self.todo.cancel_join_thread()
        for process in self.processes:
            if self.left:
                process.terminate()
        while any(one.is_alive() for one in self.processes):
            wait([one.sentinel for one in self.processes if one.is_alive()], POLL_SECONDS)
            self._drain()

    def _drain(self) -> None:
        """Empty the queue; a process exits only after its reports are taken from the queue."""
        try:
            while True:
                self.reports.get_nowait()
        except queue.Empty:
            return


@contextmanager
def _no_signals() -> Iterator[None]:
    """Block SIGINT and SIGHUP: a terminal sends them to every process of the foreground job."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _worker(work: Callable[..., Any], folder: Path, todo: Any, reports: Any) -> None:
    """Finish runs from the queue until it is empty; exit at once if the parent process exits."""
    show_notes()
    registry.load_plugins()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    for run in iter(todo.get, None):
        try:
            listen = partial(_report, reports, run.name)
            reports.put((run.name, _Done(work(run, folder, listen))))
        except StoppedBySignal as stopped:
            raise SystemExit(stopped.exit_code) from None
        except Exception as error:
            known = expected(error) or SeqcliError(f"{type(error).__name__}: {error}")
            reports.put((run.name, _Failure(known.message, known.hint, known.exit_code)))
            return


@dataclass(frozen=True)
class _Done:
    """The result of a run, to be sent to another process."""

    result: Any


@dataclass(frozen=True)
class _Failure:
    """An error to be sent to another process."""

    message: str
    hint: str
    code: Exit

    def error(self, run: str) -> SeqcliError:
        """Return the original error, with the name of the run before its message."""
        made = SeqcliError(f"{run}: {self.message}", self.hint)
        made.exit_code = self.code
        return made


def _report(reports: Any, run: str, event: Event) -> None:
    reports.put((run, event))


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
