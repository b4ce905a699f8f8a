"""The one loop: trains any model on any corpus and tells what happens as events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from seqcli import registry
from seqcli.config import Config, DecodeConfig
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Corpus
from seqcli.engine import optimisation
from seqcli.engine.answering import Limits, outcome, sample_rows
from seqcli.engine.batches import TensorBatch, to_device
from seqcli.engine.loss import cross_entropy
from seqcli.engine.metrics import Metric, Outcome
from seqcli.engine.schedules import Constant
from seqcli.engine.snapshot import Progress, capture, restore
from seqcli.engine.stopping import StopRequest
from seqcli.engine.teacher_forcing import mixed_forward
from seqcli.errors import DivergedError
from seqcli.events import EpochEnded, Event, Example, Finished, Listener
from seqcli.events import Progress as ProgressEvent
from seqcli.models.contract import Model

TOLD_EVERY = 0.2  # seconds between Progress events
EXAMPLES = 4
SAMPLED = 500  # training rows that are decoded after each epoch


class Save(Protocol):
    """Writes a checkpoint. ``training`` is None for the best weights alone."""

    def __call__(self, training: Mapping[str, Any] | None, metrics: Mapping[str, float]) -> None:
        """Write ``last`` (with ``training``) or ``best`` (without)."""


@dataclass
class Interrupted(Exception):  # noqa: N818 - not an error: a signal asked for it
    """Raised inside the loop when a signal asks to stop; the state stays resumable."""


class Trainer:
    """One model, one corpus, one configuration; `fit` runs it to the end.

    Args:
        model: on its device.
        corpus: with a ``train`` split, and ``val`` where there is one.
        config: sections ``train`` and ``decode`` are used.
        limits: the longest rows of training.
        save: writes checkpoints, or None.
        stop: asked between batches.
    """

    def __init__(
        self,
        model: Model,
        corpus: Corpus,
        config: Config,
        limits: Limits,
        save: Save | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        self.model, self.corpus, self.limits = model, corpus, limits
        self.settings, self.save = config.train, save
        self.stop = StopRequest() if stop is None else stop  # a request not made yet is falsy
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.stream = BatchStream(
            corpus.splits["train"], self.settings.batch_size, self.settings.seed
        )
        self.steps = len(self.stream) * self.settings.epochs
        make = registry.resolve("optimiser", self.settings.optimiser, registry.OPTIMISERS)
        self.optimiser = make(self.weights, self.settings)
        kind = registry.resolve("schedule", self.settings.schedule, registry.SCHEDULES)
        self.schedule: Constant = kind(self.settings, self.steps)
        self.ratio = registry.resolve(
            "teacher schedule", self.settings.teacher_schedule, registry.TEACHER_SCHEDULES
        )
        self.metric: Metric = registry.resolve("metric", self.settings.metric, registry.METRICS)
        self.sample = sample_rows(corpus.splits["train"], SAMPLED, self.settings.seed)
        self.progress = Progress()
        self.listen: Listener = _ignore
        self.saved_at = self.told_at = time.monotonic()

    def resume(self, training: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's training state (the weights are in the model already)."""
        self.progress = restore(training, self.optimiser, self.schedule)

    def fit(self, listen: Listener) -> Finished:
        """Train to the end, the goal, the end of patience, or a signal.

        Raises:
            DivergedError: the loss or the gradient became NaN or infinite.
        """
        self.listen = listen
        reason, began = self._over(), time.monotonic()
        try:
            while not reason:
                self._epoch()
                reason = self._over()
        except Interrupted:
            self._save_last()
            reason = "interrupted"
        finished = self._finished(reason, time.monotonic() - began)
        listen(finished)
        return finished

    def work(self) -> Callable[[], object]:
        """Return a training step on a typical batch that changes nothing, for timing."""
        batches = self.stream.epoch(0)
        data = to_device(next(batches), self.model.device)
        self.model.train()

        def one_step() -> None:
            with torch.random.fork_rng(devices=[]):
                _backward(self._loss(data, 1.0)[0])
            self.optimiser.zero_grad(set_to_none=True)

        return one_step

    def _epoch(self) -> None:
        """Train through the rest of this epoch, then validate and save."""
        began = time.monotonic() - self.progress.seconds
        self.model.train()
        for batch in self.stream.epoch(self.progress.epoch, start=self.progress.batch):
            self._step(to_device(batch, self.model.device), len(batch.rows))
            self.progress.seconds = time.monotonic() - began
            self._after_step()
        self._end_epoch(self.progress.seconds, began)

    def _step(self, data: TensorBatch, rows: int) -> None:
        """Make one step of the optimiser."""
        progress = self.progress
        rate, ratio = self._rates()
        optimisation.set_learning_rate(self.optimiser, rate)
        objective, plain = self._loss(data, ratio)
        _backward(objective / data.tokens)
        norm = optimisation.clip(self.weights, self.settings.clip)
        loss = plain.item()
        if not (math.isfinite(loss) and math.isfinite(norm.item())):
            raise self._diverged(loss, rate)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        progress.loss_sum += loss
        progress.tokens += data.tokens
        progress.rows += rows
        progress.step += 1
        progress.batch += 1

    def _rates(self) -> tuple[float, float]:
        """Return the learning rate and the teacher-forcing ratio of the next step."""
        done = self.progress.step / max(1, self.steps - 1)
        settings = self.settings
        ratio = self.ratio(settings.teacher_forcing, settings.teacher_forcing_end, min(done, 1.0))
        return self.schedule.rate(self.progress.step), ratio

    def _loss(self, data: TensorBatch, ratio: float) -> tuple[Tensor, Tensor]:
        """Return the sum to minimise and the plain sum of nats."""
        with self._precision():
            inputs = (data.source, data.source_lengths, data.target_in)
            logits = (
                self.model(*inputs) if ratio >= 1 else mixed_forward(self.model, *inputs, ratio)
            )
        return cross_entropy(logits, data.target_out, self.settings.label_smoothing)

    def _precision(self) -> AbstractContextManager[object]:
        if self.settings.precision == "bf16":
            return torch.autocast(self.model.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _diverged(self, loss: float, rate: float) -> DivergedError:
        what = "the loss" if not math.isfinite(loss) else "the gradient"
        best = self.progress.best_epoch
        kept = f"the checkpoint of epoch {best} is kept; " if best else ""
        return DivergedError(
            f"{what} became {'NaN' if math.isnan(loss) else 'infinite or NaN'} at step "
            f"{self.progress.step + 1} (epoch {self.progress.epoch}), learning rate {rate:g}",
            f"{kept}try --lr {rate / 10:g}"
            + ("" if self.settings.clip else ", or --set train.clip=1"),
        )

    def _after_step(self) -> None:
        """Tell, save and stop when it is time to."""
        now = time.monotonic()
        if now - self.told_at >= TOLD_EVERY:
            self._tell_progress("train")
        if self.stop:
            raise Interrupted
        if now - self.saved_at >= self.settings.save_every:
            self._save_last()

    def _tick(self) -> None:
        """Tell and stop between batches of validation."""
        if time.monotonic() - self.told_at >= TOLD_EVERY:
            self._tell_progress("validate")
        if self.stop:
            raise Interrupted

    def _tell_progress(self, phase: str) -> None:
        self.told_at = time.monotonic()
        progress = self.progress
        speed = progress.rows / max(progress.seconds, 1e-9)
        self.listen(
            ProgressEvent(
                progress.epoch,
                self.settings.epochs,
                progress.batch,
                len(self.stream),
                speed,
                phase,
            )
        )

    def _end_epoch(self, trained: float, began: float) -> None:
        """Validate, keep the best, tell, and turn to the next epoch."""
        progress = self.progress
        validation = self._score("val")
        metrics = self._measure(validation, trained, began)
        improved = self._improved(metrics)
        progress.best_epoch = progress.epoch if improved else progress.best_epoch
        progress.waited = 0 if improved else progress.waited + 1
        progress.history.append(metrics)
        self.schedule.epoch_ended(metrics.get("val_loss", metrics["train_loss"]))
        epoch = progress.epoch
        progress.next_epoch()
        if improved and self.save:
            self.save(None, metrics)
        examples = self._examples(validation)
        self.listen(
            EpochEnded(epoch, self.settings.epochs, progress.step, metrics, improved, examples)
        )
        self._save_last()  # after telling: what was told of an epoch not saved is told again

    def _score(self, split: str) -> Outcome | None:
        """Return the outcome of a split, greedy, or None where there is no such split."""
        pairs = self.sample if split == "train" else self.corpus.splits.get(split)
        if pairs is None or len(pairs) == 0:
            return None
        size = max(256, self.settings.batch_size)
        return outcome(self.model, pairs, self.limits, DecodeConfig(), size, self._tick)

    def _measure(
        self, validation: Outcome | None, trained: float, began: float
    ) -> dict[str, float]:
        """Return the epoch's metrics, in the order of `EpochEnded`."""
        progress = self.progress
        rate, ratio = self._rates()
        sampled = self._score("train")
        metrics = {"train_loss": progress.loss_sum / max(progress.tokens, 1)}
        if validation:
            metrics["val_loss"] = validation.loss
        for name in ("token_accuracy", "sequence_accuracy", "symbol_error_rate"):
            metric: Metric = registry.resolve("metric", name, registry.METRICS)
            if sampled and metric.higher:
                metrics[f"train_{name}"] = metric.score(sampled)
            if validation:
                metrics[f"val_{name}"] = metric.score(validation)
        metrics |= {"learning_rate": rate, "teacher_forcing": ratio}
        metrics["seconds"] = time.monotonic() - began
        metrics["sequences_per_second"] = progress.rows / max(trained, 1e-9)
        return metrics

    def _improved(self, metrics: Mapping[str, float]) -> bool:
        """Whether this epoch is better than the best; among equals the lower loss is better."""
        best = self.progress.best_epoch
        return best == 0 or self._rank(metrics) > self._rank(self.progress.history[best - 1])

    def _rank(self, metrics: Mapping[str, float]) -> tuple[float, float]:
        loss = metrics.get("val_loss", metrics["train_loss"])
        score = metrics.get(f"val_{self.metric.name}", -loss if self.metric.higher else loss)
        return (score if self.metric.higher else -score), -loss

    def _over(self) -> str:
        """Return why training is over, or an empty string."""
        progress, settings = self.progress, self.settings
        if progress.history:
            accuracy = progress.history[-1].get("val_sequence_accuracy", 0.0)
            if accuracy >= settings.goal:
                return "goal"
        if settings.patience and progress.waited >= settings.patience:
            return "patience"
        return "epochs" if progress.epoch > settings.epochs else ""

    def _save_last(self) -> None:
        if self.save:
            state = capture(self.progress, self.optimiser, self.schedule)
            metrics = self.progress.history[-1] if self.progress.history else {}
            self.save(state, metrics)
        self.saved_at = time.monotonic()

    def _examples(self, validation: Outcome | None) -> tuple[Example, ...]:
        if validation is None:
            return ()
        codec, pairs = self.corpus.codec, self.corpus.splits["val"]
        assert pairs.sources is not None
        joiner = codec.target_tokens.join(("", ""))
        return tuple(
            Example(
                codec.source_text(pairs.sources[i].tolist()),
                codec.target_text(validation.truths[i].tolist()),
                codec.target_text(validation.predictions[i].tolist()),
                joiner,
            )
            for i in range(min(EXAMPLES, len(pairs)))
        )

    def _finished(self, reason: str, seconds: float) -> Finished:
        history, best = self.progress.history, self.progress.best_epoch
        scores = history[best - 1] if best else {}
        return Finished(len(history), best, scores, reason, seconds, tuple(history))


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def _ignore(event: Event) -> None:
    """Listen to nothing."""
