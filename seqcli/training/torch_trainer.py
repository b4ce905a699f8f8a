"""Training with PyTorch; see `seqcli.training.trainer.Trainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli import registry
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.config.sections import SamplingConfig, describe
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Corpus, MaxLengths
from seqcli.data.token_rows import decoded
from seqcli.decoding import inference
from seqcli.decoding.search import Search
from seqcli.events import Example
from seqcli.files.system import keep_freed_memory
from seqcli.metrics.metric import scores
from seqcli.metrics.predictions import Outcome
from seqcli.models import kernels
from seqcli.models.base import Model, TorchBackend, copy_to
from seqcli.models.build import freeze, load_model, make_model
from seqcli.training import torch_optimizers
from seqcli.training.processes import Processes, current
from seqcli.training.torch_batches import (
    TensorBatch,
    choose_device,
    choose_threads,
    cross_entropy,
    mixed_forward,
    to_device,
)
from seqcli.training.torch_optimizers import FlatParameters
from seqcli.training.trainer import (
    SAMPLED_ROWS,
    EpochMetrics,
    StepResult,
    Tick,
    TrainerSetup,
    TrainingStep,
)

EXAMPLES = 4
SCORING_BATCH = 512  # rows


class TorchTrainer:
    """A model with its optimizer.

    Args:
        model: on its device.
        corpus: with a ``train`` split, and optionally ``val``.
        config: the section ``train`` is used.
        limits: the maximum lengths.
        processes: that share the training; a single one by default.
    """

    def __init__(
        self,
        model: Model,
        corpus: Corpus,
        config: Config,
        limits: MaxLengths,
        processes: Processes | None = None,
    ) -> None:
        self.processes = processes or Processes()
        self.model, self.corpus, self.limits = model, corpus, limits
        self.settings = config.train
        freeze(model, self.settings.freeze)
        self.parameters = FlatParameters(p for p in model.parameters() if p.requires_grad)
        make = registry.resolve("optimizer", self.settings.optimizer, registry.OPTIMIZERS)
        self.optimizer = make(self.parameters.trained, self.settings)
        self.ratio = registry.resolve(
            "teacher schedule", self.settings.teacher_forcing_schedule, registry.TEACHER_SCHEDULES
        )
        self.sample = corpus.splits["train"].sample(SAMPLED_ROWS, self.settings.seed)

    def training_step(self, step: TrainingStep) -> StepResult:
        """See `Trainer.training_step`."""
        if not self.model.training:
            self.model.train()
        torch_optimizers.set_learning_rate(self.optimizer, step.learning_rate)
        tokens = int(step.batch.target_lengths.sum())
        nats = self._summed(self._compute_gradients(step, tokens))
        grad_norm = torch_optimizers.clip_gradients(
            self.parameters.trained, self.settings.grad_clip, self.settings.grad_clip_value
        )
        self.optimizer.step()
        self.parameters.zero_grad()
        return StepResult(nats / tokens, tokens, grad_norm)

    def _compute_gradients(self, step: TrainingStep, tokens: int) -> Tensor:
        """Add the gradients of this process's rows; return their loss in nats, a scalar.

        Args:
            step: with the rows of all processes.
            tokens: the number of their target tokens, by which the objective is divided.
        """
        share, device = self.processes.share(step.batch), self.model.device
        fed = self._draw_fed(step, share.target_in.shape[1])
        if not len(share.rows):
            return torch.zeros((), dtype=self.parameters.separate[0].dtype, device=device)
        with self.processes.own_draws(self.settings.seed, step.number, device):
            objective, nats = self.loss(to_device(share, device), fed)
        _backward(objective / tokens)
        return nats

    def _draw_fed(self, step: TrainingStep, columns: int) -> Tensor | None:
        """Draw at which positions of this process's rows (B, T) true tokens are fed; None: at all.

        They are drawn for all rows, so that they do not depend on the number of processes.
        """
        ratio = self._teacher_forcing(step.done)
        if ratio >= 1:
            return None
        fed = torch.rand(step.batch.target_in.shape) < ratio  # of all rows and columns
        return fed[self.processes.rank :: self.processes.size, :columns]  # (B, T)

    def _summed(self, nats: Tensor) -> Tensor:
        """Sum the gradients and the loss over all processes; return the loss."""
        if self.processes.size == 1:
            self.parameters.gather_gradients()
            return nats
        flat = self.parameters.flat_gradients(nats)  # (count + 1,)
        self.processes.sum_(flat)
        self.parameters.put_gradients(flat[:-1])
        return flat[-1]

    def loss(self, batch: TensorBatch, fed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the objective and the loss, both sums over all tokens; see `cross_entropy`.

        Args:
            batch: B rows.
            fed: (B, T) the positions at which true tokens are fed, or None for all.
        """
        inputs = (batch.source, batch.source_lengths, batch.target_in)
        with self._precision():
            if fed is None:
                logits = self.model(*inputs)  # (B, T, V)
            else:
                fed = copy_to(fed, self.model.device)
                logits = mixed_forward(self.model, *inputs, fed)  # (B, T, V)
        return cross_entropy(logits, batch.target_out, self.settings.label_smoothing, batch.weights)

    def evaluate(self, epoch: int, done: float, tick: Tick) -> EpochMetrics:
        """See `Trainer.evaluate`: decode validation rows and some training rows."""
        validation, sampled = self._score("val", tick), self._score("train", tick)
        scored = {"train": sampled, "val": validation}
        values = {
            split: scores(rows, registry.METRICS) if rows else {} for split, rows in scored.items()
        }
        values["train"].pop("loss", None)  # the loop computes the loss over all rows
        metrics = {
            f"{split}_{name}": values[split][name]
            for name in registry.METRICS
            for split in values
            if name in values[split]
        }
        metrics["teacher_forcing"] = self._teacher_forcing(done)
        return EpochMetrics(metrics, self._examples(validation))

    def weights(self) -> Mapping[str, Any]:
        """See `Trainer.weights`."""
        return self.model.state_dict()

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """See `Trainer.set_weights`."""
        self.model.load_state_dict(torch_file.to_tensors(dict(weights)))

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`: the states of the optimizer and of randomness."""
        return torch_optimizers.capture_state(self.optimizer, self.parameters)

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `Trainer.load_state`."""
        tensors = torch_file.to_tensors(state)
        torch_optimizers.restore_state(tensors, self.optimizer, self.parameters)

    def probe(self, batch: Batch) -> Callable[[], object]:
        """Return a function that computes the gradients of a batch without any update."""
        data = to_device(batch, self.model.device)
        self.model.train()

        def compute() -> None:
            with torch.random.fork_rng(devices=[]):
                _backward(self.loss(data)[0])
            self.parameters.zero_grad()

        return compute

    def _teacher_forcing(self, done: float) -> float:
        """Return the teacher-forcing ratio."""
        settings = self.settings
        ratio: float = self.ratio(settings.teacher_forcing, settings.teacher_forcing_end, done)
        return ratio

    def _precision(self) -> AbstractContextManager[object]:
        if self.settings.precision == "bf16":
            return torch.autocast(self.model.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _score(self, split: str, tick: Tick) -> Outcome | None:
        """Decode a split greedily and return the outcome, or None if the split does not exist."""
        pairs = self.sample if split == "train" else self.corpus.splits.get(split)
        if pairs is None or len(pairs) == 0:
            return None
        self.model.eval()
        backend, size = TorchBackend(self.model), max(256, self.settings.batch_size)
        nats = inference.row_nats(backend, pairs, size, tick)
        predictions, truncated = inference.predictions(
            backend, pairs, self.limits, Search(), size, tick
        )
        return Outcome(pairs.targets, predictions, nats, truncated=truncated)

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


class TorchLanguageTrainer(TorchTrainer):
    """A language model with its optimizer.

    Samples are drawn by a generator seeded with the run's seed and the epoch, so that they do not
    affect training.
    """

    def evaluate(self, epoch: int, done: float, tick: Tick) -> EpochMetrics:
        """See `Trainer.evaluate`: score the validation rows and sample some texts."""
        self.model.eval()
        metrics = {}
        pairs = self.corpus.splits.get("val")
        if pairs is not None and len(pairs):
            size = max(SCORING_BATCH, self.settings.batch_size)
            metrics["val_loss"] = inference.mean_loss(TorchBackend(self.model), pairs, size, tick)
        metrics["teacher_forcing"] = self._teacher_forcing(done)
        return EpochMetrics(metrics, samples=self._samples(epoch))

    def _samples(self, epoch: int) -> tuple[str, ...]:
        if not self.settings.samples:
            return ()
        random = np.random.default_rng([self.settings.seed, epoch])
        backend, limit = TorchBackend(self.model), self.limits.prediction(0)
        drawn = inference.sample_texts(
            backend, self.settings.samples, (), limit, SamplingConfig(), random
        )
        return tuple(map(self.corpus.codec.target_text, drawn))


def build(
    config: Config, corpus: Corpus, limits: MaxLengths, checkpoint: Checkpoint | None, path: Path
) -> TrainerSetup:
    """Build the model with fresh weights or a checkpoint's; choose the device and the threads.

    Args:
        config: of the run.
        corpus: with a ``train`` split.
        limits: the maximum lengths.
        checkpoint: to continue from, or None.
        path: its file, for messages.

    Raises:
        CheckpointError: the weights do not fit the configuration.
        UsageError: the device is not available, or settings do not fit together.
    """
    keep_freed_memory()
    kernels.use(config.train.kernels)
    processes = current()
    device = choose_device(config.train.device, config.train.precision, processes.place)
    torch.manual_seed(config.train.seed)
    if checkpoint is None:
        model = make_model(config, corpus.codec, limits)
    else:
        model = load_model(torch_file.with_tensors(checkpoint), config, limits, path)
    kind = TorchLanguageTrainer if corpus.codec.source is None else TorchTrainer
    trainer = kind(model.to(device), corpus, config, limits, processes)
    config = _with_threads(config, trainer)
    description = describe(config.model, corpus.codec.source is None)
    parameters = trainer.parameters.count
    return TrainerSetup(trainer, config, description, parameters, str(device), torch_file.save)


def _with_threads(config: Config, trainer: TorchTrainer) -> Config:
    """Set the number of threads, measured if unset, and return the configuration with it."""
    first = next(BatchStream(trainer.corpus.splits["train"], config.train.batch_size).epoch(0))
    processes = trainer.processes
    threads = config.train.threads or processes.from_main(
        lambda: choose_threads(trainer.probe(first), processes.place.local_size)
    )
    torch.set_num_threads(threads)
    origins = {"train.threads": "chosen by a probe", **config.origins}
    return replace(config, train=replace(config.train, threads=threads), origins=origins)
