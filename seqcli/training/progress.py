"""The progress of training, and what stops it: the epochs, the steps, or a time budget.

Progress consists of plain numbers, stored in every checkpoint that can be resumed. The size of this
state does not grow with the number of epochs. The metrics of all epochs are in metrics.jsonl; a
checkpoint holds only the records of the last and of the best epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from seqcli import schema
from seqcli.config import TrainConfig
from seqcli.schema import Bounds, Count, Number

SMOOTHING = 0.99  # weight of the previous value in the smoothed loss
_OWN = ("epoch", "step", "improved")  # keys of a record besides its metrics


@dataclass(frozen=True)
class EpochRecord:
    """The record of a completed epoch: one line of metrics.jsonl.

    Args:
        epoch: counted from 1.
        step: optimizer steps since the start of the run.
        metrics: see `seqcli.events.EpochEnded`.
        improved: whether it was the best epoch so far.
    """

    epoch: Annotated[int, Bounds(1)]
    step: Count
    metrics: Mapping[str, Number]
    improved: bool

    def to_plain(self) -> dict[str, float]:
        """Return the record as one flat table."""
        return {"epoch": self.epoch, "step": self.step, **self.metrics, "improved": self.improved}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> EpochRecord:
        """Return the record from the table that `to_plain` returned.

        Raises:
            KeyError, TypeError, ValueError: the table is malformed.
        """
        epoch, step, improved = (plain[name] for name in _OWN)
        if type(epoch) is not int or type(step) is not int or epoch < 1 or step < 0:
            raise ValueError("an epoch and its step must be whole numbers")
        metrics = {name: value for name, value in plain.items() if name not in _OWN}
        if not all(type(value) in (int, float) for value in metrics.values()):
            raise ValueError("the metrics of an epoch must be numbers")
        return cls(epoch, step, metrics, bool(improved))


@dataclass
class Progress:
    """The progress of training.

    Args:
        epoch: the current epoch, counted from 1.
        batch: completed batches of this epoch.
        step: optimizer steps since the start of the run.
        loss_sum, tokens, rows, seconds: sums over the batches of this epoch; the loss in nats.
        waited: the number of epochs since the best one.
        smoothed_loss: nats per token, see `smooth`.
        seconds_before: seconds of training and validation in all completed epochs.
        used: seconds of the whole run, over all sessions, as its time budget counts them; 0
            without a budget.
        reserve: seconds needed to validate and save the model, which the budget includes.
        last, best: the last completed epoch and the best one; None before the first.
    """

    epoch: Annotated[int, Bounds(1)] = 1
    batch: Count = 0
    step: Count = 0
    loss_sum: float = 0.0
    tokens: Count = 0
    rows: Count = 0
    seconds: float = 0.0
    waited: Count = 0
    smoothed_loss: float = 0.0
    seconds_before: float = 0.0
    used: float = 0.0
    reserve: float = 0.0
    last: EpochRecord | None = None
    best: EpochRecord | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return the progress as plain data for a checkpoint; `progress_of` reads it."""
        return asdict(self)

    def count_step(self, tokens: int, rows: int) -> None:
        """Count one step with its tokens and rows."""
        self.tokens += tokens
        self.rows += rows
        self.step += 1
        self.batch += 1

    def add_loss(self, loss: float, tokens: int) -> None:
        """Add the mean loss of one step, in nats per token, over its tokens."""
        self.smoothed_loss = smooth(self.smoothed_loss, loss)
        self.loss_sum += loss * tokens

    @property
    def epochs_done(self) -> int:
        """The number of completed epochs."""
        return self.epoch - 1

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch; 0 before the first."""
        return self.best.epoch if self.best else 0

    @property
    def elapsed(self) -> float:
        """Seconds of training and validation so far, over all sessions of the run."""
        return self.seconds_before + self.seconds

    def uses_up(self, budget: float) -> bool:
        """Return whether a time budget (0: none) leaves no time for another step."""
        return 0 < budget <= self.used + self.reserve and self.step > 0

    def end_epoch(self, metrics: Mapping[str, float], improved: bool) -> EpochRecord:
        """Record the current epoch and move to the beginning of the next one."""
        record = EpochRecord(self.epoch, self.step, metrics, improved)
        self.last, self.best = record, record if improved else self.best
        self.waited = 0 if improved else self.waited + 1
        self.seconds_before += metrics.get("seconds", 0.0)
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.tokens, self.rows, self.seconds = 0.0, 0, 0, 0.0
        return record


def progress_of(training: Mapping[str, Any]) -> Progress:
    """Return the progress in a checkpoint's training state.

    Raises:
        SchemaError: it is missing or malformed.
    """
    progress: Progress = schema.read(Progress, training.get("progress"), "training.progress")
    last = progress.last.epoch if progress.last else 0
    if last != progress.epochs_done or progress.best_epoch > last:
        raise schema.SchemaError("training.progress has an epoch that never ended")
    return progress


def stop_reason(progress: Progress, settings: TrainConfig) -> str:
    """Return the reason why a run has finished, or an empty string if it has not.

    The reasons are those of `seqcli.events.Finished`.
    """
    if progress.last:
        accuracy = progress.last.metrics.get("val_sequence_accuracy", 0.0)
        if accuracy >= settings.target_accuracy:
            return "target_accuracy"
    if settings.patience and progress.waited >= settings.patience:
        return "patience"
    if progress.batch:  # inside an epoch, which must be evaluated first
        return ""
    if progress.uses_up(settings.budget):
        return "budget"
    if settings.steps:
        return "steps" if progress.step >= settings.steps else ""
    return "epochs" if 0 < settings.epochs < progress.epoch else ""


def initial_loss(tokens: int) -> float:
    """Return log(V), the loss of uniform predictions over V tokens: the initial smoothed loss."""
    return math.log(tokens)


def smooth(smoothed: float, loss: float) -> float:
    """Return the running mean of the loss after one more batch."""
    return SMOOTHING * smoothed + (1.0 - SMOOTHING) * loss


ENDING = 1.0  # seconds of a core for the learning curves and the exit of the process
MOST_SLOWED = 4.0  # maximum factor by which other processes are assumed to slow it down
VALIDATION_COST = 0.5  # time to score a row, relative to a training step, before it is measured


class TimeBudget:
    """Measure the time that a run has used, and the time that it still needs to end.

    Args:
        seconds: the budget; 0 means none.
        started: ``time.monotonic()`` when this session of the run was started.
        scored_rows: rows that the evaluation after an epoch scores.
    """

    def __init__(self, seconds: float, started: float, scored_rows: int) -> None:
        self.seconds, self.started, self.scored_rows = seconds, started, scored_rows
        self.before = 0.0  # seconds used by earlier sessions
        self.first_step = (0.0, 0)  # seconds and rows; includes initializations of libraries
        self.validation: float | None = None  # seconds of the last evaluation
        self.saving = 0.0  # seconds of the last commit

    def __bool__(self) -> bool:
        return self.seconds > 0

    def resume(self, progress: Progress) -> None:
        """Count the time that earlier sessions used."""
        self.before = max(progress.used, progress.elapsed)

    def update(self, progress: Progress) -> None:
        """Store the time used, and the time reserved for the end, in the progress."""
        session = time.monotonic() - self.started
        slowed = min(max(1.0, session / max(time.process_time(), 1e-3)), MOST_SLOWED)
        if progress.step == 1:
            self.first_step = progress.seconds, progress.rows
        progress.used = self.before + session
        progress.reserve = self._next_validation(progress) + self.saving + slowed * ENDING

    def _next_validation(self, progress: Progress) -> float:
        """Return the expected seconds of the next evaluation; at first, by the time of training."""
        if self.validation is not None:
            return self.validation
        seconds, rows = progress.seconds - self.first_step[0], progress.rows - self.first_step[1]
        return VALIDATION_COST * self.scored_rows * max(seconds, 0.0) / max(rows, 1)

    def done(self, progress: Progress) -> float:
        """Return the fraction of the training time that is over, from 0 to 1."""
        trained = max(0.0, progress.elapsed - self.first_step[0])
        left = max(0.0, self.seconds - progress.used - progress.reserve)
        return trained / (trained + left) if trained + left else 1.0

    def expected_steps(self, progress: Progress) -> float:
        """Return the expected number of steps of the run; infinite before the first step."""
        done = self.done(progress)
        return progress.step / done if done and progress.step else math.inf
