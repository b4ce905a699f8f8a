"""The loop with a learner that only counts: what is told, saved, stopped and gone on with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, TrainConfig
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.tokenizers import Tokenizer
from seqcli.data.vocabulary import Vocabulary
from seqcli.errors import CheckpointError, DivergedError
from seqcli.events import EpochEnded, Progress
from seqcli.training.loop import Loop, Measured, Step
from seqcli.training.stopping import StopRequest

CODEC = Codec(Vocabulary(("a", "b")), Tokenizer("chars"))
CORPUS = Corpus("ab", CODEC, {"train": Pairs(Ragged.from_rows([[4], [5], [4, 5], [5, 4, 4]] * 5))})
STEPS = 5  # in an epoch, at four rows each


class Counting:
    """Takes steps whose losses are given; remembers the turns."""

    def __init__(self, losses=None, val=None):
        self.turns, self.losses, self.val = [], losses or {}, val or {}

    def learn(self, turns):
        for turn in turns:
            self.turns.append(turn)
            loss = self.losses.get(len(self.turns), 1.0)
            yield Step(loss, int(turn.batch.target_lengths.sum()), 0.5)

    def measure(self, epoch, done, tick):
        tick()
        return Measured({"val_loss": self.val.get(epoch, 1.0)}, samples=("ab",))

    def state(self):
        return {"steps": len(self.turns)}

    def restore(self, state):
        self.turns = [None] * state["steps"]


def loop(learner, stop=None, **train):
    config = replace(Config(), train=TrainConfig(**{"batch_size": 4, "epochs": 3, **train}))
    saved = []

    def save(training, progress, *, stopping=False):
        saved.append((training, replace(progress)))

    return Loop(learner, CORPUS, config, save, stop), saved


def run(made):
    told = []
    return made.fit(told.append), told


def test_every_row_is_learnt_once_an_epoch_and_the_end_is_told():
    learner = Counting(val={2: 0.5})
    made, saved = loop(learner)
    finished, told = run(made)
    assert (finished.reason, finished.epochs, finished.best_epoch) == ("epochs", 3, 2)
    for epoch in range(3):
        turns = learner.turns[epoch * STEPS : (epoch + 1) * STEPS]
        assert sorted(row for turn in turns for row in turn.batch.rows) == list(range(20))
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert [event.improved for event in ended] == [True, True, False]
    assert ended[0].samples == ("ab",)
    assert [(at.epochs_done, at.best_epoch, at.batch) for _, at in saved] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 2, 0),
    ]
    assert learner.turns[0].done == 0.0
    assert learner.turns[-1].done == 1.0


def test_a_language_models_loss_is_also_told_as_bits_and_perplexity():
    finished, _ = run(loop(Counting())[0])
    assert finished.best["val_bits_per_character"] == pytest.approx(1.4427, abs=1e-4)
    assert finished.best["val_perplexity"] == pytest.approx(2.7183, abs=1e-4)


def test_patience_ends_it():
    finished, _ = run(loop(Counting(val={1: 0.1}), epochs=50, patience=4)[0])
    assert (finished.reason, finished.epochs) == ("patience", 5)


@pytest.mark.parametrize("iterations", [1, 5, 7])
def test_iterations_cut_the_last_epoch_short(iterations):
    learner = Counting()
    made, _ = loop(learner, iterations=iterations)
    finished, told = run(made)
    assert (finished.reason, len(learner.turns)) == ("iterations", iterations)
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert len(ended) == ended[-1].epochs == -(-iterations // STEPS)


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
    """Return the training state of a run that a signal stopped, and the turns it had taken."""
    learner, stop = Counting(), StopRequest()

    def listen(event):
        if isinstance(event, Progress) and len(learner.turns) == steps:
            stop.signal = 2

    made, saved = loop(learner, stop, save_every=1e9)
    finished = made.fit(listen)
    assert finished.reason == "interrupted"
    return saved[-1][0], learner.turns, made.history


@pytest.mark.parametrize("steps", [1, 4, 5, 8, 15])
def test_a_stopped_run_goes_on_where_it_was(steps, monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.TOLD_EVERY", 0.0)
    whole = Counting()
    expected, _ = run(loop(whole)[0])
    training, before, history = stopped_after(steps)
    learner = Counting()
    made, _ = loop(learner)
    made.resume(training)
    made.history = list(history)
    finished, _ = run(made)
    turns = [*before, *learner.turns[steps:]]
    assert [t.batch.rows.tolist() for t in turns] == [t.batch.rows.tolist() for t in whole.turns]
    assert [turn.rate for turn in turns] == [turn.rate for turn in whole.turns]
    names = ("train_loss", "smoothed_loss", "val_loss")
    assert [[row[name] for name in names] for row in finished.history] == [
        [row[name] for name in names] for row in expected.history
    ]


def test_a_run_may_be_resumed_for_less_than_it_has_done(monkeypatch):
    monkeypatch.setattr("seqcli.training.loop.TOLD_EVERY", 0.0)
    training, _, _ = stopped_after(8)
    made, _ = loop(Counting(), epochs=1)
    made.resume(training)
    finished, _ = run(made)
    assert (finished.reason, finished.epochs) == ("epochs", 2)


def test_a_state_that_does_not_fit_is_refused():
    made, _ = loop(Counting())
    with pytest.raises(CheckpointError, match="does not fit"):
        made.resume({"steps": 3, "schedule": {}, "progress": {"epochs": 9}})
