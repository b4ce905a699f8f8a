"""A run with a time budget: it ends with it, and so does the schedule."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from thorough import mostly_slow

import seqcli
from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, TrainConfig
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.events import Progress
from seqcli.interrupts import StopRequest
from seqcli.runs.metrics_log import read_metrics
from seqcli.training.loop import Loop
from seqcli.training.progress import ENDING, stop_reason
from seqcli.training.trainer import EpochMetrics, StepResult

CODEC = Codec(Vocabulary(("a", "b")), Tokenizer("chars"))
ROWS = Pairs(Ragged.from_rows([[4], [5], [4, 5], [5, 4, 4]] * 100))
STEPS = 100  # in an epoch, at four rows each
CORPUS = Corpus("ab", CODEC, {"train": ROWS, "val": ROWS})


class Clock:
    """Stands in for the time; a trainer advances it."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "process_time", lambda: self.now)  # nothing else runs


class Slow:
    """Takes time for a step, more for the first one, and for an evaluation."""

    def __init__(self, clock, step=0.05, evaluation=0.4, first=1.0):
        self.clock, self.seconds, self.evaluation, self.first = clock, step, evaluation, first
        self.steps = []

    def training_step(self, step):
        self.clock.now += self.seconds if self.steps else self.first
        self.steps.append(step)
        return StepResult(1.0, int(step.batch.target_lengths.sum()), 0.5)

    def evaluate(self, epoch, done, tick):
        self.clock.now += self.evaluation
        return EpochMetrics({"val_loss": 1.0})

    def weights(self):
        return {}

    def state(self):
        return {}

    def load_state(self, state):
        pass


def loop(trainer, started=0.0, stop=None, **train):
    """Return a loop of a run that was started some seconds ago, and what it saves."""
    settings = {"batch_size": 4, "epochs": 0, "lr": 1.0, "schedule": "cosine", **train}
    saved = []

    def save(training, progress, *, stopping=False):
        saved.append((training, replace(progress)))

    config = replace(Config(), train=TrainConfig(**settings))
    return Loop(trainer, CORPUS, config, save, stop, trainer.clock.now - started), saved


@pytest.mark.parametrize("budget", mostly_slow([30.0, 60.0, 600.0], 2))
@pytest.mark.parametrize("start_up", [0.5, 5.0])
@pytest.mark.parametrize("evaluation", [0.1, 1.0])
def test_a_run_ends_with_its_budget_and_its_rate_with_it(monkeypatch, budget, start_up, evaluation):
    clock = Clock(monkeypatch)
    trainer = Slow(clock, evaluation=evaluation)
    began = clock.now - start_up
    made, saved = loop(trainer, start_up, budget=budget, warmup=100)
    finished = made.fit(lambda event: None)
    used = clock.now + ENDING - began
    assert finished.reason == "budget"
    assert abs(used - budget) <= 0.05 * budget + 0.05
    assert finished.updates == len(trainer.steps) == saved[-1][1].step
    rates = [step.learning_rate for step in trainer.steps]
    assert max(rates) > 0.95
    assert rates[-1] < 0.01
    assert rates[0] < 0.05
    assert trainer.steps[-1].done > 0.98
    assert saved[-1][1].batch == 0  # the last epoch is evaluated and saved
    assert stop_reason(saved[-1][1], made.settings) == "budget"


@pytest.mark.parametrize(("steps", "reason"), [(50, "steps"), (10**6, "budget")])
def test_the_first_limit_that_is_reached_ends_the_run_and_the_schedule(monkeypatch, steps, reason):
    trainer = Slow(Clock(monkeypatch))
    made, _ = loop(trainer, budget=30.0, steps=steps, warmup=5)
    assert made.fit(lambda event: None).reason == reason
    assert trainer.steps[-1].learning_rate < 0.01


def test_a_warm_up_takes_a_tenth_of_the_budget_at_most(monkeypatch):
    trainer = Slow(Clock(monkeypatch))
    loop(trainer, budget=30.0, warmup=10_000)[0].fit(lambda event: None)
    rates = [step.learning_rate for step in trainer.steps]
    assert 0.05 < rates.index(max(rates)) / len(rates) < 0.2
    assert max(rates) > 0.9


def test_a_resumed_run_keeps_the_time_that_it_has_used(monkeypatch):
    clock, stop = Clock(monkeypatch), StopRequest()
    trainer = Slow(clock)

    def interrupt(event):
        if isinstance(event, Progress) and len(trainer.steps) > 200:
            stop.signal = 2

    made, saved = loop(trainer, 2.0, stop, budget=60.0)
    assert made.fit(interrupt).reason == "interrupted"
    used = saved[-1][1].used
    assert used > 10
    before = trainer.steps[-1].learning_rate
    done = len(trainer.steps)
    clock.now += 5000  # until the run is resumed
    again, more = loop(trainer, 2.0, budget=60.0)
    again.resume(saved[-1][0])
    resumed = clock.now - 2.0
    assert again.fit(lambda event: None).reason == "budget"
    assert used + clock.now - resumed == pytest.approx(60.0 - ENDING, abs=1.5)
    assert trainer.steps[-1].learning_rate < 0.01
    assert trainer.steps[done].learning_rate == pytest.approx(before, abs=0.05)
    third, _ = loop(trainer, 2.0, budget=60.0)
    third.resume(more[-1][0])
    count = len(trainer.steps)
    assert third.fit(lambda event: None).reason == "budget"
    assert len(trainer.steps) == count


def test_a_slow_first_step_does_not_end_a_run(monkeypatch):
    trainer = Slow(Clock(monkeypatch), first=3.0)
    made, saved = loop(trainer, 5.0, budget=30.0)
    made.fit(lambda event: None)
    assert saved[0][1].step == STEPS


def test_a_slow_machine_reserves_more_time_for_the_end(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(time, "process_time", lambda: (clock.now - 1000) / 2)
    began = clock.now
    made, _ = loop(Slow(clock), budget=30.0)
    made.fit(lambda event: None)
    assert clock.now - began == pytest.approx(30.0 - 2 * ENDING, abs=0.5)


def test_a_budget_that_loading_used_up_still_gives_a_model(monkeypatch):
    trainer = Slow(Clock(monkeypatch))
    made, saved = loop(trainer, started=9.0, budget=5.0)
    finished = made.fit(lambda event: None)
    assert (finished.reason, finished.updates, finished.best_epoch) == ("budget", 1, 1)
    assert len(saved) == 1


def test_an_epoch_may_be_a_number_of_steps():
    trainer = Slow(type("Still", (), {"now": 0.0})())
    made, saved = loop(trainer, epochs=3, epoch_steps=70)
    assert made.fit(lambda event: None).epochs == 3
    assert [progress.step for _, progress in saved] == [70, 140, 210]
    rows = np.concatenate([step.batch.rows for step in trainer.steps[:200]])
    assert np.bincount(rows).tolist() == [2] * 400  # two passes


@pytest.mark.slow
def test_the_command_ends_with_its_budget(tmp_path):
    words = ["train", "--task", "names", "--backend", "numpy", "--budget", "6s", "--out", "run"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "seqcli", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - began
    steps = int(read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["step"])
    assert f"time budget (train.budget), {steps:,} update" in done.stderr
    assert 3 < seconds < 30  # tests run side by side
    assert (tmp_path / "run" / "best.pt").exists()
    assert seqcli.info(tmp_path / "run").settings["train.epochs"] == (0, "limited by train.budget")
