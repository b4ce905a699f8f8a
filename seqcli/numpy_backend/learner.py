"""Learning by hand: what the loop (`seqcli.training.loop`) asks of a model, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqcli.config import TrainConfig
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Corpus, MaxLengths, Pairs
from seqcli.numpy_backend.cells import Cell
from seqcli.numpy_backend.language_model import log_probabilities, model
from seqcli.numpy_backend.optimization import OPTIMIZERS
from seqcli.numpy_backend.optimizer_state import from_torch_state, to_torch_state
from seqcli.numpy_backend.packing import Packed, pack
from seqcli.numpy_backend.parameters import Parameters
from seqcli.numpy_backend.sampling import sample
from seqcli.training.loop import Measured, Step, Tick, Turn

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
    limits: MaxLengths


class NumpyLearner:
    """Weights with their optimizer; see `seqcli.training.loop.Learner`.

    It draws random numbers only for the names it shows, from a generator made of the run's seed and
    the epoch: there is no random state to be saved.
    """

    def __init__(self, lesson: Lesson) -> None:
        self.lesson, settings = lesson, lesson.settings
        make = OPTIMIZERS[settings.optimizer]
        self.optimizer = make(settings.lr, settings.momentum, settings.weight_decay)

    def learn(self, turns: Iterator[Turn]) -> Iterator[Step]:
        """Make one step for each turn."""
        settings = self.lesson.settings
        return model(
            ((packed(turn.batch), turn.rate) for turn in turns),
            self.lesson.parameters,
            self.lesson.cell,
            self.optimizer,
            max_norm=settings.grad_clip,
            max_value=settings.grad_clip_value,
        )

    def measure(self, epoch: int, done: float, tick: Tick) -> Measured:
        """Score the validation names, and invent some."""
        lesson, metrics = self.lesson, {}
        val = lesson.corpus.splits.get("val")
        if val is not None and len(val):
            metrics["val_loss"] = mean_loss(lesson.parameters, lesson.cell, val, tick)
        return Measured(metrics, samples=self._samples(epoch))

    def _samples(self, epoch: int) -> tuple[str, ...]:
        lesson = self.lesson
        rng = np.random.Generator(np.random.PCG64([lesson.settings.seed, epoch]))
        count, longest = lesson.settings.samples, lesson.limits.prediction(0)
        drawn = sample(lesson.parameters, lesson.cell, rng, count, max_length=longest)
        return tuple(lesson.corpus.codec.target_text(drawn[i].tolist()) for i in range(count))

    def state(self) -> dict[str, Any]:
        """Return the optimizer's state, in PyTorch's layout."""
        return {"optimizer": to_torch_state(self.optimizer), "random": {}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` of either backend returned."""
        from_torch_state(state, self.optimizer, self.lesson.parameters)
