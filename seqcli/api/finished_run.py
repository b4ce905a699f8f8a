"""The result of `train`: of a run that has just ended, or of one that was finished before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import runs
from seqcli.api.checkpoint_config import finish_reason, progress_of
from seqcli.api.recording import run_facts
from seqcli.checkpoints import numpy_file
from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.errors import CheckpointError
from seqcli.events import DataRead, EnsembleFinished, Finished
from seqcli.messages import plural
from seqcli.report.notebook import run_html
from seqcli.report.summary import validation_scores
from seqcli.results import Evaluation, Prediction
from seqcli.runs.fit_diagnosis import FitDiagnosis, diagnose_fit
from seqcli.runs.metrics_log import epochs_of, history_columns

if TYPE_CHECKING:
    from seqcli.report.plots import Figure


@dataclass(frozen=True, repr=False)
class Run:
    """A finished training run.

    Attributes:
        path: the run folder.
        config: its configuration, with the origin of each value.
        finished: epochs, best scores and reason to stop; without a history for an ensemble.
        diagnosis: of the fit: overfitting, underfitting, or neither.
        checkpoint: the path of the model: the run folder, or the ``.pt`` file of ``out``.
        rows: the number of rows in each split.
        data: a summary of the data files; None for a task.
        ensemble: the results of the members of an ensemble.
        kept: whether the run was finished before, and is unchanged (``resume="auto"``).
    """

    path: Path
    config: Config
    finished: Finished
    diagnosis: FitDiagnosis
    checkpoint: Path
    rows: Mapping[str, int]
    data: DataRead | None = None
    ensemble: EnsembleFinished | None = None
    kept: bool = False

    def __repr__(self) -> str:
        done = self.finished
        scores = validation_scores(done.best)
        best = f", best {done.best_epoch}: validation {scores}" if scores else ""
        return f"Run({str(self.path)!r}, {plural(done.epochs, 'epoch')}{best})"

    def _repr_html_(self) -> str:
        """Return the learning curves and the diagnosis, for a notebook."""
        return run_html(self.path.name, self.finished, self.diagnosis)

    @property
    def history(self) -> dict[str, list[float | None]]:
        """The metrics of all epochs by name, with ``epoch`` from 1, as pandas and polars take them.

        None where an epoch has no value.
        """
        return history_columns(self.finished.history)

    def plot(self) -> Figure:
        """Return the learning curves as a matplotlib figure: losses, and accuracies if any."""
        from seqcli.report.plots import curves_figure, drawing

        with drawing():
            return curves_figure(self.finished.history, self.path.name, self.diagnosis)

    def evaluate(self, **options: Any) -> Evaluation:
        """Score the best checkpoint; options as in `seqcli.evaluate`."""
        from seqcli.api.evaluating import evaluate

        return evaluate(self.path, **options)

    def predict(self, lines: Iterable[str], **options: Any) -> list[Prediction]:
        """Predict targets with the best checkpoint; options as in `seqcli.predict`."""
        from seqcli.api.predicting import predict

        return list(predict(self.path, lines, **options))


def kept_run(paths: runs.RunPaths, settings: Config, corpus: Corpus, finished: Finished) -> Run:
    """Return a run that was finished before, and is unchanged."""
    named = paths.extra_best or paths.folder
    rows = {name: len(pairs) for name, pairs in corpus.splits.items()}
    fit = diagnose_fit(finished.history, run_facts(str(paths.folder), settings, corpus))
    return Run(paths.folder, settings, finished, fit, named, rows, corpus.reading, kept=True)


def finished_run(paths: runs.RunPaths, settings: Config) -> Finished | None:
    """Return the event that a run ended with; None if it has not ended under these settings.

    The event of an ensemble has no history and no scores.
    """
    with contextlib.suppress(CheckpointError):  # resuming uses the checkpoint before it
        if paths.ensemble.exists():
            return _finished_ensemble(paths.members, settings)
        reason = finish_reason(paths.folder, settings.train)
        if reason:
            return _finished(paths, reason)
    return None


def _finished_ensemble(members: Sequence[runs.RunPaths], settings: Config) -> Finished | None:
    reasons = [finish_reason(one.folder, settings.train) for one in members]
    if len(members) < settings.train.members or not all(reasons):
        return None
    done = [progress_of(numpy_file.load(one.last), one.last) for one in members]
    return Finished(max(one.epochs_done for one in done), 0, {}, "members", 0.0)


def _finished(paths: runs.RunPaths, reason: str) -> Finished:
    done = progress_of(numpy_file.load(paths.last), paths.last)
    history = tuple(record.metrics for record in epochs_of(paths.metrics))
    best = done.best.metrics if done.best else {}
    return Finished(
        done.epochs_done, done.best_epoch, best, reason, done.elapsed, history, done.step
    )
