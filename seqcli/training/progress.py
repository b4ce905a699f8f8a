"""Where a run stands: plain numbers, kept in every checkpoint that can be resumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from seqcli import schema
from seqcli.config import TrainConfig
from seqcli.schema import Bounds, Count, Number

SMOOTHING = 0.99  # share of the smoothed loss that each step keeps


@dataclass
class Progress:
    """Where training stands.

    ``batch``: batches of this epoch that are done. The sums are over those batches.
    """

    epoch: Annotated[int, Bounds(1)] = 1
    batch: Count = 0
    step: Count = 0
    loss_sum: float = 0.0
    tokens: Count = 0
    rows: Count = 0
    seconds: float = 0.0
    best_epoch: Count = 0
    waited: Count = 0  # epochs without improvement
    smoothed_loss: float = 0.0  # nats per token, see `smooth`
    history: list[dict[str, Number]] = field(default_factory=list)

    def add(self, loss: float, tokens: int, rows: int) -> None:
        """Count one step: its mean loss in nats per token, its tokens and rows."""
        self.smoothed_loss = smooth(self.smoothed_loss, loss)
        self.loss_sum += loss * tokens
        self.tokens += tokens
        self.rows += rows
        self.step += 1
        self.batch += 1

    @property
    def elapsed(self) -> float:
        """Seconds of training and scoring so far, over all sessions of the run."""
        return sum(row.get("seconds", 0.0) for row in self.history) + self.seconds

    def next_epoch(self) -> None:
        """Turn to the beginning of the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.tokens, self.rows, self.seconds = 0.0, 0, 0, 0.0


def progress_of(training: Mapping[str, Any]) -> Progress:
    """Return the progress in a checkpoint's training state.

    Raises:
        SchemaError: it is not one that training could have written.
    """
    found: Progress = schema.read(Progress, training.get("progress"), "training.progress")
    if found.best_epoch > len(found.history):
        raise schema.SchemaError("training.progress.best_epoch is an epoch that never ended")
    return found


def why_over(progress: Progress, settings: TrainConfig) -> str:
    """Return why a run that stands there is over, or an empty string.

    The reasons are those of `seqcli.events.Finished`.
    """
    if progress.history:
        accuracy = progress.history[-1].get("val_sequence_accuracy", 0.0)
        if accuracy >= settings.goal:
            return "goal"
    if settings.patience and progress.waited >= settings.patience:
        return "patience"
    if progress.batch:  # inside an epoch, which has to be scored
        return ""
    if settings.seconds and progress.elapsed >= settings.seconds:
        return "seconds"
    if settings.iterations:
        return "iterations" if progress.step >= settings.iterations else ""
    return "epochs" if progress.epoch > settings.epochs else ""


def initial_loss(symbols: int) -> float:
    """Return log(V): the nats per symbol of a guess among V symbols, where smoothing starts."""
    return math.log(symbols)


def smooth(smoothed: float, loss: float) -> float:
    """Return the running mean of the loss after one more batch."""
    return SMOOTHING * smoothed + (1.0 - SMOOTHING) * loss
