"""`predict` for large files: parts of the input, answered by worker processes, then joined.

The folder of a bulk prediction has ``plan.json`` (what is predicted, and how), ``parts/`` (the
predictions of each part) and, at the end, ``predictions.tsv`` and ``remarks.json``. A part is
written completely or not at all, and only parts without predictions are answered, so the same call
continues after any interruption.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from seqcli.api.arguments import check_counts, checked, in_one_process
from seqcli.api.bulk_parts import (
    Part,
    PartFiles,
    answer_part,
    cut_parts,
    read_remarks,
    write_remarks,
)
from seqcli.api.bulk_plan import BulkFiles, Plan, check_folder, check_input, checked_plan, job_of
from seqcli.api.engines import POLL_SECONDS, default_jobs
from seqcli.api.members import Ckpt
from seqcli.api.predicting import open_predictor
from seqcli.api.workers import Workers, open_workers
from seqcli.errors import Exit, MachineError, StoppedBySignal
from seqcli.events import PartsProgress
from seqcli.files.atomic import sync_folder, write_atomically, writing
from seqcli.files.lock import hold
from seqcli.interrupts import StopRequest, stop_on_signals
from seqcli.messages import plural
from seqcli.report.remarks import Remarks

Watch: TypeAlias = Callable[[PartsProgress], None]


@dataclass(frozen=True)
class BulkResult:
    """The result of `predict_file`.

    Args:
        path: the file with the predictions for all lines.
        remarks: totals, and the first lines without a prediction, with unknown tokens, ...
        lines: lines that this call predicted; the others had predictions before.
    """

    path: Path
    remarks: Remarks
    lines: int


@in_one_process
@checked
def predict_file(
    ckpt: Ckpt,
    data: str | Path,
    out: str | Path,
    *,
    beam: int | None = None,
    nbest: int = 1,
    length_penalty: float | None = None,
    batch_size: int | None = None,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    logprob: bool = False,
    scores: bool = False,
    token_probs: bool = False,
    part_size: int | None = None,
    jobs: int = 0,
    on: str = "",
    force: bool = False,
    watch: Watch = lambda progress: None,
) -> BulkResult:
    """Predict a target for each line of a file, in parallel processes, as one process would.

    Args:
        ckpt, beam, nbest, length_penalty, batch_size, backend, device: see `seqcli.api.predict`.
        data: one source per line, plain or gzip.
        out: a folder, new or with an interrupted prediction, which is continued.
        logprob, scores, token_probs: columns to write; see `seqcli.formatting.prediction_line`.
        threads: CPU threads of each process, 1 by default.
        part_size: lines per part, 10,000 by default.
        jobs, on: worker processes (0: one per core, at most 4), or a Dask cluster: see `compare`.
        force: discard the predictions in the folder, and start over.
        watch: called with the progress.

    Raises:
        DataError: the file cannot be read, or is not text.
        MachineError: worker processes died too often, or the disk is full.
        StoppedBySignal: a signal arrived; the parts that are complete are kept.
        UsageError: the folder has predictions for something else, or other files.
    """
    check_counts(part_size=part_size)
    check_input(Path(data))
    search: dict[str, Any] = {"beam": beam, "nbest": nbest, "length_penalty": length_penalty}
    search |= {"batch_size": batch_size, "backend": backend, "device": device}
    columns = {"logprob": logprob, "scores": scores, "token_probs": token_probs}
    compute = {"threads": threads or 1, "device": device or ""}
    job = job_of(open_predictor(ckpt, **search), Path(data), **columns, **compute)
    with _prepared(BulkFiles(Path(out)), force) as files:
        plan = checked_plan(files, Path(data), part_size, job)
        with open_workers(jobs or default_jobs(), on) as workers:
            return _finish(plan, files, workers, watch)


@contextmanager
def _prepared(files: BulkFiles, force: bool) -> Iterator[BulkFiles]:
    """Create and lock a folder; with ``force``, remove what it predicted before."""
    check_folder(files)
    with writing(files.folder):
        files.folder.mkdir(parents=True, exist_ok=True)
    with hold(files.lock):
        if force:
            files.clear()
        yield files


def _finish(plan: Plan, files: BulkFiles, workers: Workers, watch: Watch) -> BulkResult:
    """Answer the missing parts, and join all of them."""
    done = read_remarks(files.remarks)
    if done is not None and files.predictions.exists():
        files.clear_parts()
        return BulkResult(files.predictions, done, 0)
    with writing(files.parts):
        files.parts.mkdir(exist_ok=True)
    run = _Run(plan, files, workers, watch)
    with stop_on_signals() as stop:
        run.answer(stop)
    run.check_complete()
    return BulkResult(files.predictions, _join(files, run.parts), run.lines)


class _Run:
    """One pass over the input, which answers the parts that have no predictions.

    Attributes:
        parts: the number of parts.
        lines: the lines that were predicted.
    """

    def __init__(self, plan: Plan, files: BulkFiles, workers: Workers, watch: Watch) -> None:
        self.parts = self.lines = 0
        self._plan, self._files, self._workers, self._watch = plan, files, workers, watch
        self._running: dict[Future[int], Part] = {}
        self._again: deque[Part] = deque()
        self._deaths: dict[int, int] = {}  # part -> worker processes that died with it
        self._failed: list[str] = []
        self._share = self._new_share = self._end = 0.0
        self._shares: dict[int, float] = {}  # part -> its share of the input

    def answer(self, stop: StopRequest) -> None:
        """Answer all parts.

        Raises:
            StoppedBySignal: a signal arrived.
        """
        with closing(self._missing()) as missing:  # which closes the input
            for part in missing:
                self._submit(part)
                self._collect(stop, self._workers.size)
        while self._running or self._again:
            if self._again:
                self._submit(self._again.popleft())
            self._collect(stop, self._workers.size if self._again else len(self._running))

    def check_complete(self) -> None:
        """Raise an error if a part has no predictions.

        Raises:
            MachineError: the message names the parts.
        """
        if self._failed:
            some = f"{len(self._failed)} of {plural(self.parts, 'part')}"
            listed = "; ".join(self._failed[:3]) + "; ..." * (len(self._failed) > 3)
            message = f"{some} without predictions, whose worker processes died: {listed}"
            hint = "check the memory, use fewer --jobs, and run the same command again"
            raise MachineError(message, hint)

    def _missing(self) -> Generator[Part]:
        """Yield the parts without predictions, and parts to be answered again before new ones."""
        for part in cut_parts(Path(self._plan.input.path), self._plan.part_size):
            self.parts += 1
            self._shares[part.index], self._end = part.share - self._end, part.share
            if PartFiles(self._files.parts, part.index).read() is not None:
                self._share += self._shares.pop(part.index)
                continue
            while self._again:
                yield self._again.popleft()
            yield part

    def _submit(self, part: Part) -> None:
        call = self._workers.submit(
            answer_part, self._plan.job, str(self._files.parts.absolute()), part
        )
        self._running[call] = part

    def _collect(self, stop: StopRequest, most: int) -> None:
        """Wait until fewer than ``most`` parts are in progress."""
        while len(self._running) >= most:
            if stop:
                raise StoppedBySignal(
                    "stopped; complete parts are kept",
                    "run the same command again to continue",
                    Exit(128 + stop.signal),
                )
            done, _ = wait(self._running, POLL_SECONDS, FIRST_COMPLETED)
            for call in done:
                self._take(self._running.pop(call), call)

    def _take(self, part: Part, call: Future[int]) -> None:
        """Record the result of a part."""
        if call.cancelled():  # Dask cancels all calls when its scheduler ends
            message = "the scheduler is gone; complete parts are kept"
            raise MachineError(message, "start it, and run the same command again to continue")
        if self._workers.is_death(call.exception()):
            self._died(part)
            return
        self.lines += call.result()
        share = self._shares.pop(part.index)
        self._share += share
        self._new_share += share
        self._watch(PartsProgress(self.lines, self._share, self._new_share))

    def _died(self, part: Part) -> None:
        """Let a part be answered again, unless its workers died too often."""
        deaths = self._deaths[part.index] = self._deaths.get(part.index, 0) + 1
        last = part.first + len(part.lines) - 1
        where = f"part {part.index + 1} (lines {part.first:,} to {last:,})"
        if deaths > self._workers.retries:
            self._failed.append(where)
            problem = f"{where}: its worker process died {plural(deaths, 'time')}; it is left out"
        else:
            self._again.append(part)
            problem = f"{where}: its worker process died; retry {deaths} of {self._workers.retries}"
        self._watch(PartsProgress(self.lines, self._share, self._new_share, problem))


def _join(files: BulkFiles, parts: int) -> Remarks:
    """Write the predictions of all parts to one file, and remove the parts."""
    every = [PartFiles(files.parts, index) for index in range(parts)]
    total = Remarks()
    for part in every:
        remarks = part.read()
        assert remarks is not None
        total.extend(remarks)

    def write(file: BinaryIO) -> None:
        for part in every:
            with part.predictions.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)

    write_remarks(files.remarks, total)
    write_atomically(files.predictions, write)
    files.clear_parts()
    sync_folder(files.folder)
    return total
