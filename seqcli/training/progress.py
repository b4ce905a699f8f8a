"""Where a run stands: plain numbers, kept in every checkpoint that can be resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from seqcli.config import TrainConfig

SMOOTHING = 0.99  # share of the smoothed loss that each step keeps


@dataclass
class Progress:
    """Where training stands.

    ``batch``: batches of this epoch that are done. The sums are over those batches.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    tokens: int = 0
    rows: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    waited: int = 0  # epochs without improvement
    smoothed_loss: float = 0.0  # nats per token, see `smooth`
    history: list[dict[str, float]] = field(default_factory=list)

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
