"""The commit protocol of a run, for either backend, and the event a run begins with.

**Writing.** The state of a run is committed after each epoch, every ``train.save_every`` seconds
within an epoch, and before an interrupted run ends. A commit is one atomic step: the new
``last.pt`` takes the place of the old one, which stays as ``last.prev.pt``. A commit at the end of
an epoch then has consequences, in this order:

1. a run that replaces another takes its place (`seqcli.runs.folders`; at the first commit only);
2. the line of the epoch is appended to ``metrics.jsonl``;
3. if the epoch is the best one, ``best.pt`` is replaced; the old one stays as ``best.prev.pt``;
4. ``best.pt`` is copied to the file of ``--out FILE.pt``, if there is one;
5. the epoch is reported to all listeners (terminal, TensorBoard).

**Recovery.** All consequences can be derived from ``last.pt``: it holds the line of its last epoch,
the number and the metrics of its best one, and, if that is the last one, its weights. Whoever
continues the run first repeats what a kill prevented, so no file is ever from an epoch that the
others do not know. A ``last.pt`` that cannot be read is put aside; ``last.prev.pt`` takes its
place, and with it the best checkpoint that belongs to it.

The size of a commit does not depend on the number of epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli import runs
from seqcli.api.data_paths import locations
from seqcli.api.run_facts import run_facts
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.data.splits import fingerprints
from seqcli.errors import CheckpointError, DivergedError
from seqcli.events import RunStarted
from seqcli.files.atomic import writing
from seqcli.runs.metrics_log import append_metrics, recover_metrics
from seqcli.runs.paths import keep, may_publish, publish_best
from seqcli.training.loop import Loop
from seqcli.training.progress import EpochRecord, Progress
from seqcli.training.trainer import TrainerSetup


@dataclass(frozen=True)
class CheckpointWriter:
    """Commits the state of a run, and repeats the consequences of a commit after a kill.

    Args:
        folder: the run folder, locked.
        config, corpus: what the run is about.
        weights: returns the weights by PyTorch's names.
        save: writes a checkpoint file in one step.
    """

    folder: runs.RunFolder
    config: Config
    corpus: Corpus
    weights: Callable[[], Mapping[str, Any]]
    save: Callable[[Path, Checkpoint], None]

    def __call__(
        self, training: Mapping[str, Any], progress: Progress, *, stopping: bool = False
    ) -> None:
        """Commit; see `seqcli.training.loop.Save`.

        A run that is interrupted before its first checkpoint does not replace another one.

        Raises:
            SeqcliError: the disk is full or broken; the commit before is whole.
            UsageError: the folder cannot be written.
            DivergedError: a weight is NaN or infinite; the commit before stays.
        """
        if stopping and self.folder.is_staged:
            return
        self._check_finite(progress)
        paths = self.folder.current
        keep(paths.last, paths.previous)
        self.save(paths.last, self._checkpoint(_scores(progress.last), training))
        self.folder.replace_old_run()
        if progress.batch == 0 and progress.last is not None:
            append_metrics(self.folder.paths.metrics, progress.last)
            if progress.best is progress.last:
                self._save_best(progress.last)

    def _check_finite(self, progress: Progress) -> None:
        """Refuse to commit weights that nobody could use."""
        for name, weight in self.weights().items():
            if not math.isfinite(float(abs(weight).sum())):
                raise DivergedError(
                    f"{name} became NaN or infinite at step {progress.step}",
                    "the previous checkpoint is intact; try a lower --lr",
                )

    def recover(self, progress: Progress) -> tuple[list[Mapping[str, float]], tuple[str, ...]]:
        """Bring all files in line with the commit that a run continues from.

        Args:
            progress: of that commit, or of a run that begins; ``best`` is reset if the best
                checkpoint is lost.

        Returns:
            the metrics of each epoch, {} where they are lost, and notes on what was repaired.

        Raises:
            SeqcliError: the disk is full or broken.
            UsageError: the folder cannot be written.
        """
        paths, notes = self.folder.current, []
        if not may_publish(paths):
            notes.append(f"{paths.extra_best} was not written by this run and is left unchanged")
            self.folder.paths = runs.RunPaths(self.folder.paths.folder)
            paths = self.folder.current
        notes.append(self._recover_best(progress))
        publish_best(paths)
        done = progress.epochs_done
        history, note = recover_metrics(paths.metrics, paths.damaged_metrics, progress.last, done)
        return history, tuple(filter(None, (*notes, note)))

    def _recover_best(self, progress: Progress) -> str:
        """Find or write the best checkpoint of a commit; return a note if it is lost."""
        paths, best = self.folder.current, progress.best
        if best is not None:
            if _holds(paths.best, best):
                return ""
            if _holds(paths.best_previous, best):
                _rename(paths.best_previous, paths.best)
                return ""
            if best.epoch == progress.epochs_done and progress.batch == 0:
                self._save_best(best)
                return ""
        if paths.best.exists():  # of an epoch that this run has not reached yet, or damaged
            _rename(paths.best, paths.best_previous)
        progress.best = None
        lost = f"{paths.best} is missing or damaged: the best of the following epochs replaces it"
        return lost if best else ""

    def _save_best(self, record: EpochRecord) -> None:
        paths = self.folder.current
        keep(paths.best, paths.best_previous)
        self.save(paths.best, self._checkpoint(_scores(record), None))
        publish_best(paths)

    def _checkpoint(
        self, metrics: Mapping[str, float], training: Mapping[str, Any] | None
    ) -> Checkpoint:
        return Checkpoint(
            config=configuration.to_plain(self.config),
            codec=self.corpus.codec,
            weights=self.weights(),
            about=self._about,
            metrics=metrics,
            training=training,
        )

    @cached_property
    def _about(self) -> Mapping[str, Any]:
        about: dict[str, Any] = {
            **self.corpus.about,
            "name": self.corpus.name,
            "rows": {split: len(pairs) for split, pairs in self.corpus.splits.items()},
            "baselines": self.corpus.baselines,
            "origins": self.config.origins,
            "locations": locations(self.config.data, self.folder.paths.folder),
        }
        if self.corpus.codec.source is None:  # so that texts of a language model can be called new
            about["fingerprints"] = fingerprints(self.corpus.splits)
        return about


def _scores(record: EpochRecord | None) -> dict[str, float]:
    return {"epoch": record.epoch, **record.metrics} if record else {}


def _rename(path: Path, to: Path) -> None:
    with writing(to):
        path.replace(to)


def _holds(path: Path, record: EpochRecord) -> bool:
    """Return whether a checkpoint is of an epoch: of this very one, its times included."""
    try:
        return repr(numpy_file.load(path).metrics) == repr(_scores(record))
    except CheckpointError:
        return False


def restore(loop: Loop, writer: CheckpointWriter, checkpoint: Checkpoint | None) -> tuple[str, ...]:
    """Restore a loop from a checkpoint, or start anew, and repair the files of the run.

    Args:
        loop: its model has the weights of the checkpoint already.
        writer: of its run.
        checkpoint: to continue from, or None.

    Returns:
        notes on what was repaired.

    Raises:
        CheckpointError: the state does not fit this model and configuration.
    """
    if checkpoint is not None:
        loop.resume(checkpoint.training or {})
    loop.history, notes = writer.recover(loop.progress)
    return notes


def run_started(
    paths: runs.RunPaths, corpus: Corpus, loop: Loop, setup: TrainerSetup, notes: tuple[str, ...]
) -> RunStarted:
    """Return the event at the start of a run."""
    codec = corpus.codec
    return RunStarted(
        name=paths.folder.name,
        folder=str(paths.folder),
        model=setup.model,
        parameters=setup.parameters,
        rows={split: len(pairs) for split, pairs in corpus.splits.items()},
        vocabulary=(len(codec.source.tokens) if codec.source else 0, len(codec.target.tokens)),
        device=setup.device,
        threads=setup.config.train.threads,
        epochs=loop.epochs,
        batch_size=loop.settings.batch_size,
        epochs_done=loop.progress.epochs_done,
        steps_done=loop.progress.step,
        notes=(*corpus.notes, *notes),
        file=str(paths.extra_best or ""),
        facts=run_facts(str(paths.folder), setup.config, corpus),
    )
