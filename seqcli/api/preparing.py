"""What stands between a configuration and the loop: model, device, threads, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from seqcli import config as configuration
from seqcli import runs
from seqcli.api.loading import limits_of, make_model, put_weights
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.engine.device import choose_device, choose_threads
from seqcli.engine.loop import Trainer
from seqcli.engine.stopping import StopRequest
from seqcli.events import RunStarted
from seqcli.models.build import describe
from seqcli.models.contract import Model


@dataclass(frozen=True)
class CheckpointWriter:
    """Writes a run's checkpoints: ``best`` without training state, ``last`` with it."""

    paths: runs.RunPaths
    config: Config
    corpus: Corpus
    model: Model

    def __call__(self, training: Mapping[str, Any] | None, metrics: Mapping[str, float]) -> None:
        """See `seqcli.engine.loop.Save`."""
        checkpoint = Checkpoint(
            config=configuration.to_plain(self.config),
            codec=self.corpus.codec,
            weights=self.model.state_dict(),
            about={
                **self.corpus.about,
                "name": self.corpus.name,
                "floors": self.corpus.floors,
                "origins": self.config.origins,
            },
            metrics=metrics,
            training=training,
        )
        if training is None:
            torch_file.save(self.paths.best, checkpoint)
            runs.publish_best(self.paths)
        else:
            runs.keep_previous(self.paths)
            torch_file.save(self.paths.last, checkpoint)


def prepare(
    paths: runs.RunPaths,
    config: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    stop: StopRequest,
) -> tuple[Trainer, Config, RunStarted]:
    """Build the model, put back what a checkpoint holds, choose device and threads.

    Returns:
        the trainer, the configuration with the number of threads filled in, and the first event.
    """
    device = choose_device(config.train.device)
    limits = limits_of(corpus.about, paths.config)
    torch.manual_seed(config.train.seed)
    model = make_model(config, corpus.codec, limits)
    if checkpoint is not None:
        put_weights(model, checkpoint, paths.last)
    model.to(device)
    trainer = Trainer(model, corpus, config, limits, None, stop)
    threads = config.train.threads or choose_threads(trainer.work())
    torch.set_num_threads(threads)
    config = replace(
        config,
        train=replace(config.train, threads=threads),
        origins={"train.threads": "chosen by a probe", **config.origins},
    )
    trainer.save = CheckpointWriter(paths, config, corpus, model)
    if checkpoint is not None and checkpoint.training is not None:
        trainer.resume(checkpoint.training)
    return trainer, config, _started(paths, config, corpus, trainer, device)


def _started(
    paths: runs.RunPaths, config: Config, corpus: Corpus, trainer: Trainer, device: torch.device
) -> RunStarted:
    source = corpus.codec.source
    return RunStarted(
        name=paths.folder.name,
        folder=str(paths.folder),
        model=describe(config.model),
        parameters=sum(weight.numel() for weight in trainer.weights),
        rows={split: len(pairs) for split, pairs in corpus.splits.items()},
        vocabulary=(len(source.symbols) if source else 0, len(corpus.codec.target.symbols)),
        device=str(device),
        threads=torch.get_num_threads(),
        epochs=config.train.epochs,
        batch_size=config.train.batch_size,
        epochs_done=len(trainer.progress.history),
        steps_done=trainer.progress.step,
        notes=corpus.notes,
    )
