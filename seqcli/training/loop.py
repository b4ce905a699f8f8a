"""The training loop: train any model on any corpus and report progress as events."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from seqcli import registry, schema
from seqcli.arrays.functions import to_floats
from seqcli.config import Config
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Corpus
from seqcli.errors import CheckpointError, DivergedError
from seqcli.events import EpochEnded, Event, Finished, Listener
from seqcli.events import Progress as ProgressEvent
from seqcli.interrupts import Interrupted, StopRequest
from seqcli.metrics.metric import find, language_scores
from seqcli.training.processes import Processes
from seqcli.training.progress import Progress, TimeBudget, initial_loss, progress_of, stop_reason
from seqcli.training.schedules import Constant
from seqcli.training.trainer import (
    EpochMetrics,
    Pending,
    Save,
    Trainer,
    TrainingStep,
    scored_rows,
)

REPORT_EVERY = 0.2  # seconds between Progress events


class Loop:
    """Train one model on one corpus; call `fit`.

    Args:
        trainer: the model and its optimizer.
        corpus: with a ``train`` split.
        config: the section ``train`` is used.
        save: commits the state after each epoch and every ``train.save_every`` seconds, or None.
        stop: checked between batches.
        started: ``time.monotonic()`` from which ``train.budget`` counts; now by default.
        processes: that share the training; a single one by default.
    """

    def __init__(
        self,
        trainer: Trainer,
        corpus: Corpus,
        config: Config,
        save: Save | None = None,
        stop: StopRequest | None = None,
        started: float | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.trainer, self.save = trainer, save
        self.processes = processes or Processes()
        self.stop = StopRequest() if stop is None else stop  # a request without a signal is falsy
        self.settings, self.language = config.train, corpus.codec.source is None
        self.stream = BatchStream(
            corpus.splits["train"],
            self.settings.batch_size,
            self.settings.seed,
            steps=self.settings.epoch_steps,
        )
        self.steps = self.settings.steps or len(self.stream) * self.settings.epochs
        self.epochs = -(-self.steps // len(self.stream))
        kind = registry.resolve("schedule", self.settings.schedule, registry.SCHEDULES)
        self.schedule: Constant = kind(self.settings, self.steps)
        self.progress = Progress(smoothed_loss=initial_loss(len(corpus.codec.target)))
        self.history: list[Mapping[str, float]] = []  # metrics of each epoch, {} where lost
        self.metric = find(self.settings.metric)
        self.pending: list[Pending] = []
        self.listen: Listener = _ignore
        self.saved_at = self.reported_at = time.monotonic()
        started = self.saved_at if started is None else started
        self.budget = TimeBudget(self.settings.budget, started, scored_rows(corpus))

    def resume(self, training: Mapping[str, Any]) -> None:
        """Restore a checkpoint's training state (the weights are in the model already).

        The state does not include ``history``: set it from metrics.jsonl.

        Raises:
            CheckpointError: the state does not fit this model and configuration.
        """
        try:
            progress = progress_of(training)
            schedule = schema.read(dict[str, float], training.get("schedule"), "training.schedule")
            self.trainer.load_state(training)
            self.schedule.restore(schedule)
        except (LookupError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"the checkpoint's training state does not fit: {reason}", "start a new run"
            ) from error
        self.progress = progress
        self.budget.resume(progress)

    def synchronize(self) -> None:
        """Give all processes the weights and the training state of the main one."""

        def put(state: Mapping[str, Any]) -> None:
            self.trainer.set_weights(state["weights"])
            self.resume(state)

        weights = self.trainer.weights
        self.processes.synchronize(lambda: {"weights": dict(weights()), **self._state()}, put)

    def fit(self, listen: Listener) -> Finished:
        """Train until a limit, the target accuracy, the patience limit, or a signal.

        Raises:
            DivergedError: the loss or the gradient became NaN or infinite.
        """
        self.listen = listen
        reason, began = stop_reason(self.progress, self.settings), time.monotonic()
        try:
            while not reason:
                self._epoch()
                reason = stop_reason(self.progress, self.settings)
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
        for step in self._training_steps():
            result = self.trainer.training_step(step)
            progress.count_step(result.tokens, len(step.batch.rows))
            self.pending.append(Pending(progress.step, step.learning_rate, result))
            progress.seconds = time.monotonic() - began
            self._keep_time()
            self._after_step()
        self._read_results()
        self._end_epoch(began)

    def _training_steps(self) -> Iterator[TrainingStep]:
        """Yield the inputs of the rest of this epoch's steps."""
        progress = self.progress
        batches = self.stream.epoch(progress.epoch, start=progress.batch)
        self._keep_time()
        if self.steps:  # a resumed run may have a lower limit
            batches = islice(batches, max(0, self.steps - progress.step))
        for batch in batches:
            done = self._done()
            yield TrainingStep(batch, self.schedule.rate(progress.step), done, progress.step)
            if progress.uses_up(self.settings.budget):
                return

    def _done(self) -> float:
        """Return the completed fraction of the run, by its steps and by its time."""
        progress, by_steps = self.progress, 0.0
        if self.steps:
            by_steps = min(progress.step / max(1, self.steps - 1), 1.0)
        return max(by_steps, self.budget.done(progress)) if self.budget else by_steps

    def _keep_time(self) -> None:
        """Update the used time and the schedule of a run with a time budget.

        The clock of the main process counts for all.
        """
        if self.budget:
            progress = self.progress
            self.budget.update(progress)
            progress.seconds, progress.used, progress.reserve = self.processes.broadcast(
                (progress.seconds, progress.used, progress.reserve)
            )
            expected = self.budget.expected_steps(self.progress)
            self.schedule.expect(min(expected, self.steps or math.inf))

    def _read_results(self) -> None:
        """Read the losses of the steps since the last call; raise if one is not finite.

        Reading waits for the accelerator, so results are read only when they are needed. Losses
        are added in the order of the steps, so the sums do not depend on when they are read.
        """
        pending, self.pending = self.pending, []
        losses = to_floats([step.result.loss for step in pending])
        norms = to_floats([step.result.grad_norm for step in pending])
        for step, loss, grad_norm in zip(pending, losses, norms, strict=True):
            for name, value in (("the loss", loss), ("the gradient", grad_norm)):
                if not math.isfinite(value):
                    raise self._diverged(name, value, step.number, step.learning_rate)
            self.progress.add_loss(loss, step.result.tokens)

    def _diverged(self, name: str, value: float, step: int, learning_rate: float) -> DivergedError:
        best = self.progress.best_epoch
        kept = f"the checkpoint of epoch {best} is kept; " if best else ""
        return DivergedError(
            f"{name} became {'NaN' if math.isnan(value) else 'infinite or NaN'} at step "
            f"{step} (epoch {self.progress.epoch}), learning rate {learning_rate:g}",
            f"{kept}try --lr {learning_rate / 10:g}"
            + ("" if self.settings.grad_clip else ", or --set train.grad_clip=1"),
        )

    def _after_step(self) -> None:
        """Report, save or stop if it is time to."""
        now = time.monotonic()
        if now - self.reported_at >= REPORT_EVERY:
            self._report_progress("train")
        number = self.processes.maximum(self.stop.signal)  # all stop after the same step
        if number:
            self.stop.signal = number
            raise Interrupted
        if now - self.saved_at >= self.settings.save_every:
            self._commit()

    def _tick(self) -> None:
        """Report or stop between batches of validation."""
        if time.monotonic() - self.reported_at >= REPORT_EVERY:
            self._report_progress("validate")
        if self.stop:
            raise Interrupted

    def _report_progress(self, phase: str) -> None:
        self._read_results()
        self.reported_at = time.monotonic()
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
                self._done() if self.budget else None,
            )
        )

    def _end_epoch(self, began: float) -> None:
        """Validate, commit the epoch, then report it."""
        progress = self.progress
        done = self.processes.from_main(lambda: self._evaluate(began))
        if done is None:
            raise Interrupted
        evaluated, metrics = done
        val_loss = metrics.get("val_loss", 0.0)
        if not math.isfinite(val_loss):  # never commit unusable weights
            rate = self.schedule.rate(max(0, progress.step - 1))
            raise self._diverged("the validation loss", val_loss, progress.step, rate)
        self.schedule.epoch_ended(metrics.get("val_loss", metrics["train_loss"]))
        record = progress.end_epoch(metrics, self._improved(metrics))
        self.history.append(metrics)
        self._keep_time()
        self._commit()  # before it is reported, so that a reported epoch is never lost
        self.listen(
            EpochEnded(
                record.epoch,
                self.epochs,
                record.step,
                metrics,
                record.improved,
                evaluated.examples,
                evaluated.samples,
            )
        )

    def _evaluate(self, began: float) -> tuple[EpochMetrics, dict[str, float]] | None:
        """Evaluate the model; return the result and the epoch's metrics, None if interrupted."""
        validation_began = time.monotonic()
        try:
            evaluated = self.trainer.evaluate(self.progress.epoch, self._done(), self._tick)
        except Interrupted:
            return None
        self.budget.validation = time.monotonic() - validation_began
        return evaluated, self._metrics(evaluated, time.monotonic() - began)

    def _metrics(self, evaluated: EpochMetrics, seconds: float) -> dict[str, float]:
        """Return the epoch's metrics, in the order of `EpochEnded`."""
        progress = self.progress
        return {
            "train_loss": progress.loss_sum / max(progress.tokens, 1),
            "smoothed_loss": progress.smoothed_loss,
            **(_with_bits(evaluated.metrics) if self.language else evaluated.metrics),
            "learning_rate": self.schedule.rate(progress.step),
            "seconds": seconds,
            "sequences_per_second": progress.rows / max(progress.seconds, 1e-9),
        }

    def _improved(self, metrics: Mapping[str, float]) -> bool:
        """Return whether this epoch is the best; ties go to the lower loss."""
        best = self.progress.best
        return best is None or self._rank(metrics) > self._rank(best.metrics)

    def _rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        loss = metrics.get("val_loss", metrics["train_loss"])
        score = metrics.get(f"val_{self.metric.name}")
        return -loss if score is None else self.metric.gain(score, 0.0), -loss

    def _commit(self, stopping: bool = False) -> None:
        self._read_results()  # so that no diverged weights are saved
        began = time.monotonic()
        if self.save:
            self.save(self._state(), self.progress, stopping=stopping)
        self.saved_at = time.monotonic()
        self.budget.saving = self.saved_at - began

    def _state(self) -> dict[str, Any]:
        """Return the state to resume from, except the weights."""
        state = {"progress": self.progress.to_plain(), "schedule": self.schedule.state()}
        return {**state, **self.trainer.state()}

    def _finished(self, reason: str, seconds: float) -> Finished:
        progress = self.progress
        best = progress.best.metrics if progress.best else {}
        return Finished(
            progress.epochs_done,
            progress.best_epoch,
            best,
            reason,
            seconds,
            tuple(self.history),
            progress.step,
        )


def _with_bits(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a language model's metrics with bits per character and perplexity."""
    if "val_loss" not in metrics:
        return dict(metrics)
    derived = {f"val_{name}": score for name, score in language_scores(metrics["val_loss"]).items()}
    return {**derived, **metrics}


def _ignore(event: Event) -> None:
    """Ignore every event."""
