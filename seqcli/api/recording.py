"""Write and recover the checkpoints of a run; both backends use the same commit protocol.

**Writing.** The state of a run is committed after each epoch, every ``train.save_every`` seconds
within an epoch, and before an interrupted run ends. A commit is one atomic step: the new
``last.pt`` replaces the old one, which is kept as ``last.prev.pt``. After a commit at the end of an
epoch, these steps follow in order:

1. at the first commit, a run that replaces an old one is moved there (`seqcli.runs.folders`);
2. the line of the epoch is appended to ``metrics.jsonl``;
3. if the epoch is the best one, ``best.pt`` is replaced; the old one is kept as ``best.prev.pt``;
4. ``best.pt`` is copied to the file of ``--out FILE.pt``, if there is one;
5. the epoch is reported to all listeners (terminal, TensorBoard).

**Recovery.** All of these steps can be repeated from ``last.pt``: it contains the line of its last
epoch, the number and the metrics of the best epoch, and, if that is the last one, its weights. A
run that resumes after a kill first repeats the missing steps, so all files agree on the last epoch.
A ``last.pt`` that cannot be read is set aside; ``last.prev.pt`` replaces it, together with the best
checkpoint of that commit.

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
from seqcli.api.checkpoint_config import has_scores_of, locations, scores_of
from seqcli.checkpoints.content import Checkpoint, RunRecord
from seqcli.config import Config
from seqcli.config.recipe_choice import attention_hint, chosen_line
from seqcli.config.sections import TrainConfig
from seqcli.config.yaml_file import to_yaml
from seqcli.data.corpus import Corpus, fingerprints
from seqcli.errors import DivergedError
from seqcli.events import RunFacts, RunStarted
from seqcli.files.atomic import write_atomically, writing
from seqcli.runs.metrics_log import append_metrics, recover_metrics
from seqcli.runs.paths import keep, may_publish, publish_best
from seqcli.training.loop import Loop
from seqcli.training.progress import EpochRecord, Progress
from seqcli.training.trainer import TrainerSetup


@dataclass(frozen=True)
class CheckpointWriter:
    """Commit the state of a run, and complete an interrupted commit.

    Args:
        folder: the locked run folder.
        config: the configuration of the run.
        corpus: the data of the run.
        weights: returns the weights by PyTorch parameter name.
        save: writes a checkpoint file atomically.
    """

    folder: runs.RunFolder
    config: Config
    corpus: Corpus
    weights: Callable[[], Mapping[str, Any]]
    save: Callable[[Path, Checkpoint], None]

    def __call__(
        self, training: Mapping[str, Any], progress: Progress, *, stopping: bool = False
    ) -> None:
        """Commit the state of a run; see `seqcli.training.trainer.Save`.

        A run that is interrupted before its first checkpoint does not replace the old run.

        Raises:
            SeqcliError: the disk is full or broken; the previous commit is intact.
            UsageError: the folder cannot be written.
            DivergedError: a weight is NaN or infinite; the previous commit is intact.
        """
        if stopping and self.folder.is_staged:
            return
        self._check_finite(progress)
        paths = self.folder.current
        keep(paths.last, paths.previous)
        self.save(paths.last, self._checkpoint(scores_of(progress.last), training))
        self.folder.replace_old_run()
        if progress.batch == 0 and progress.last is not None:
            append_metrics(self.folder.paths.metrics, progress.last)
            if progress.best is progress.last:
                self._save_best(progress.last)

    def _check_finite(self, progress: Progress) -> None:
        """Check that all weights are finite."""
        for name, weight in self.weights().items():
            if not math.isfinite(float(abs(weight).sum())):
                raise DivergedError(
                    f"{name} became NaN or infinite at step {progress.step}",
                    "the previous checkpoint is intact; try a lower --lr",
                )

    def recover(self, progress: Progress) -> tuple[list[Mapping[str, float]], tuple[str, ...]]:
        """Make all files of a run consistent with the commit that it resumes from.

        Args:
            progress: the progress of that commit, or of a new run; ``best`` is reset if the best
                checkpoint is lost.

        Returns:
            the metrics of each epoch ({} if they are lost), and notes on repairs.

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
        """Restore the best checkpoint of a commit; return a note if it is lost."""
        paths, best = self.folder.current, progress.best
        if best is not None:
            if has_scores_of(paths.best, best):
                return ""
            if has_scores_of(paths.best_previous, best):
                _rename(paths.best_previous, paths.best)
                return ""
            if best.epoch == progress.epochs_done and progress.batch == 0:
                self._save_best(best)
                return ""
        if paths.best.exists():  # of a later epoch than the commit, or damaged
            _rename(paths.best, paths.best_previous)
        progress.best = None
        lost = f"{paths.best} is missing or damaged; the best of the next epochs will replace it"
        return lost if best else ""

    def _save_best(self, record: EpochRecord) -> None:
        paths = self.folder.current
        keep(paths.best, paths.best_previous)
        self.save(paths.best, self._checkpoint(scores_of(record), None))
        publish_best(paths)

    def _checkpoint(
        self, metrics: Mapping[str, float], training: Mapping[str, Any] | None
    ) -> Checkpoint:
        return Checkpoint(
            config=configuration.to_plain(self.config),
            codec=self.corpus.codec,
            weights=self.weights(),
            record=self._record,
            metrics=metrics,
            training=training,
        )

    @cached_property
    def _record(self) -> RunRecord:
        corpus = self.corpus
        is_language = corpus.codec.source is None
        return RunRecord(
            **vars(corpus.provenance),
            name=corpus.name,
            rows={split: len(pairs) for split, pairs in corpus.splits.items()},
            baselines=corpus.baselines,
            origins=self.config.origins,
            locations=locations(self.config.data, self.folder.paths.folder),
            # to test whether sampled texts are new
            fingerprints=fingerprints(corpus.splits) if is_language else None,
            distillation=corpus.distillation,
        )


def _rename(path: Path, to: Path) -> None:
    with writing(to):
        path.replace(to)


def restore(loop: Loop, writer: CheckpointWriter, checkpoint: Checkpoint | None) -> tuple[str, ...]:
    """Restore a training loop from a checkpoint, if there is one, and repair the files of the run.

    Args:
        loop: the training loop; its model already has the weights of the checkpoint.
        writer: the checkpoint writer of the run.
        checkpoint: the checkpoint to resume from, or None.

    Returns:
        notes on repairs.

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
    """Create the event that reports the start of a run."""
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
        processes=loop.processes.size,
        epochs=loop.epochs,
        batch_size=loop.settings.batch_size,
        epochs_done=loop.progress.epochs_done,
        steps_done=loop.progress.step,
        notes=(*corpus.notes, *notes),
        file=str(paths.extra_best or ""),
        facts=run_facts(str(paths.folder), setup.config, corpus),
        recipe=chosen_line(setup.config),
        settings=configuration.flat(setup.config),
    )


def write_config(paths: runs.RunPaths, settings: Config) -> None:
    """Write config.yaml, with the origin of each value."""
    text = to_yaml(settings)
    write_atomically(paths.config, lambda file: file.write(text.encode()))


def run_facts(folder: str, config: Config, corpus: Corpus) -> RunFacts:
    """Collect the facts of a run."""
    model, train, data = config.model, config.train, config.data
    recurrent_pairs = corpus.codec.source is not None and model.cell != "transformer"
    splits, could_attend = corpus.splits, recurrent_pairs and model.attention == "none"
    chosen = "model.attention" in config.origins  # by the user, or by compare
    hint = attention_hint() if could_attend and not chosen else ""
    return RunFacts(
        folder=folder,
        lr=train.lr,
        hidden=model.hidden,
        dropout=model.dropout,
        patience=train.patience,
        doubled_limit=_doubled_limit(train),
        could_attend=could_attend,
        by_hand=train.backend == "numpy",
        drawn_rows=data.train if data.task else 0,
        val_rows=len(splits["val"]) if "val" in splits else 0,
        has_test="test" in splits,
        baselines=tuple(corpus.baselines.get("val", {}).items()),
        attention_hint=hint,
    )


def _doubled_limit(train: TrainConfig) -> str:
    """Return the command-line option that doubles the training limit."""
    if train.budget:
        return f"--budget {2 * train.budget:g}"
    if train.steps:
        return f"--steps {2 * train.steps}"
    return f"--epochs {2 * train.epochs}"
