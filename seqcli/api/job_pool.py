"""The runs of a comparison, one after the other here, or K at a time in processes of their own."""

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
from typing import TYPE_CHECKING, Any, TypeAlias

from seqcli import registry
from seqcli.api.checkpoint_config import steps_done
from seqcli.comparison.run_result import RunResult, read_result, write_result
from seqcli.comparison.specification import PlannedRun
from seqcli.errors import DivergedError, Exit, SeqcliError, StoppedBySignal, expected
from seqcli.events import Event
from seqcli.report.console import show_notes
from seqcli.runs import RunPaths
from seqcli.training.stopping import stop_on_signals

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


Told: TypeAlias = Event | RunResult
Watch: TypeAlias = Callable[[str, Told], None]
MOST_JOBS = 4  # by default: each holds PyTorch in memory
PATIENCE = 0.2  # seconds between looks at signals and processes


def run_all(planned: Sequence[PlannedRun], folder: Path, jobs: int, watch: Watch) -> None:
    """Bring every run to its end; ``watch`` is told its events, and its result last.

    A run that is finished is kept, one that was begun goes on.

    Raises:
        SeqcliError: what stopped a run, or StoppedBySignal; type the same again to go on.
    """
    if jobs > 1 and len(planned) > 1:
        _WorkerPool(planned, folder, min(jobs, len(planned)), watch).work()
        return
    for one in planned:
        watch(one.name, finish(one, folder, partial(watch, one.name)))


def default_jobs() -> int:
    """Return one for each core this process may use, at most MOST_JOBS."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(len(allowed(0)) if allowed else os.cpu_count() or 1, MOST_JOBS)


def kept(folder: Path) -> RunResult | None:
    """Return the result in a run's folder, unless the run was trained on since."""
    found = read_result(folder)
    if found is None or not RunPaths(folder).best.exists():
        return None
    return found if steps_done(RunPaths(folder)) in (found.steps, None) else None


def finish(run: PlannedRun, folder: Path, listen: Callable[[Event], None]) -> RunResult:
    """Bring one run to its end, wherever it stands, and return its result.

    A run that replaces another begins anew; the old one stays until the new one has a checkpoint.

    Raises:
        SeqcliError: training or scoring failed.
    """
    from seqcli.api.scoring import RunName, over, score_run

    paths = RunPaths(folder / run.name)
    found = None if run.replace else kept(paths.folder)
    if found is not None:
        return found
    reason = "" if run.replace else over(paths.folder)
    if not reason:
        reason = _train(run, paths, listen)
    result = score_run(paths.folder, RunName(run.name, run.arm, run.seed), reason)
    write_result(paths.folder, result)
    return result


def _train(run: PlannedRun, paths: RunPaths, listen: Callable[[Event], None]) -> str:
    """Train or resume; a run that diverges counts by its best checkpoint, if it has one.

    The best checkpoint of a run that was to be replaced, and was not, does not count.
    """
    from seqcli import api

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


class _WorkerPool:
    """Processes that take runs from one queue and tell what happens through another."""

    def __init__(
        self, planned: Sequence[PlannedRun], folder: Path, jobs: int, watch: Watch
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.todo, self.told = spawn.Queue(), spawn.Queue()
        self.watch, self.left = watch, len(planned)
        for one in (*planned, *[None] * jobs):
            self.todo.put(one)
        make = spawn.Process
        self.processes: list[BaseProcess] = [
            make(target=_worker, args=(folder, self.todo, self.told), daemon=True)
            for _ in range(jobs)
        ]

    def work(self) -> None:
        """Run until all is done, something fails, or a signal comes."""
        with stop_on_signals() as stop:
            with _no_signals():  # the processes start with these blocked, and are told by us
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
            run, told = self.told.get(timeout=PATIENCE)
        except queue.Empty:
            self._check_alive()
            return
        if isinstance(told, _Failure):
            raise told.error(run)
        self.left -= isinstance(told, RunResult)
        self.watch(run, told)

    def _check_alive(self) -> None:
        dead = [one.exitcode for one in self.processes if one.exitcode not in (None, 0)]
        if dead:
            hint = "run the same command again to resume"
            raise SeqcliError(f"a process that trained ended with code {dead[0]}", hint)

    def _end(self) -> None:
        """Let every process save and leave."""
        self.todo.cancel_join_thread()
        for process in self.processes:
            if self.left:
                process.terminate()
        while any(one.is_alive() for one in self.processes):
            wait([one.sentinel for one in self.processes if one.is_alive()], PATIENCE)
            self._drain()

    def _drain(self) -> None:
        """Empty the queue: a process ends only once all it said was taken."""
        try:
            while True:
                self.told.get_nowait()
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


def _worker(folder: Path, todo: Any, told: Any) -> None:
    """Finish runs until there are none; leave at once when the parent is gone."""
    show_notes()
    registry.load_plugins()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    for run in iter(todo.get, None):
        try:
            tell = partial(_tell, told, run.name)
            told.put((run.name, finish(run, folder, tell)))
        except StoppedBySignal as stopped:
            raise SystemExit(stopped.exit_code) from None
        except Exception as error:
            known = expected(error) or SeqcliError(f"{type(error).__name__}: {error}")
            told.put((run.name, _Failure(known.message, known.hint, known.exit_code)))
            return


@dataclass(frozen=True)
class _Failure:
    """An error that travels between processes."""

    message: str
    hint: str
    code: Exit

    def error(self, run: str) -> SeqcliError:
        """Return the error as it was raised, with the run's name before it."""
        made = SeqcliError(f"{run}: {self.message}", self.hint)
        made.exit_code = self.code
        return made


def _tell(told: Any, run: str, event: Event) -> None:
    told.put((run, event))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
