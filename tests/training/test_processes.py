"""Several processes: the shares of a batch, and what the main process decides.

``tests/faults/test_killed_processes.py`` runs real ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config
from seqcli.data.batches import Batch, BatchStream, padded_batch, share
from seqcli.data.corpus import Codec, Corpus, MaxLengths, Pairs
from seqcli.data.vocabulary import BOS, EOS, PAD, Tokenizer, Vocabulary
from seqcli.errors import UsageError
from seqcli.interrupts import StopRequest
from seqcli.training.loop import Loop
from seqcli.training.processes import (
    DistributedProcesses,
    Place,
    Processes,
    reports,
    store_of_this_start,
)
from seqcli.training.torch_trainer import TorchTrainer, build
from seqcli.training.trainer import EpochMetrics, StepResult, TrainingStep

SOURCES = Ragged.from_rows([[4, 5, 5, 4], [5], [4, 4], [5, 4, 4]] * 2)
TARGETS = Ragged.from_rows([[4], [5, 5, 4, 4, 5], [4, 4], [5]] * 2)
WEIGHTS = np.arange(1, 9, dtype=np.float32)
PAIRS = Pairs(TARGETS, SOURCES, weights=WEIGHTS)
CHARS, AB = Tokenizer("chars"), Vocabulary(("a", "b"))
LIMITS = MaxLengths(6, 6)
TWO = [Place(rank, 2, rank, 2) for rank in range(2)]


def corpus(pairs: Pairs) -> Corpus:
    codec = Codec(AB, CHARS) if pairs.sources is None else Codec(AB, CHARS, AB, CHARS)
    return Corpus("ab", codec, {"train": pairs, "val": pairs})


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_have_every_row_once_padded_to_their_own_longest(size: int) -> None:
    whole = padded_batch(PAIRS, np.arange(8))
    shares = [share(whole, rank, size) for rank in range(size)]
    assert sorted(np.concatenate([one.rows for one in shares]).tolist()) == list(range(8))
    for one in shares:
        expected = padded_batch(PAIRS, one.rows)
        for ours, theirs in zip(vars(one).values(), vars(expected).values(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_batch_with_fewer_rows_than_processes_has_empty_shares() -> None:
    one, none = (share(padded_batch(PAIRS, np.array([2])), rank, 2) for rank in range(2))
    assert one.rows.tolist() == [2]
    assert one.target_out.tolist() == [[4, 4, EOS]]
    assert (len(none.rows), none.target_in.shape[0]) == (0, 0)


def test_a_language_model_has_shares_without_a_source() -> None:
    whole = padded_batch(Pairs(TARGETS), np.arange(3))
    last = share(whole, 1, 2)
    assert last.source is None
    assert last.target_in.tolist() == [[BOS, 5, 5, 4, 4, 5]]
    assert PAD not in last.target_out


class Half(Processes):
    """One of two processes; the sum is computed when the second one has its values."""

    def __init__(self, place: Place, other: Half | None = None) -> None:
        super().__init__(place)
        self.other, self.sent = other, torch.empty(0)

    def sum_(self, values: Tensor) -> None:
        self.sent = values.clone()
        if self.other is not None:
            values += self.other.sent

    own_draws = DistributedProcesses.own_draws


MODELS = {
    "gru-additive": {"cell": "gru", "attention": "additive"},
    "transformer": {"cell": "transformer", "heads": 2, "feedforward": 8},
    "lstm-general-copy": {"cell": "lstm", "attention": "general", "copy": True},
    "rnn-monotonic": {"cell": "rnn", "attention": "monotonic"},
}
OPTIONS = {"teacher_forcing": 0.5, "label_smoothing": 0.1, "grad_clip": 0.01}


def trainer(pairs: Pairs, processes: Processes, model: dict[str, object], **options: object):
    """Return the trainer of a small model; its weights depend on the seed only."""
    plain = Config()
    sizes = replace(plain.model, hidden=8, embedding=6, **{"dropout": 0.0, **model})
    train = replace(plain.train, batch_size=4, threads=1, optimizer="sgd", **options)
    settings = replace(plain, model=sizes, train=train)
    made = build(settings, corpus(pairs), LIMITS, None, Path("last.pt")).trainer
    assert isinstance(made, TorchTrainer)
    made.processes = processes
    return made


def step_of(made: TorchTrainer, batch: Batch) -> tuple[StepResult, Tensor]:
    """Make one step; return its result and the weights after it."""
    torch.manual_seed(7)
    result = made.training_step(TrainingStep(batch, 0.1, 0.0, 3))
    return result, torch.cat([weight.flatten() for weight in made.weights().values()])


@pytest.mark.parametrize("rows", [8, 5, 1])
@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_two_processes_is_the_step_of_one(model: str, rows: int) -> None:
    batch = padded_batch(PAIRS, np.arange(rows))
    alone, expected = step_of(trainer(PAIRS, Processes(), MODELS[model], **OPTIONS), batch)
    second = Half(TWO[1])
    step_of(trainer(PAIRS, second, MODELS[model], **OPTIONS), batch)
    first = trainer(PAIRS, Half(TWO[0], second), MODELS[model], **OPTIONS)
    result, weights = step_of(first, batch)
    assert result.tokens == alone.tokens
    assert float(result.loss) == pytest.approx(float(alone.loss), rel=1e-6)
    assert float(result.grad_norm) == pytest.approx(float(alone.grad_norm), rel=1e-4)
    torch.testing.assert_close(weights, expected, rtol=1e-5, atol=1e-6)


def test_dropout_differs_between_processes_and_can_be_repeated() -> None:
    batch = padded_batch(PAIRS, np.array([0, 0]))  # both have the same row
    sent = []
    for place in (*TWO, *TWO):
        half, model = Half(place), {**MODELS["transformer"], "dropout": 0.5}
        step_of(trainer(PAIRS, half, model), batch)
        sent.append(half.sent)
    assert torch.equal(sent[0], sent[2])
    assert torch.equal(sent[1], sent[3])
    assert not torch.equal(sent[0], sent[1])


def test_own_draws_leave_the_common_random_state() -> None:
    half, cpu = Half(TWO[1]), torch.device("cpu")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    drawn = []
    for step in (1, 2, 1):
        with half.own_draws(0, step, cpu):
            drawn.append(torch.rand(4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


class Counting:
    """A trainer that only counts its steps."""

    def __init__(self) -> None:
        self.steps: list[TrainingStep] = []

    def training_step(self, step: TrainingStep) -> StepResult:
        self.steps.append(step)
        return StepResult(1.0, 2, 0.5)

    def evaluate(self, epoch: int, done: float, tick: Callable[[], None]) -> EpochMetrics:
        tick()
        return EpochMetrics({"val_loss": 1.0})

    def weights(self) -> dict[str, object]:
        return {}

    def state(self) -> dict[str, object]:
        return {}


class Follower(Processes):
    """A process that is told the values of the main one."""

    def __init__(self, told: Callable[[object], object], number: int = 0) -> None:
        super().__init__(TWO[1])
        self.told, self.number = told, number

    def broadcast(self, value):
        return self.told(value)

    def from_main(self, work):
        return self.told(None)

    def maximum(self, value: int) -> int:
        return max(value, self.number)


def loop(processes: Processes, stop: StopRequest | None = None, **train: object) -> Loop:
    settings = replace(Config().train, batch_size=2, epochs=2, **train)
    config = replace(Config(), train=settings)
    return Loop(Counting(), corpus(PAIRS), config, None, stop, None, processes)


def test_a_signal_to_another_process_stops_this_one_after_the_same_step() -> None:
    stop = StopRequest()
    made = loop(Follower(lambda value: value, 15), stop)
    assert made.fit(lambda event: None).reason == "interrupted"
    assert (made.progress.step, stop.signal) == (1, 15)


def test_an_evaluation_that_is_interrupted_in_the_main_process_ends_the_others() -> None:
    made = loop(Follower(lambda value: None))
    assert made.fit(lambda event: None).reason == "interrupted"
    assert made.progress.batch == 4


def test_the_metrics_and_the_clock_of_the_main_process_count() -> None:
    metrics = {"val_loss": 0.25, "train_loss": 1.0, "seconds": 1e6}

    def told(value: object) -> object:
        return (EpochMetrics({}), metrics) if value is None else (2.0, 90.0, 10.0)

    made = loop(Follower(told), budget=100.0)
    finished = made.fit(lambda event: None)
    assert (finished.reason, finished.epochs) == ("budget", 1)
    assert finished.best["val_loss"] == 0.25
    assert made.progress.seconds_before == 1e6
    assert len(made.trainer.steps) == 1  # the budget is used up after it


TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


def test_the_place_of_a_process_is_in_the_environment() -> None:
    assert Place.from_environment(TORCHRUN) == Place(3, 4, 1, 2)
    assert Place.from_environment({}) == Place()
    assert Place.from_environment({"RANK": "1", "WORLD_SIZE": "2"}) == Place()  # of others
    with pytest.raises(UsageError, match="must be numbers"):
        Place.from_environment({**TORCHRUN, "RANK": "first"})


def test_a_restart_does_not_see_the_store_of_the_start_before() -> None:
    shared = torch.distributed.HashStore()
    for start in range(3):
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(store_of_this_start, shared, 1, 2)]
            time.sleep(0.02)  # the second process is there first
            waiting.append(pool.submit(store_of_this_start, shared, 0, 2))
            second, main = (one.result(timeout=30) for one in waiting)
        assert not main.check(["address"])
        main.set("address", str(start))
        assert second.get("address") == str(start).encode()


def test_only_the_main_process_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reports()
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert not reports()
    monkeypatch.setenv("RANK", "0")
    assert reports()


def test_a_single_process_gets_whole_batches() -> None:
    (batch,) = BatchStream(PAIRS, 8).epoch(1)
    assert Processes().share(batch) is batch
