"""`train`: train a model from a configuration, and write a run folder.

The way of a run: `configured` reads the settings and the data (a configuration and a corpus),
`runs.begin` locks the run folder, `_build_trainer` builds the model and the optimizer, and
`Loop.fit` trains. The loop reports events to listeners and saves by a `CheckpointWriter`.
"""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import registry, runs
from seqcli.api.arguments import checked, with_flags
from seqcli.api.checkpoint_config import limits_of
from seqcli.api.distilling import open_teacher, with_distilled_rows
from seqcli.api.distributed import TrainingJob, on_all_processes
from seqcli.api.ensemble_training import check_ensemble, train_members
from seqcli.api.finished_run import Run, finished_run, kept_run
from seqcli.api.initializing import initialize
from seqcli.api.recording import (
    CheckpointWriter,
    restore,
    run_started,
    write_config,
)
from seqcli.api.resuming import (
    AUTO,
    CHANGEABLE,
    changes_of,
    load_resumed,
    run_to_resume,
)
from seqcli.api.run_data import configured
from seqcli.config import Config
from seqcli.config.flags import Flags
from seqcli.data.corpus import Corpus
from seqcli.errors import Exit, StoppedBySignal, UsageError
from seqcli.events import (
    DataRead,
    Finished,
    Listener,
    RunStarted,
    broadcast,
)
from seqcli.interrupts import stop_on_signals
from seqcli.report.notebook_progress import NotebookProgress, in_notebook
from seqcli.report.plots import draw_curves, draw_if_possible
from seqcli.report.run_page import remove_outdated
from seqcli.report.tensorboard_log import TensorBoardLog
from seqcli.report.trackers import open_trackers
from seqcli.runs.environment import append_environment, current_environment
from seqcli.runs.fit_diagnosis import FitDiagnosis, diagnose_fit
from seqcli.runs.paths import write_named_rows
from seqcli.training.loop import Loop
from seqcli.training.processes import current, refuse_several

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from seqcli.checkpoints.content import Checkpoint
    from seqcli.training.trainer import TrainerSetup

ATTENTION_SECONDS = 2.0  # training time from which drawing attention weights takes little more


@with_flags()
@checked
@on_all_processes
def train(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    set: Sequence[str] = (),
    out: str | Path | None = None,
    resume: str | Path | None = None,
    force: bool = False,
    listen: Listener | None = None,
    track: str | Sequence[str] = (),
    started: float | None = None,
    **flags: Unpack[Flags],
) -> Run:
    """Train a model, or an ensemble with ``train.members``; return the finished run.

    Args:
        config: a YAML file, or a mapping of sections or dotted keys.
        set: ``key=value`` texts that override ``config``.
        out: the run folder, or a ``.pt`` file for a copy of the best checkpoint.
        resume: a run to resume, bit for bit on the CPU; ``set`` and flags may then change only
            the settings in `CHANGEABLE` and the paths of the data. "auto": start the run in
            ``out``, resume it if it was interrupted, or keep it if it is finished.
        force: replace the run in ``out`` as soon as the new one has its first checkpoint.
        listen: called with every event (`seqcli.events`); by default a notebook shows progress.
        track: trackers that follow the run: trackio, wandb, mlflow.
        started: ``time.monotonic()`` from which ``train.budget`` counts; the call by default.
        flags: the settings below, which override ``config`` and ``set``.

    Raises:
        UsageError: the configuration is wrong.
        DataError: the data cannot be used.
        DivergedError: the loss became NaN or infinite; the best checkpoint is kept.
        StoppedBySignal: a signal arrived; use ``resume`` to continue.
    """
    started = time.monotonic() if started is None else started
    with open_trackers(track) as trackers:
        listen = NotebookProgress() if listen is None and in_notebook() else listen
        followers = [one.listen for one in trackers]
        listen = broadcast(*filter(None, [listen]), *followers)
        return _train(config, set, flags, out, resume, force, listen, started)


def _train(
    config: str | Path | Mapping[str, Any] | Config | None,
    set: Sequence[str],
    flags: Mapping[str, Any],
    out: str | Path | None,
    resume: str | Path | None,
    force: bool,
    listen: Listener,
    started: float,
) -> Run:
    """Start, resume or keep a run; see `train`."""
    automatic = resume == Path(AUTO)
    if resume is not None and not automatic:
        if config is not None or out is not None:
            raise UsageError(
                "--resume continues a run in its own folder with its own configuration",
                "omit --config and --out; --set may change " + ", ".join(CHANGEABLE),
            )
        return _resume(Path(resume), set, flags, listen, started)
    settings, corpus = configured(config, set, flags)
    _check_backend(settings, corpus)
    place = None if out is None else Path(out)
    if automatic and (existing := run_to_resume(place, force)):
        return _keep_or_resume(existing, settings, corpus, listen, started)
    if settings.train.members > 1:
        check_ensemble(settings, place)
    open_teacher(settings, corpus)
    with runs.begin(run_name(settings, corpus), place, force=force) as folder:
        if settings.train.members > 1:
            return _run_ensemble(folder, settings, corpus, listen, started)
        return _run(folder, settings, corpus, None, listen, started)


def run_name(config: Config, corpus: Corpus) -> str:
    """Return the default name of a run, for example ``reverse-gru-attention``."""
    parts = [corpus.name, config.model.cell]
    if config.model.attention != "none":
        kind = config.model.attention
        parts.append("attention" if kind == "additive" else f"{kind}-attention")
    if config.train.backend != "torch":
        parts.append(config.train.backend)
    if config.train.members > 1:
        parts.append(f"x{config.train.members}")
    return "-".join(parts)


def _resume(
    path: Path,
    sets: Sequence[str],
    flags: Mapping[str, Any],
    listen: Listener | None,
    started: float,
) -> Run:
    """Resume a run from its last checkpoint or, if it has none, from scratch."""
    paths = runs.find_run(path)
    with runs.reopen(paths) as folder:
        settings, corpus, checkpoint = load_resumed(paths, sets, flags)
        _check_backend(settings, corpus)
        if settings.train.members > 1:
            return _run_ensemble(folder, settings, corpus, listen, started, (sets, flags))
        return _run(folder, settings, corpus, checkpoint, listen, started)


def _keep_or_resume(
    paths: runs.RunPaths,
    settings: Config,
    corpus: Corpus,
    listen: Listener | None,
    started: float,
) -> Run:
    """Resume a run with the settings of a command, or return it unchanged if it is finished."""
    sets = changes_of(paths, settings)
    finished = finished_run(paths, settings)
    if finished is None:
        return _resume(paths.folder, sets, {}, listen, started)
    return kept_run(paths, settings, corpus, finished)


def _check_backend(settings: Config, corpus: Corpus) -> None:
    """Check that the backend supports a configuration, before anything is written."""
    backend = settings.train.backend
    registry.resolve("backend", backend, registry.BACKEND_CHECKS)(settings, corpus)
    if backend != "torch":
        refuse_several(f"--backend {backend} trains in one", "omit --backend, or start one process")
    if settings.train.members > 1:
        hint = "start one process: its members are trained in processes of their own"
        refuse_several("--ensemble trains each of its members in one", hint)


def _run(
    folder: runs.RunFolder,
    settings: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    listen: Listener | None,
    started: float,
) -> Run:
    """Train in a locked folder, and write all files of the run."""
    write_config(folder.current, settings)
    corpus = with_distilled_rows(folder, settings, corpus)
    processes = current()
    processes.broadcast(TrainingJob(settings, corpus))
    with stop_on_signals() as stop:
        board = TensorBoardLog(folder.paths.tensorboard)
        emit = broadcast(board, *filter(None, [listen]))
        data = _report_data(folder, corpus, emit)
        # Build the trainer and the loop, with the state of the checkpoint if the run is resumed.
        setup = _build_trainer(folder, settings, corpus, checkpoint)
        initialized = initialize(setup.trainer, settings, corpus) if checkpoint is None else ()
        settings = setup.config  # with the number of threads
        writer = CheckpointWriter(folder, settings, corpus, setup.trainer.weights, setup.save)
        loop = Loop(setup.trainer, corpus, settings, writer, stop, started, processes)
        notes = (*initialized, *restore(loop, writer, checkpoint))
        run_start = run_started(folder.paths, corpus, loop, setup, notes)
        write_config(folder.current, settings)
        loop.synchronize()
        # Report the start, and train.
        emit(run_start)
        environment = current_environment(run_start.device, run_start.threads)
        append_environment(folder.current.environment, environment)
        finished = _fit(loop, emit, folder, run_start)
    if finished.reason == "interrupted":
        raise _stopped(folder, stop.signal)
    paths = folder.paths
    remove_outdated(paths.report)
    log = partial(_log_attention, board, paths, settings, finished)
    draw_if_possible("the attention image", log)
    diagnosis = diagnose_fit(finished.history, run_start.facts)
    model_path = paths.extra_best or paths.folder
    return Run(paths.folder, settings, finished, diagnosis, model_path, run_start.rows, data)


def _run_ensemble(
    folder: runs.RunFolder,
    settings: Config,
    corpus: Corpus,
    listen: Listener | None,
    started: float,
    changes: tuple[Sequence[str], Mapping[str, Any]] = ((), {}),
) -> Run:
    """Train the members of an ensemble in a locked folder; ``changes``: of a resumed run."""
    emit = broadcast(*filter(None, [listen]))
    write_config(folder.current, settings)
    data = _report_data(folder, corpus, emit)
    done = train_members(folder, settings, corpus, emit, started, changes)
    best = {f"val_{name}": score for name, score in (done.validation or ({},))[-1].items()}
    epochs = max(member.epochs for member in done.members)
    finished = Finished(epochs, 0, best, "members", done.seconds)
    text = "No fit diagnosis of an ensemble: see its members."
    fit = FitDiagnosis("too short to say", None, text)
    path, rows = folder.paths.folder, {name: len(pairs) for name, pairs in corpus.splits.items()}
    return Run(path, settings, finished, fit, path, rows, data, done)


def _build_trainer(
    folder: runs.RunFolder, settings: Config, corpus: Corpus, checkpoint: Checkpoint | None
) -> TrainerSetup:
    """Build the trainer of the backend, with the weights of a checkpoint if there is one."""
    build = registry.resolve("backend", settings.train.backend, registry.BACKENDS)
    limits = limits_of(corpus.provenance, corpus.codec, folder.paths.config)
    setup: TrainerSetup = build(settings, corpus, limits, checkpoint, folder.paths.last)
    return setup


def _report_data(folder: runs.RunFolder, corpus: Corpus, emit: Listener) -> DataRead | None:
    """Write the flagged rows to a file, and report what was read."""
    data = corpus.reading
    if data is None:
        return None
    if data.findings:
        write_named_rows(folder.current, corpus.named_rows)
        data = replace(data, named_rows=str(folder.paths.named_rows))
    emit(data)
    return data


def _fit(loop: Loop, emit: Listener, folder: runs.RunFolder, started: RunStarted) -> Finished:
    """Train, and plot the learning curves even if training fails."""
    try:
        return loop.fit(emit)
    finally:
        if loop.history:
            path, facts = folder.current.curves, started.facts
            draw_if_possible(path, lambda: draw_curves(loop.history, path, started.name, facts))


def _log_attention(
    board: TensorBoardLog, paths: runs.RunPaths, settings: Config, finished: Finished
) -> None:
    """Add the attention weights of the first validation row, if the model has any."""
    from seqcli.api.predicting import predict

    has_attention = settings.model.cell == "transformer" or settings.model.attention != "none"
    if has_attention and board.shown and finished.seconds > ATTENTION_SECONDS:
        (prediction,) = predict(paths.folder, [board.shown], attention=True)
        if prediction.attention is not None:
            board.add_attention(prediction.attention, finished.updates)


def _stopped(folder: runs.RunFolder, number: int) -> StoppedBySignal:
    code = Exit(128 + number)
    name, path = signal.Signals(number).name, folder.paths.folder
    if folder.is_staged:
        message = f"stopped by {name} before the first checkpoint; the run in {path} is unchanged"
        return StoppedBySignal(message, "run the same command again", code)
    hint = f"seqcli train --resume {shlex.quote(str(path))}"
    return StoppedBySignal(f"stopped by {name}; the run is saved in {path}", hint, code)
