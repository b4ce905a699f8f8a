"""The PyTorch trainer: its steps, its state, and what it leaves on the device."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Codec, Corpus, MaxLengths, Pairs
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.training.torch_trainer import TorchTrainer, build
from seqcli.training.trainer import TrainerSetup, TrainingStep

ROWS = Ragged.from_rows([[4, 5, 5], [5], [4, 4], [5, 4]] * 4)
CHARS, AB = Tokenizer("chars"), Vocabulary(("a", "b"))
CODEC = Codec(AB, CHARS, AB, CHARS)
CORPUS = Corpus("ab", CODEC, {"train": Pairs(ROWS, ROWS), "val": Pairs(ROWS, ROWS)})
LIMITS = MaxLengths(3, 3)


def setup(**train: object) -> TrainerSetup:
    """Return a trainer of a small model."""
    plain = Config()
    model = replace(plain.model, cell="gru", attention="additive", hidden=8, embedding=6)
    options = replace(plain.train, batch_size=4, threads=1, **train)
    return build(replace(plain, model=model, train=options), CORPUS, LIMITS, None, Path("last.pt"))


def steps(count: int, **train: object) -> tuple[TorchTrainer, list[float]]:
    """Make some steps; return the trainer and the losses."""
    trainer = setup(**train).trainer
    assert isinstance(trainer, TorchTrainer)
    batches = list(BatchStream(CORPUS.splits["train"], 4, seed=0).epoch(1))
    results = [
        trainer.training_step(TrainingStep(batches[i % len(batches)], 1e-2, 0.0))
        for i in range(count)
    ]
    return trainer, [float(result.loss) for result in results]


def test_the_loss_falls() -> None:
    _, losses = steps(60)
    assert losses[-1] < 0.7 * losses[0]


def test_results_stay_on_the_device_until_they_are_read() -> None:
    trainer, _ = steps(1)
    batch = next(BatchStream(CORPUS.splits["train"], 4, seed=0).epoch(1))
    result = trainer.training_step(TrainingStep(batch, 1e-3, 0.0))
    assert isinstance(result.loss, Tensor)
    assert isinstance(result.grad_norm, Tensor)
    assert not result.loss.requires_grad
    assert result.tokens == int(batch.target_lengths.sum())


def test_a_step_trains_after_an_evaluation() -> None:
    trainer, _ = steps(1)
    metrics = trainer.evaluate(1, 0.5, lambda: None).metrics
    assert {"val_loss", "val_sequence_accuracy", "train_token_accuracy"} <= set(metrics)
    assert not trainer.model.training
    batch = next(BatchStream(CORPUS.splits["train"], 4, seed=0).epoch(1))
    trainer.training_step(TrainingStep(batch, 1e-3, 0.0))
    assert trainer.model.training


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_restored_trainer_makes_the_same_steps(optimizer: str) -> None:
    trainer, _ = steps(3, optimizer=optimizer)
    other, _ = steps(1, optimizer=optimizer)
    state = deepcopy(trainer.state())  # it shares memory with the optimizer
    weights = {k: v.clone() for k, v in trainer.weights().items()}
    batch = next(BatchStream(CORPUS.splits["train"], 4, seed=0).epoch(2))
    results = []
    for one in (trainer, other):
        one.model.load_state_dict(weights)
        one.load_state(deepcopy(state))
        results.append(float(one.training_step(TrainingStep(batch, 1e-2, 0.0)).loss))
    assert results[0] == results[1]
    pairs = zip(trainer.weights().values(), other.weights().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_the_probe_changes_nothing() -> None:
    trainer, _ = steps(1)
    before = {name: weight.clone() for name, weight in trainer.weights().items()}
    random = torch.get_rng_state()
    trainer.probe(next(BatchStream(CORPUS.splits["train"], 4, seed=0).epoch(1)))()
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], weight) for name, weight in trainer.weights().items())
    assert all(parameter.grad is None for parameter in trainer.model.parameters())


def test_the_setup_describes_the_trainer() -> None:
    made = setup()
    assert made.config.train.threads == 1
    assert made.device == "cpu"
    assert made.parameters == sum(np.prod(w.shape) for w in made.trainer.weights().values())
    assert "GRU" in made.model
