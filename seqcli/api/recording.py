"""What a run of either backend writes down: its checkpoints, and the event it begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli import runs
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.data.fingerprints import fingerprints
from seqcli.events import RunStarted
from seqcli.training.loop import Loop


@dataclass(frozen=True)
class CheckpointWriter:
    """Writes a run's checkpoints: ``best`` without training state, ``last`` with it.

    Args:
        paths: where they go.
        config, corpus: what the run is about.
        weights: returns the weights by PyTorch's names.
        save: writes a checkpoint file.
    """

    paths: runs.RunPaths
    config: Config
    corpus: Corpus
    weights: Callable[[], Mapping[str, Any]]
    save: Callable[[Path, Checkpoint], None]

    @cached_property
    def _known(self) -> Mapping[str, Any]:
        """Return the fingerprints of a language model's rows, so that new names can be told."""
        if self.corpus.codec.source is not None:
            return {}
        return {"fingerprints": fingerprints(self.corpus.splits)}

    def __call__(self, training: Mapping[str, Any] | None, metrics: Mapping[str, float]) -> None:
        """See `seqcli.training.loop.Save`."""
        checkpoint = Checkpoint(
            config=configuration.to_plain(self.config),
            codec=self.corpus.codec,
            weights=self.weights(),
            about={
                **self.corpus.about,
                "name": self.corpus.name,
                "rows": {split: len(pairs) for split, pairs in self.corpus.splits.items()},
                "baselines": self.corpus.baselines,
                "origins": self.config.origins,
                **self._known,
            },
            metrics=metrics,
            training=training,
        )
        if training is None:
            self.save(self.paths.best, checkpoint)
            runs.publish_best(self.paths)
        else:
            runs.keep_previous(self.paths)
            self.save(self.paths.last, checkpoint)


@dataclass(frozen=True)
class Machine:
    """What a model is and runs on, in words and numbers."""

    model: str
    parameters: int
    device: str
    threads: int


def run_started(
    paths: runs.RunPaths, corpus: Corpus, loop: Loop, machine: Machine, notes: tuple[str, ...] = ()
) -> RunStarted:
    """Return the event a run begins with."""
    codec = corpus.codec
    return RunStarted(
        name=paths.folder.name,
        folder=str(paths.folder),
        model=machine.model,
        parameters=machine.parameters,
        rows={split: len(pairs) for split, pairs in corpus.splits.items()},
        vocabulary=(len(codec.source.symbols) if codec.source else 0, len(codec.target.symbols)),
        device=machine.device,
        threads=machine.threads,
        epochs=loop.epochs,
        batch_size=loop.settings.batch_size,
        epochs_done=len(loop.progress.history),
        steps_done=loop.progress.step,
        notes=(*corpus.notes, *notes),
        file=str(paths.extra_best or ""),
    )
