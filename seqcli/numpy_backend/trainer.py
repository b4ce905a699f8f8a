"""Training by hand in NumPy; see `seqcli.training.trainer.Trainer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from seqcli import registry
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, TrainConfig
from seqcli.config.sections import SamplingConfig, describe
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Corpus, MaxLengths, Pairs
from seqcli.decoding.search import sample
from seqcli.files.system import keep_freed_memory
from seqcli.numpy_backend.cells import CELLS, Cell, Packed, pack
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.language_model import SteppedModel, log_probabilities, optimize
from seqcli.numpy_backend.optimizers import Optimizer
from seqcli.numpy_backend.parameters import (
    TORCH_NAMES,
    Parameters,
    from_torch_names,
    initialize_parameters,
    shapes,
    to_torch_names,
)
from seqcli.training.trainer import EpochMetrics, StepResult, Tick, TrainerSetup, TrainingStep

SCORING_BATCH = 256  # names


class NumpyTrainer:
    """The weights of a language model, with their optimizer.

    Random numbers are only drawn for the samples shown after an epoch, from a generator seeded by
    the run's seed and the epoch: there is no random state to save.

    Args:
        parameters: the weights, changed in place.
        cell: the cell of the weights.
        corpus: the names.
        settings: the section ``train`` of the configuration.
        limits: the maximum lengths, which limit the samples.
    """

    def __init__(
        self,
        parameters: Parameters,
        cell: Cell,
        corpus: Corpus,
        settings: TrainConfig,
        limits: MaxLengths,
    ) -> None:
        self.parameters, self.cell, self.corpus = parameters, cell, corpus
        self.settings, self.limits = settings, limits
        kind = registry.resolve("optimizer", settings.optimizer, registry.NUMPY_OPTIMIZERS)
        self.optimizer: Optimizer = kind(settings.lr, settings.momentum, settings.weight_decay)

    def training_step(self, step: TrainingStep) -> StepResult:
        """See `Trainer.training_step`."""
        batch, self.optimizer.lr = packed(step.batch), step.learning_rate
        loss, norm = optimize(
            batch,
            self.parameters,
            self.cell,
            self.optimizer,
            max_norm=self.settings.grad_clip,
            max_value=self.settings.grad_clip_value,
        )
        return StepResult(loss, len(batch), norm)

    def evaluate(self, epoch: int, done: float, tick: Tick) -> EpochMetrics:
        """See `Trainer.evaluate`: the loss on the validation names; some names are sampled."""
        metrics, val = {}, self.corpus.splits.get("val")
        if val is not None and len(val):
            metrics["val_loss"] = mean_loss(self.parameters, self.cell, val, tick)
        return EpochMetrics(metrics, samples=self._samples(epoch))

    def _samples(self, epoch: int) -> tuple[str, ...]:
        random = np.random.default_rng([self.settings.seed, epoch])
        model = SteppedModel(self.parameters, self.cell)
        source = np.zeros((self.settings.samples, 0), np.int64)
        lengths, limit = np.zeros(len(source), np.int64), self.limits.prediction(0)
        names = sample(model, source, lengths, limit, SamplingConfig(), random)
        return tuple(self.corpus.codec.target_text(name.ids) for name in names)

    def weights(self) -> Mapping[str, Any]:
        """See `Trainer.weights`."""
        return to_torch_names(self.parameters)

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """See `Trainer.set_weights`."""
        for name, array in from_torch_names(weights).items():
            self.parameters[name][...] = array

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`: the state of the optimizer, in PyTorch's layout."""
        return {"optimizer": self.optimizer.state_dict(), "random": {}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `Trainer.load_state`."""
        self.optimizer.load_state_dict(state, self.parameters)


def build(
    config: Config, corpus: Corpus, limits: MaxLengths, checkpoint: Checkpoint | None, path: Path
) -> TrainerSetup:
    """Initialize the weights or load a checkpoint's, and set the number of threads.

    See `seqcli.training.torch_trainer.build` for the arguments.

    Raises:
        CheckpointError: the weights do not match the configuration.
    """
    threads = config.train.threads or 1
    threadpool_limits(threads, user_api="blas")
    keep_freed_memory()
    train = replace(config.train, threads=threads)
    origins = {"train.threads": "one thread is fastest", **config.origins}
    config = replace(config, train=train, origins=origins)
    if checkpoint is None:
        parameters = fresh_parameters(config, len(corpus.codec.target))
    else:
        parameters = stored_parameters(checkpoint, config, path)
    trainer = NumpyTrainer(parameters, CELLS[config.model.cell], corpus, train, limits)
    description = f"{describe(config.model, language=True)}, by hand in NumPy"
    count = sum(array.size for array in parameters.values())
    return TrainerSetup(trainer, config, description, count, "cpu", numpy_file.save)


def packed(batch: Batch) -> Packed:
    """Return a batch without its padding."""
    return pack(batch.target_in, batch.target_out, batch.target_lengths)


def mean_loss(parameters: Parameters, cell: Cell, pairs: Pairs, tick: Tick) -> float:
    """Return the loss in nats per token over all rows; ``tick`` is called between batches."""
    total = 0.0
    for batch in BatchStream(pairs, SCORING_BATCH, shuffle=False).epoch(0):
        total -= float(log_probabilities(packed(batch), parameters, cell).sum())
        tick()
    return total / (len(pairs.targets.tokens) + len(pairs))


def fresh_parameters(config: Config, vocabulary: int) -> Parameters:
    """Return new weights for a vocabulary of this size, drawn with the run's seed."""
    rng = np.random.default_rng(config.train.seed)
    gates = CELLS[config.model.cell].gates
    return initialize_parameters(rng, vocabulary, config.model.hidden, gates, _dtype(config))


def stored_parameters(checkpoint: Checkpoint, config: Config, path: Path) -> Parameters:
    """Return a copy of a checkpoint's weights.

    Raises:
        CheckpointError: names, shapes or number formats differ from what its configuration
            describes.
    """
    weights = Weights(checkpoint.weights, path, _dtype(config))
    gates = CELLS[config.model.cell].gates
    sizes = shapes(len(checkpoint.codec.target), config.model.hidden, gates)
    arrays = {name: weights.array(TORCH_NAMES[name], *shape) for name, shape in sizes.items()}
    weights.check_all_read()
    return {name: array.copy() for name, array in arrays.items()}


def _dtype(config: Config) -> type[np.floating]:
    return np.float64 if config.train.precision == "float64" else np.float32
