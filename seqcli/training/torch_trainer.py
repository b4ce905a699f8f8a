"""Learning with PyTorch: what the loop (`seqcli.training.loop`) asks of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli import registry
from seqcli.config import Config, DecodeConfig
from seqcli.config.sections import Drawing
from seqcli.data.batches import Batch
from seqcli.data.corpus import Corpus, MaxLengths
from seqcli.data.token_rows import decoded
from seqcli.engine.answering import mean_loss, outcome, sample_rows
from seqcli.engine.sampling import draw, no_sources
from seqcli.events import Example
from seqcli.metrics.metric import scores
from seqcli.metrics.predictions import Outcome
from seqcli.models.base import Model
from seqcli.training import torch_optimizers
from seqcli.training.loop import Measured, Step, Tick, Turn
from seqcli.training.teacher_forcing import mixed_forward
from seqcli.training.torch_batches import TensorBatch, cross_entropy, to_device
from seqcli.training.torch_optimizers import Weights

EXAMPLES = 4
SAMPLED = 500  # training rows that are decoded after each epoch


class TorchLearner:
    """A model with its optimizer; see `seqcli.training.loop.Learner`.

    Args:
        model: on its device.
        corpus: with a ``train`` split, and ``val`` where there is one.
        config: the section ``train`` is used.
        limits: the longest rows of training.
    """

    def __init__(self, model: Model, corpus: Corpus, config: Config, limits: MaxLengths) -> None:
        self.model, self.corpus, self.limits = model, corpus, limits
        self.settings = config.train
        self.weights = Weights(p for p in model.parameters() if p.requires_grad)
        make = registry.resolve("optimizer", self.settings.optimizer, registry.OPTIMIZERS)
        self.optimizer = make(self.weights.learnt, self.settings)
        self.ratio = registry.resolve(
            "teacher schedule", self.settings.teacher_forcing_schedule, registry.TEACHER_SCHEDULES
        )
        self.sample = sample_rows(corpus.splits["train"], SAMPLED, self.settings.seed)

    def learn(self, turns: Iterator[Turn]) -> Iterator[Step]:
        """Make one step for each turn."""
        self.model.train()
        for turn in turns:
            yield self._step(turn)

    def measure(self, epoch: int, done: float, tick: Tick) -> Measured:
        """Decode validation rows and some training rows, free running."""
        validation, sampled = self._score("val", tick), self._score("train", tick)
        scored = {"train": sampled, "val": validation}
        values = {
            split: scores(rows, registry.METRICS) if rows else {} for split, rows in scored.items()
        }
        values["train"].pop("loss", None)  # the loop has the loss of all rows
        metrics = {
            f"{split}_{name}": values[split][name]
            for name in registry.METRICS
            for split in values
            if name in values[split]
        }
        metrics["teacher_forcing"] = self._forcing(done)
        return Measured(metrics, self._examples(validation))

    def state(self) -> dict[str, Any]:
        """Return the optimizer's and the random state."""
        return torch_optimizers.capture(self.optimizer, self.weights)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` returned."""
        torch_optimizers.restore(state, self.optimizer, self.weights)

    def work(self, batch: Batch) -> Callable[[], object]:
        """Return a training step on a batch that changes nothing, for timing."""
        data = to_device(batch, self.model.device)
        self.model.train()

        def one_step() -> None:
            with torch.random.fork_rng(devices=[]):
                _backward(self._loss(data, 1.0)[0])
            self.weights.forget()

        return one_step

    def _step(self, turn: Turn) -> Step:
        """Make one step of the optimizer."""
        data = to_device(turn.batch, self.model.device)
        torch_optimizers.set_learning_rate(self.optimizer, turn.rate)
        objective, plain = self._loss(data, self._forcing(turn.done))
        _backward(objective / data.tokens)
        self.weights.gather()
        norm = torch_optimizers.clip(
            self.weights.learnt, self.settings.grad_clip, self.settings.grad_clip_value
        )
        self.optimizer.step()
        self.weights.forget()
        return Step(plain.item() / data.tokens, data.tokens, norm.item())

    def _forcing(self, done: float) -> float:
        """Return the teacher-forcing ratio."""
        settings = self.settings
        ratio: float = self.ratio(settings.teacher_forcing, settings.teacher_forcing_end, done)
        return ratio

    def _loss(self, data: TensorBatch, ratio: float) -> tuple[Tensor, Tensor]:
        """Return the sum to minimize and the plain sum of nats."""
        with self._precision():
            inputs = (data.source, data.source_lengths, data.target_in)
            logits = (
                self.model(*inputs) if ratio >= 1 else mixed_forward(self.model, *inputs, ratio)
            )
        return cross_entropy(logits, data.target_out, self.settings.label_smoothing, data.weights)

    def _precision(self) -> AbstractContextManager[object]:
        if self.settings.precision == "bf16":
            return torch.autocast(self.model.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _score(self, split: str, tick: Tick) -> Outcome | None:
        """Return the outcome of a split, greedy, or None where there is no such split."""
        pairs = self.sample if split == "train" else self.corpus.splits.get(split)
        if pairs is None or len(pairs) == 0:
            return None
        size = max(256, self.settings.batch_size)
        return outcome(self.model, pairs, self.limits, DecodeConfig(), size, tick)

    def _examples(self, validation: Outcome | None) -> tuple[Example, ...]:
        if validation is None:
            return ()
        codec, pairs = self.corpus.codec, self.corpus.splits["val"]
        rows = np.arange(min(EXAMPLES, len(pairs)))
        shown = pairs.take(rows)
        assert shown.sources is not None
        assert codec.source is not None
        sources = decoded(shown.sources, codec.source, shown.unknown_sources)
        truths = decoded(shown.targets, codec.target, shown.unknown_targets)
        answers = decoded(validation.predictions.take(rows), codec.target)
        return tuple(
            Example(
                codec.detokenize_source(source),
                tuple(truth),
                tuple(answer),
                codec.target_tokenizer.joiner,
            )
            for source, truth, answer in zip(sources, truths, answers, strict=True)
        )


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


SCORED = 512  # rows scored at once


class LanguageLearner(TorchLearner):
    """A language model with its optimizer; see `seqcli.training.loop.Learner`.

    The names it shows are drawn by a generator made of the run's seed and the epoch, so that they
    change nothing in how training goes on.
    """

    def measure(self, epoch: int, done: float, tick: Tick) -> Measured:
        """Score the validation rows, and invent some names."""
        self.model.eval()
        metrics = {}
        pairs = self.corpus.splits.get("val")
        if pairs is not None and len(pairs):
            size = max(SCORED, self.settings.batch_size)
            metrics["val_loss"] = mean_loss(self.model, pairs, size, tick)
        metrics["teacher_forcing"] = self._forcing(done)
        return Measured(metrics, samples=self._samples(epoch))

    def _samples(self, epoch: int) -> tuple[str, ...]:
        if not self.settings.samples:
            return ()
        generator = torch.Generator(self.model.device)
        generator.manual_seed(self.settings.seed << 32 | epoch)
        source, lengths = no_sources(self.settings.samples, self.model.device)
        limit = self.limits.prediction(0)
        drawn = draw(self.model, source, lengths, limit, Drawing(), generator)
        return tuple(map(self.corpus.codec.target_text, drawn))
