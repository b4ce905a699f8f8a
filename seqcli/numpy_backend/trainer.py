"""Training by hand: what the loop (`seqcli.training.loop`) needs of a model, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import registry
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, TrainConfig
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Corpus, MaxLengths, Pairs
from seqcli.numpy_backend.cells import CELLS, Cell
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.language_model import log_probabilities, model
from seqcli.numpy_backend.optimizers import Optimizer
from seqcli.numpy_backend.parameters import TORCH_NAMES, Parameters, initialize_parameters, shapes
from seqcli.numpy_backend.recurrence import Packed, pack
from seqcli.numpy_backend.sampling import sample
from seqcli.training.loop import Measured, Step, Tick, Turn

SCORED_AT_ONCE = 256  # names


class NumpyTrainer:
    """Weights and their optimizer; see `seqcli.training.loop.Learner`.

    Random numbers are only drawn for the samples shown after an epoch, from a generator seeded by
    the run's seed and the epoch: there is no random state to save.

    Args:
        parameters: the weights, changed in place.
        cell: the cell they belong to.
        corpus: the names.
        settings: the section ``train`` of the configuration.
        limits: maximum lengths, which the samples keep to.
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

    def learn(self, turns: Iterator[Turn]) -> Iterator[Step]:
        """Run one training step for each turn."""
        return model(
            ((packed(turn.batch), turn.rate) for turn in turns),
            self.parameters,
            self.cell,
            self.optimizer,
            max_norm=self.settings.grad_clip,
            max_value=self.settings.grad_clip_value,
        )

    def measure(self, epoch: int, done: float, tick: Tick) -> Measured:
        """Compute the loss on the validation names, and sample some names."""
        metrics, val = {}, self.corpus.splits.get("val")
        if val is not None and len(val):
            metrics["val_loss"] = mean_loss(self.parameters, self.cell, val, tick)
        return Measured(metrics, samples=self._samples(epoch))

    def _samples(self, epoch: int) -> tuple[str, ...]:
        rng = np.random.Generator(np.random.PCG64([self.settings.seed, epoch]))
        count, longest = self.settings.samples, self.limits.prediction(0)
        names = sample(self.parameters, self.cell, rng, count, max_length=longest)
        return tuple(self.corpus.codec.target_text(names[i].tolist()) for i in range(count))

    def state(self) -> dict[str, Any]:
        """Return the optimizer's state, in PyTorch's layout."""
        return {"optimizer": self.optimizer.state_dict(), "random": {}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state that either backend saved."""
        self.optimizer.load_state_dict(state, self.parameters)


def packed(batch: Batch) -> Packed:
    """Return a batch without its padding."""
    return pack(batch.target_in, batch.target_out, batch.target_lengths)


def mean_loss(parameters: Parameters, cell: Cell, pairs: Pairs, tick: Tick) -> float:
    """Return the loss in nats per token over all rows; ``tick`` is called between batches."""
    total = 0.0
    for batch in BatchStream(pairs, SCORED_AT_ONCE, shuffle=False).epoch(0):
        total -= float(log_probabilities(packed(batch), parameters, cell).sum())
        tick()
    return total / (len(pairs.targets.tokens) + len(pairs))


def fresh_parameters(config: Config, vocabulary: int) -> Parameters:
    """Return new weights for a vocabulary of so many ids, drawn by the run's seed."""
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
