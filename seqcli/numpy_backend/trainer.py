"""Training by hand in NumPy; see `seqcli.training.trainer.Trainer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.arrays.memory import keep_freed_memory
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, TrainConfig
from seqcli.config.sections import describe
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Corpus, Limits, Pairs
from seqcli.numpy_backend.cells import CELLS, Cell
from seqcli.numpy_backend.language_model import log_probabilities, optimize
from seqcli.numpy_backend.optimization import OPTIMIZERS
from seqcli.numpy_backend.optimizer_state import from_torch_state, to_torch_state
from seqcli.numpy_backend.packing import Packed, pack
from seqcli.numpy_backend.parameters import Parameters, to_torch_names
from seqcli.numpy_backend.sampling import sample
from seqcli.numpy_backend.stored import fresh_parameters, stored_parameters
from seqcli.numpy_backend.threads import set_threads
from seqcli.training.trainer import EpochMetrics, StepResult, Tick, TrainerSetup, TrainingStep

SCORED = 256  # names scored at once


def packed(batch: Batch) -> Packed:
    """Return a batch without its padding."""
    return pack(batch.target_in, batch.target_out, batch.target_lengths)


def mean_loss(parameters: Parameters, cell: Cell, pairs: Pairs, tick: Tick) -> float:
    """Return nats per symbol over all rows, stop symbols counted; ``tick`` between batches."""
    total = 0.0
    for batch in BatchStream(pairs, SCORED, shuffle=False).epoch(0):
        total -= float(log_probabilities(packed(batch), parameters, cell).sum())
        tick()
    return total / (len(pairs.targets.tokens) + len(pairs))


@dataclass(frozen=True)
class Lesson:
    """What is learnt: by which weights, from what, how."""

    parameters: Parameters
    cell: Cell
    corpus: Corpus
    settings: TrainConfig
    limits: Limits


class NumpyTrainer:
    """Weights with their optimizer.

    Random numbers are drawn only for the samples, by a generator seeded with the run's seed and the
    epoch: there is no random state to save.
    """

    def __init__(self, lesson: Lesson) -> None:
        self.lesson, settings = lesson, lesson.settings
        make = OPTIMIZERS[settings.optimizer]
        self.optimizer = make(settings.lr, settings.momentum, settings.weight_decay)

    def training_step(self, step: TrainingStep) -> StepResult:
        """See `Trainer.training_step`."""
        lesson, settings, batch = self.lesson, self.lesson.settings, packed(step.batch)
        self.optimizer.lr = step.learning_rate
        loss, norm = optimize(
            batch,
            lesson.parameters,
            lesson.cell,
            self.optimizer,
            max_norm=settings.clip,
            max_value=settings.clip_value,
        )
        return StepResult(loss, len(batch), norm)

    def evaluate(self, epoch: int, done: float, tick: Tick) -> EpochMetrics:
        """See `Trainer.evaluate`; some names are sampled."""
        lesson, metrics = self.lesson, {}
        val = lesson.corpus.splits.get("val")
        if val is not None and len(val):
            metrics["val_loss"] = mean_loss(lesson.parameters, lesson.cell, val, tick)
        return EpochMetrics(metrics, samples=self._samples(epoch))

    def _samples(self, epoch: int) -> tuple[str, ...]:
        lesson = self.lesson
        rng = np.random.Generator(np.random.PCG64([lesson.settings.seed, epoch]))
        count, longest = lesson.settings.samples, lesson.limits.answer(0)
        drawn = sample(lesson.parameters, lesson.cell, rng, count, max_length=longest)
        return tuple(lesson.corpus.codec.target_text(drawn[i].tolist()) for i in range(count))

    def weights(self) -> Mapping[str, Any]:
        """See `Trainer.weights`."""
        return to_torch_names(self.lesson.parameters)

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`: the optimizer's state, in PyTorch's layout."""
        return {"optimizer": to_torch_state(self.optimizer), "random": {}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `Trainer.load_state`."""
        from_torch_state(state, self.optimizer, self.lesson.parameters)


def build(
    config: Config, corpus: Corpus, limits: Limits, checkpoint: Checkpoint | None, path: Path
) -> TrainerSetup:
    """Make fresh weights, or take a checkpoint's, and set the number of threads.

    See `seqcli.training.torch_trainer.build` for the arguments.

    Raises:
        CheckpointError: the weights do not fit the configuration.
    """
    threads = config.train.threads or 1
    set_threads(threads)
    keep_freed_memory()
    train = replace(config.train, threads=threads)
    origins = {"train.threads": "one is the fastest", **config.origins}
    config = replace(config, train=train, origins=origins)
    if checkpoint is None:
        parameters = fresh_parameters(config, len(corpus.codec.target))
    else:
        parameters = stored_parameters(checkpoint, config, path)
    lesson = Lesson(parameters, CELLS[config.model.cell], corpus, config.train, limits)
    description = f"{describe(config.model, language=True)}, by hand in NumPy"
    count = sum(array.size for array in parameters.values())
    return TrainerSetup(NumpyTrainer(lesson), config, description, count, "cpu", numpy_file.save)
