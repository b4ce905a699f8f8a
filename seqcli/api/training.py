"""`train`: a configuration becomes a run folder with a trained model."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import config as configuration
from seqcli import registry, runs
from seqcli.api.reading import config_of
from seqcli.checkpoints import numpy_file
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import with_chosen_tokens
from seqcli.data.corpus import Corpus
from seqcli.errors import CheckpointError, Exit, StoppedBySignal, UsageError
from seqcli.events import DataRead, Event, Finished, Listener, RunStarted, broadcast
from seqcli.files.atomic import write_atomically
from seqcli.report.curves import draw_curves
from seqcli.report.metrics_log import MetricsLog
from seqcli.report.tensorboard_log import TensorBoardLog
from seqcli.report.verdict import Verdict, verdict
from seqcli.results import Evaluation, Prediction
from seqcli.training.stopping import stop_on_signals

if TYPE_CHECKING:
    from seqcli.checkpoints.content import Checkpoint
    from seqcli.training.loop import Loop

# What --resume may change: how long and where, not what.
CHANGEABLE = (
    "train.backend",
    "train.epochs",
    "train.iterations",
    "train.seconds",
    "train.samples",
    "train.lr",
    "train.patience",
    "train.goal",
    "train.threads",
    "train.device",
    "train.save_every",
    "decode.beam",
    "decode.length_penalty",
)


@dataclass(frozen=True)
class Run:
    """A trained model and how it came about.

    ``history`` holds the metrics of each epoch (see `seqcli.events.EpochEnded`), ``rows`` how many
    rows each split has, ``data`` what was read (None for a task). ``checkpoint`` is what to name as
    the model: the run folder, or the ``.pt`` file that was asked for.
    """

    path: Path
    config: Config
    finished: Finished
    verdict: Verdict
    checkpoint: Path
    rows: Mapping[str, int]
    data: DataRead | None = None

    @property
    def history(self) -> tuple[Mapping[str, float], ...]:
        """The metrics of each epoch."""
        return self.finished.history

    def evaluate(self, **options: Any) -> Evaluation:
        """Score the best checkpoint; options as in `seqcli.evaluate`."""
        from seqcli.api.evaluating import evaluate

        return evaluate(self.path, **options)

    def predict(self, lines: Iterable[str], **options: Any) -> list[Prediction]:
        """Answer lines with the best checkpoint; options as in `seqcli.predict`."""
        from seqcli.api.predicting import predict

        return list(predict(self.path, lines, **options))


def train(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    set: Sequence[str] = (),
    out: str | Path | None = None,
    resume: str | Path | None = None,
    force: bool = False,
    listen: Listener | None = None,
    **flags: Any,
) -> Run:
    """Train a model; return the finished run.

    Args:
        config: a YAML file, or a mapping of sections or dotted keys.
        set: ``key=value`` texts, over ``config``.
        out: the run folder, or a ``.pt`` file to hold the best checkpoint too.
        resume: a run to go on with, bit for bit on the CPU; ``set`` and flags may then change
            only how long and where (`CHANGEABLE`).
        force: overwrite the run in ``out``.
        listen: told every event (`seqcli.events`).
        flags: short names over all of it: ``task="reverse", cell="gru", attention=True``.

    Raises:
        UsageError: the configuration is wrong.
        DataError: the data cannot be used.
        DivergedError: the loss became NaN or infinite; the best checkpoint stays as it was.
        StoppedBySignal: SIGINT or SIGTERM came; all is saved, ``resume`` goes on.
    """
    if resume is not None:
        if config is not None or out is not None:
            raise UsageError(
                "--resume goes on in its own folder with its own configuration",
                "leave --config and --out out; --set may change " + ", ".join(CHANGEABLE),
            )
        return _resume(Path(resume), set, flags, listen)
    settings = configuration.load(config, set, flags)
    corpus = build_corpus(settings.data, settings.task)
    settings = with_chosen_tokens(settings, corpus)
    _check_backend(settings, corpus)
    name = run_name(settings, corpus)
    paths = runs.new_folder(name, None if out is None else Path(out), force=force)
    with runs.locked(paths):
        return _run(paths, settings, corpus, None, listen)


def read_data(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    set: Sequence[str] = (),
    **flags: Any,
) -> DataRead:
    """Read files as `train` would, with the same arguments; return what was read.

    Raises:
        UsageError: the configuration is wrong, or names a task: there is nothing to read.
        DataError: the data cannot be used.
    """
    settings = configuration.load(config, set, flags)
    corpus = build_corpus(settings.data, settings.task)
    if corpus.reading is None:
        raise UsageError("the rows of a task are made, not read", "name files of your own")
    return corpus.reading


def run_name(config: Config, corpus: Corpus) -> str:
    """Return what a run is called, for example ``reverse-gru-attention``."""
    parts = [corpus.name, config.model.cell]
    if config.model.attention != "none":
        kind = config.model.attention
        parts.append("attention" if kind == "additive" else f"{kind}-attention")
    if config.train.backend != "torch":
        parts.append(config.train.backend)
    return "-".join(parts)


def _resume(
    path: Path, sets: Sequence[str], flags: Mapping[str, Any], listen: Listener | None
) -> Run:
    """Go on with a run, from its last checkpoint or, where it has none yet, from the start."""
    paths = runs.find_run(path)
    with runs.locked(paths):
        checkpoint, notes = _last_checkpoint(paths)
        before = _config_before(paths, checkpoint)
        settings = configuration.load(before, sets, flags)
        _check_changes(before, settings, paths)
        corpus = build_corpus(settings.data, settings.task)
        settings = with_chosen_tokens(settings, corpus)
        if checkpoint is not None:
            _check_same_data(corpus, checkpoint, paths.last)
        _check_backend(settings, corpus)
        notes = (*notes, *_backend_notes(before, settings))
        corpus = replace(corpus, notes=(*corpus.notes, *notes))
        return _run(paths, settings, corpus, checkpoint, listen)


def _last_checkpoint(paths: runs.RunPaths) -> tuple[Checkpoint | None, tuple[str, ...]]:
    if not (paths.last.exists() or paths.previous.exists()):
        return None, ("stopped before its first checkpoint: starting again",)
    checkpoint, note = runs.load_last(paths, numpy_file.load)
    return checkpoint, (note,) if note else ()


def _config_before(paths: runs.RunPaths, checkpoint: Checkpoint | None) -> Config:
    if checkpoint is None:
        return configuration.load(paths.config)
    return config_of(checkpoint, paths.last)


def _backend_notes(before: Config, after: Config) -> tuple[str, ...]:
    """Say what another backend keeps and what it cannot."""
    if before.train.backend == after.train.backend:
        return ()
    return (
        f"trained so far by {before.train.backend}, goes on with {after.train.backend}: weights, "
        "optimiser state, schedule and order of rows are kept; random draws and last digits differ",
    )


def _check_changes(before: Config, after: Config, paths: runs.RunPaths) -> None:
    """Refuse to resume with another model, other data or other training."""
    changed = [
        f"{section}.{key}"
        for section, values in configuration.to_plain(after).items()
        for key, value in values.items()
        if configuration.to_plain(before)[section].get(key) != value
    ]
    refused = [key for key in changed if key not in CHANGEABLE]
    if refused:
        raise UsageError(
            f"{paths.folder} cannot be resumed with another " + ", ".join(refused),
            "--resume may change " + ", ".join(CHANGEABLE) + "; for the rest start a new run",
        )


def _check_backend(settings: Config, corpus: Corpus) -> None:
    """Let the backend refuse what it cannot do, while nothing has been written yet."""
    backend = settings.train.backend
    registry.resolve("backend", backend, registry.BACKEND_CHECKS)(settings, corpus)


def _check_same_data(corpus: Corpus, checkpoint: Checkpoint, path: Path) -> None:
    same = corpus.codec == checkpoint.codec and all(
        checkpoint.about.get(key) == value for key, value in corpus.about.items()
    )
    if not same:
        raise CheckpointError(
            f"{path}: the data is not what this run was trained on",
            "put the old data back, or start a new run",
        )


def _run(
    paths: runs.RunPaths,
    settings: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    listen: Listener | None,
) -> Run:
    """Train in a locked folder, with everything a run leaves behind."""
    write_config(paths, settings)
    with stop_on_signals() as stop:
        prepare = registry.resolve("backend", settings.train.backend, registry.BACKENDS)
        tell = broadcast(
            MetricsLog(paths.metrics), TensorBoardLog(paths.tensorboard), listen or _ignore
        )
        read = _tell_reading(paths, corpus, tell)
        loop, settings, started = prepare(paths, settings, corpus, checkpoint, stop)
        write_config(paths, settings)
        tell(started)
        finished = _fit(loop, tell, paths, started)
    if finished.reason == "interrupted":
        raise _stopped(paths, stop.signal)
    fit, named = verdict(finished.history), paths.extra_best or paths.folder
    return Run(paths.folder, settings, finished, fit, named, started.rows, read)


def _tell_reading(paths: runs.RunPaths, corpus: Corpus, tell: Listener) -> DataRead | None:
    """Write down every row that was named, and tell what was read."""
    read = corpus.reading
    if read is None:
        return None
    if read.findings:
        runs.write_named_rows(paths, corpus.named_rows)
        read = replace(read, named_rows=str(paths.named_rows))
    tell(read)
    return read


def _fit(loop: Loop, tell: Listener, paths: runs.RunPaths, started: RunStarted) -> Finished:
    """Train, and draw the curves whatever happens."""
    try:
        return loop.fit(tell)
    finally:
        if loop.progress.history:
            draw_curves(loop.progress.history, paths.curves, started.name)


def write_config(paths: runs.RunPaths, settings: Config) -> None:
    """Write config.yaml, with where each value came from."""
    text = configuration.to_yaml(settings)
    write_atomically(paths.config, lambda file: file.write(text.encode()))


def _stopped(paths: runs.RunPaths, number: int) -> StoppedBySignal:
    code = Exit.SIGTERM if number == signal.SIGTERM else Exit.SIGINT
    return StoppedBySignal(
        f"stopped by {signal.Signals(number).name}; all is saved in {paths.folder}",
        f"seqcli train --resume {shlex.quote(str(paths.folder))}",
        code,
    )


def _ignore(event: Event) -> None:
    """Listen to nothing."""
