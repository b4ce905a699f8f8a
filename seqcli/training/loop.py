"""The one loop: trains any learner on any corpus and tells what happens as events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from seqcli import registry, schema
from seqcli.config import Config
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Corpus
from seqcli.errors import CheckpointError, DivergedError
from seqcli.events import EpochEnded, Event, Example, Finished, Listener
from seqcli.events import Progress as ProgressEvent
from seqcli.metrics.metric import find, language_scores
from seqcli.training.progress import Progress, initial_loss, progress_of, why_over
from seqcli.training.schedules import Constant
from seqcli.training.stopping import StopRequest

TOLD_EVERY = 0.2  # seconds between Progress events

Tick = Callable[[], None]


@dataclass(frozen=True)
class Turn:
    """A step to make: a batch, its learning rate, and how much of the run is ``done`` (0 to 1)."""

    batch: Batch
    rate: float
    done: float


@dataclass(frozen=True)
class Step:
    """A step made: mean loss in nats per token before it, tokens, the gradient's norm."""

    loss: float
    tokens: int
    norm: float


@dataclass(frozen=True)
class Measured:
    """What an epoch's end finds out: metrics as in `EpochEnded`, rows to show, names drawn."""

    metrics: Mapping[str, float]
    examples: tuple[Example, ...] = ()
    samples: tuple[str, ...] = ()


class Learner(Protocol):
    """A model that learns: what the loop needs of either backend."""

    def learn(self, turns: Iterator[Turn]) -> Iterator[Step]:
        """Make one step for each turn; the next turn is asked for after its step was yielded."""

    def measure(self, epoch: int, done: float, tick: Tick) -> Measured:
        """Score the validation rows; ``tick`` is called between batches."""

    def state(self) -> dict[str, Any]:
        """Return what resuming needs besides the weights, as plain data and arrays."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` of either backend returned."""


class Save(Protocol):
    """Commit the state of a run; see `seqcli.api.recording` for what a commit guarantees."""

    def __call__(
        self, training: Mapping[str, Any], progress: Progress, *, stopping: bool = False
    ) -> None:
        """Commit.

        Args:
            training: all that resuming needs besides the weights, ``progress`` included.
            progress: how far training has come; at the end of an epoch its ``batch`` is 0.
            stopping: whether the run is about to be interrupted.
        """


@dataclass
class Interrupted(Exception):  # noqa: N818 - not an error: a signal asked for it
    """Raised inside the loop when a signal asks to stop; the state stays resumable."""


class Loop:
    """One learner, one corpus, one configuration; `fit` runs it to the end.

    Args:
        learner: the model and its optimizer.
        corpus: with a ``train`` split.
        config: the section ``train`` is used.
        save: commits the state after each epoch and every ``train.save_every`` seconds, or None.
        stop: asked between batches.
    """

    def __init__(
        self,
        learner: Learner,
        corpus: Corpus,
        config: Config,
        save: Save | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        self.learner, self.save = learner, save
        self.stop = StopRequest() if stop is None else stop  # a request not made yet is falsy
        self.settings, self.language = config.train, corpus.codec.source is None
        self.stream = BatchStream(
            corpus.splits["train"], self.settings.batch_size, self.settings.seed
        )
        self.steps = self.settings.iterations or len(self.stream) * self.settings.epochs
        self.epochs = -(-self.steps // len(self.stream))
        kind = registry.resolve("schedule", self.settings.schedule, registry.SCHEDULES)
        self.schedule: Constant = kind(self.settings, self.steps)
        self.progress = Progress(smoothed_loss=initial_loss(len(corpus.codec.target)))
        self.history: list[
            Mapping[str, float]
        ] = []  # metrics of each epoch, {} where they are lost
        self.metric = find(self.settings.metric)
        self.turn: Turn
        self.listen: Listener = _ignore
        self.saved_at = self.told_at = time.monotonic()

    def resume(self, training: Mapping[str, Any]) -> None:
        """Restore a checkpoint's training state (the weights are in the model already).

        The state does not include ``history``: set it from metrics.jsonl.

        Raises:
            CheckpointError: the state does not fit this model and configuration.
        """
        try:
            progress = progress_of(training)
            schedule = schema.read(dict[str, float], training.get("schedule"), "training.schedule")
            self.learner.restore(training)
            self.schedule.restore(schedule)
        except (LookupError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"the checkpoint's training state does not fit: {reason}", "start a new run"
            ) from error
        self.progress = progress

    def fit(self, listen: Listener) -> Finished:
        """Train to the end, the goal, the end of patience, or a signal.

        Raises:
            DivergedError: the loss or the gradient became NaN or infinite.
        """
        self.listen = listen
        reason, began = why_over(self.progress, self.settings), time.monotonic()
        try:
            while not reason:
                self._epoch()
                reason = why_over(self.progress, self.settings)
        except Interrupted:
            self._commit(stopping=True)
            reason = "interrupted"
        finished = self._finished(reason, time.monotonic() - began)
        listen(finished)
        return finished

    def _epoch(self) -> None:
        """Train through the rest of this epoch, then validate and save."""
        progress = self.progress
        began = time.monotonic() - progress.seconds
        for step in self.learner.learn(self._turns()):
            self._check(step)
            progress.add(step.loss, step.tokens, len(self.turn.batch.rows))
            progress.seconds = time.monotonic() - began
            self._after_step()
        self._end_epoch(began)

    def _turns(self) -> Iterator[Turn]:
        """Yield the rest of this epoch's turns, and remember the one that is on."""
        progress = self.progress
        batches = self.stream.epoch(progress.epoch, start=progress.batch)
        left = max(0, self.steps - progress.step)  # a resumed run may be asked for less
        for batch in islice(batches, left):
            self.turn = Turn(batch, self.schedule.rate(progress.step), self._done())
            yield self.turn
            if 0 < self.settings.seconds <= progress.elapsed:
                return

    def _done(self) -> float:
        """Return how much of the run is done, judged by its steps."""
        return min(self.progress.step / max(1, self.steps - 1), 1.0)

    def _check(self, step: Step) -> None:
        """Refuse to continue with a loss or a gradient that is not finite."""
        if not math.isfinite(step.loss):
            raise self._diverged("the loss", step.loss, self.progress.step + 1)
        if not math.isfinite(step.norm):
            raise self._diverged("the gradient", step.norm, self.progress.step + 1)

    def _diverged(self, what: str, value: float, step: int) -> DivergedError:
        best, rate = self.progress.best_epoch, self.turn.rate
        kept = f"the checkpoint of epoch {best} is kept; " if best else ""
        return DivergedError(
            f"{what} became {'NaN' if math.isnan(value) else 'infinite or NaN'} at step "
            f"{step} (epoch {self.progress.epoch}), learning rate {rate:g}",
            f"{kept}try --lr {rate / 10:g}"
            + ("" if self.settings.grad_clip else ", or --set train.grad_clip=1"),
        )

    def _after_step(self) -> None:
        """Tell, save and stop when it is time to."""
        now = time.monotonic()
        if now - self.told_at >= TOLD_EVERY:
            self._tell_progress("train")
        if self.stop:
            raise Interrupted
        if now - self.saved_at >= self.settings.save_every:
            self._commit()

    def _tick(self) -> None:
        """Tell and stop between batches of validation."""
        if time.monotonic() - self.told_at >= TOLD_EVERY:
            self._tell_progress("validate")
        if self.stop:
            raise Interrupted

    def _tell_progress(self, phase: str) -> None:
        self.told_at = time.monotonic()
        progress = self.progress
        self.listen(
            ProgressEvent(
                progress.epoch,
                self.epochs,
                progress.batch,
                len(self.stream),
                progress.rows / max(progress.seconds, 1e-9),
                phase,
                progress.smoothed_loss,
            )
        )

    def _end_epoch(self, began: float) -> None:
        """Validate, commit the epoch, then report it."""
        progress = self.progress
        measured = self.learner.measure(progress.epoch, self._done(), self._tick)
        metrics = self._metrics(measured, time.monotonic() - began)
        val_loss = metrics.get("val_loss", 0.0)
        if not math.isfinite(val_loss):  # never commit what nobody can use
            raise self._diverged("the validation loss", val_loss, progress.step)
        self.schedule.epoch_ended(metrics.get("val_loss", metrics["train_loss"]))
        record = progress.end_epoch(metrics, self._improved(metrics))
        self.history.append(metrics)
        self._commit()  # before it is reported: an epoch that anyone heard of is never lost
        self.listen(
            EpochEnded(
                record.epoch,
                self.epochs,
                record.step,
                metrics,
                record.improved,
                measured.examples,
                measured.samples,
            )
        )

    def _metrics(self, measured: Measured, seconds: float) -> dict[str, float]:
        """Return the epoch's metrics, in the order of `EpochEnded`."""
        progress = self.progress
        return {
            "train_loss": progress.loss_sum / max(progress.tokens, 1),
            "smoothed_loss": progress.smoothed_loss,
            **(_with_bits(measured.metrics) if self.language else measured.metrics),
            "learning_rate": self.schedule.rate(progress.step),
            "seconds": seconds,
            "sequences_per_second": progress.rows / max(progress.seconds, 1e-9),
        }

    def _improved(self, metrics: Mapping[str, float]) -> bool:
        """Return whether this epoch is the best; of equals the one with the lower loss is."""
        best = self.progress.best
        return best is None or self._rank(metrics) > self._rank(best.metrics)

    def _rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        loss = metrics.get("val_loss", metrics["train_loss"])
        score = metrics.get(f"val_{self.metric.name}")
        return -loss if score is None else self.metric.gain(score, 0.0), -loss

    def _commit(self, stopping: bool = False) -> None:
        if self.save:
            own = {"progress": self.progress.to_plain(), "schedule": self.schedule.state()}
            self.save({**own, **self.learner.state()}, self.progress, stopping=stopping)
        self.saved_at = time.monotonic()

    def _finished(self, reason: str, seconds: float) -> Finished:
        progress = self.progress
        best = progress.best.metrics if progress.best else {}
        return Finished(
            progress.epochs_done, progress.best_epoch, best, reason, seconds, tuple(self.history)
        )


def _with_bits(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a language model's metrics with bits per character and perplexity."""
    if "val_loss" not in metrics:
        return dict(metrics)
    scores = language_scores(metrics["val_loss"])
    return {**{f"val_{name}": score for name, score in scores.items()}, **metrics}


def _ignore(event: Event) -> None:
    """Listen to nothing."""
