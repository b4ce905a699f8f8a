"""The loop with a trainer that only counts: reports, saves, stops and resumes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, TrainConfig
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.errors import CheckpointError, DivergedError
from seqcli.events import EpochEnded, Progress
from seqcli.interrupts import StopRequest
from seqcli.training.loop import Loop
from seqcli.training.trainer import EpochMetrics, StepResult

CODEC = Codec(Vocabulary(("a", "b")), Tokenizer("chars"))
CORPUS = Corpus("ab", CODEC, {"train": Pairs(Ragged.from_rows([[4], [5], [4, 5], [5, 4, 4]] * 5))})
STEPS = 5  # in an epoch, at four rows each


class Counting:
    """Counts its steps; their losses and the validation losses are given."""

    def __init__(self, losses=None, val=None):
        self.steps, self.losses, self.val = [], losses or {}, val or {}

    def training_step(self, step):
        self.steps.append(step)
        loss = self.losses.get(len(self.steps), 1.0)
        return StepResult(loss, int(step.batch.target_lengths.sum()), 0.5)

    def evaluate(self, epoch, done, tick):
        tick()
        return EpochMetrics({"val_loss": self.val.get(epoch, 1.0)}, samples=("ab",))

    def weights(self):
        return {}

    def state(self):
        return {"steps": len(self.steps)}

    def load_state(self, state):
        self.steps = [None] * state["steps"]


def loop(trainer, stop=None, **train):
    config = replace(Config(), train=TrainConfig(**{"batch_size": 4, "epochs": 3, **train}))
    saved = []

    def save(training, progress, *, stopping=False):
        saved.append((training, replace(progress)))

    return Loop(trainer, CORPUS, config, save, stop), saved


def run(made):
    told = []
    return made.fit(told.append), told


def test_every_row_is_learnt_once_an_epoch_and_the_end_is_told():
    trainer = Counting(val={2: 0.5})
    made, saved = loop(trainer)
    finished, told = run(made)
    assert (finished.reason, finished.epochs, finished.best_epoch) == ("epochs", 3, 2)
    for epoch in range(3):
        steps = trainer.steps[epoch * STEPS : (epoch + 1) * STEPS]
        assert sorted(row for step in steps for row in step.batch.rows) == list(range(20))
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert [event.improved for event in ended] == [True, True, False]
    assert ended[0].samples == ("ab",)
    assert [(at.epochs_done, at.best_epoch, at.batch) for _, at in saved] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 2, 0),
    ]
    assert trainer.steps[0].done == 0.0
    assert trainer.steps[-1].done == 1.0


def test_a_language_models_loss_is_also_told_as_bits_and_perplexity():
    finished, _ = run(loop(Counting())[0])
    assert finished.best["val_bits_per_character"] == pytest.approx(1.4427, abs=1e-4)
    assert finished.best["val_perplexity"] == pytest.approx(2.7183, abs=1e-4)


def test_patience_ends_it():
    finished, _ = run(loop(Counting(val={1: 0.1}), epochs=50, patience=4)[0])
    assert (finished.reason, finished.epochs) == ("patience", 5)


@pytest.mark.parametrize("steps", [1, 5, 7])
def test_a_limit_of_steps_cuts_the_last_epoch_short(steps):
    trainer = Counting()
    made, _ = loop(trainer, steps=steps)
    finished, told = run(made)
    assert (finished.reason, len(trainer.steps)) == ("steps", steps)
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert len(ended) == ended[-1].epochs == -(-steps // STEPS)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_and_nothing_is_saved(loss):
    made, saved = loop(Counting({7: loss}))
    with pytest.raises(DivergedError, match=r"at step 7 \(epoch 2\)") as caught:
        run(made)
    assert "epoch 1 is kept" in caught.value.hint
    assert [at.epochs_done for _, at in saved] == [1]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_an_epoch_with_a_validation_loss_that_is_no_number_is_not_saved(loss):
    made, saved = loop(Counting(val={2: loss}))
    with pytest.raises(DivergedError, match=r"validation loss .* at step 10 \(epoch 2\)"):
        run(made)
    assert [at.epochs_done for _, at in saved] == [1]


def test_an_epoch_is_saved_before_it_is_reported():
    made, saved = loop(Counting())
    reported = []

    def listen(event):
        if isinstance(event, EpochEnded):
            reported.append(event.epoch)
            assert saved[-1][1].last.epoch == event.epoch
            assert saved[-1][1].last.metrics == event.metrics

    made.fit(listen)
    assert reported == [1, 2, 3]


def test_what_is_saved_does_not_grow_with_the_epochs():
    _, few = finished_saves(3)
    _, many = finished_saves(200)
    assert len(repr(many[-1][0])) < len(repr(few[-1][0])) + 40  # a few more digits


def finished_saves(epochs):
    made, saved = loop(Counting(), epochs=epochs)
    return made.fit(lambda event: None), saved


def test_the_best_of_a_resumed_run_is_the_best_of_both_sessions():
    made, saved = loop(Counting(val={1: 0.2, 3: 0.3}), epochs=2)
    run(made)
    again, _ = loop(Counting(val={1: 0.2, 3: 0.3}), epochs=4)
    again.resume(saved[-1][0])
    finished, told = run(again)
    assert (finished.epochs, finished.best_epoch) == (4, 1)
    assert finished.best["val_loss"] == 0.2
    assert not any(event.improved for event in told if isinstance(event, EpochEnded))


def stopped_after(steps):
    """Return the training state of a run that a signal stopped, and the steps it made."""
    trainer, stop = Counting(), StopRequest()

    def listen(event):
        if isinstance(event, Progress) and len(trainer.steps) == steps:
            stop.signal = 2

    made, saved = loop(trainer, stop, save_every=1e9)
    finished = made.fit(listen)
    assert finished.reason == "interrupted"
    return saved[-1][0], trainer.steps, made.history


@pytest.mark.parametrize("steps", [1, 4, 5, 8, 15])
def test_a_stopped_run_goes_on_where_it_was(steps, monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.REPORT_EVERY", 0.0)
    whole = Counting()
    expected, _ = run(loop(whole)[0])
    training, before, history = stopped_after(steps)
    trainer = Counting()
    made, _ = loop(trainer)
    made.resume(training)
    made.history = list(history)
    finished, _ = run(made)
    steps_made = [*before, *trainer.steps[steps:]]
    assert [t.batch.rows.tolist() for t in steps_made] == [
        t.batch.rows.tolist() for t in whole.steps
    ]
    assert [step.learning_rate for step in steps_made] == [
        step.learning_rate for step in whole.steps
    ]
    names = ("train_loss", "smoothed_loss", "val_loss")
    assert [[row[name] for name in names] for row in finished.history] == [
        [row[name] for name in names] for row in expected.history
    ]


def test_a_run_may_be_resumed_for_less_than_it_has_done(monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.REPORT_EVERY", 0.0)
    training, _, _ = stopped_after(8)
    made, _ = loop(Counting(), epochs=1)
    made.resume(training)
    finished, _ = run(made)
    assert (finished.reason, finished.epochs) == ("epochs", 2)


def test_a_state_that_does_not_fit_is_refused():
    made, _ = loop(Counting())
    with pytest.raises(CheckpointError, match="does not fit"):
        made.resume({"steps": 3, "schedule": {}, "progress": {"epochs": 9}})


class Unread:
    """A number on an accelerator: reading it waits for the computation."""

    reads = 0

    def __init__(self, value):
        self.value = value

    def __float__(self):
        type(self).reads += 1
        return self.value


class Asynchronous(Counting):
    """Returns results that have not been computed yet."""

    def training_step(self, step):
        result = super().training_step(step)
        return replace(result, loss=Unread(result.loss), grad_norm=Unread(result.grad_norm))


def test_results_are_read_at_the_end_of_an_epoch_only_and_give_the_same_sums(monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.REPORT_EVERY", 1e9)
    monkeypatch.setattr(Unread, "reads", 0)
    losses = {step: 0.1 * step for step in range(1, 16)}
    reads, evaluate = [], Asynchronous.evaluate

    def evaluated(self, *args):
        reads.append(Unread.reads)
        return evaluate(self, *args)

    class Trainer(Asynchronous):
        def training_step(self, step):
            reads.append(Unread.reads)
            return super().training_step(step)

        evaluate = evaluated

    finished, _ = run(loop(Trainer(losses))[0])
    assert reads == [0] * STEPS + [2 * STEPS] * (STEPS + 1) + [4 * STEPS] * (STEPS + 1) + [30]
    expected, _ = run(loop(Counting(losses))[0])
    for name in ("train_loss", "smoothed_loss"):
        assert [row[name] for row in finished.history] == [row[name] for row in expected.history]


@pytest.mark.parametrize("save_every", [0.0, 1e9])
def test_a_loss_that_is_read_late_is_never_saved(save_every, monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.REPORT_EVERY", 1e9)
    made, saved = loop(Asynchronous({7: float("nan")}), save_every=save_every)
    with pytest.raises(DivergedError, match=r"at step 7 \(epoch 2\)"):
        run(made)
    assert max(at.step for _, at in saved) == (6 if save_every == 0 else 5)


def test_a_diverged_run_that_is_interrupted_is_not_saved(monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.REPORT_EVERY", 1e9)
    stop = StopRequest()

    class Trainer(Asynchronous):
        def training_step(self, step):
            stop.signal = 2 if len(self.steps) == 8 else 0
            return super().training_step(step)

    made, saved = loop(Trainer({7: float("inf")}), stop, save_every=1e9)
    with pytest.raises(DivergedError, match="at step 7"):
        run(made)
    assert [at.step for _, at in saved] == [5]
