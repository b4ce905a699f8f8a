"""Training progress, and what is refused as such."""

import pytest

from seqcli.schema import SchemaError
from seqcli.training.progress import EpochRecord, Progress, initial_loss, progress_of


def test_smoothed_loss_starts_at_a_guess_and_comes_to_the_loss():
    progress = Progress(smoothed_loss=initial_loss(27))
    assert progress.smoothed_loss == pytest.approx(3.2958, abs=1e-4)
    progress.count_step(tokens=10, rows=3)
    progress.add_loss(2.0, tokens=10)
    assert progress.smoothed_loss == pytest.approx(0.99 * 3.2958 + 0.02, abs=1e-4)
    for _ in range(3000):
        progress.count_step(tokens=10, rows=3)
        progress.add_loss(2.0, tokens=10)
    assert progress.smoothed_loss == pytest.approx(2.0, abs=1e-6)


def test_sums_are_of_one_epoch_and_steps_of_the_run():
    progress = Progress()
    progress.count_step(tokens=10, rows=3)
    progress.add_loss(2.0, tokens=10)
    progress.count_step(tokens=30, rows=5)
    progress.add_loss(4.0, tokens=30)
    assert (progress.loss_sum / progress.tokens, progress.rows) == (3.5, 8)
    record = progress.end_epoch({"val_loss": 0.5, "seconds": 2.0}, improved=True)
    assert (record.epoch, record.step, progress.epochs_done) == (1, 2, 1)
    assert progress.elapsed == 2.0
    assert (progress.epoch, progress.batch, progress.step, progress.tokens) == (2, 0, 2, 0)


def test_best_and_waited_follow_improvement():
    progress = Progress()
    for number, improved in enumerate([True, False, False, True, False], 1):
        progress.end_epoch({"val_loss": float(number)}, improved)
    assert (progress.best_epoch, progress.waited) == (4, 1)
    assert progress.best is not None
    assert progress.best.metrics == {"val_loss": 4.0}


def test_progress_survives_the_round_trip():
    progress = Progress(smoothed_loss=3.0)
    assert progress_of({"progress": progress.to_plain()}) == progress
    progress.count_step(tokens=10, rows=3)
    progress.add_loss(2.0, tokens=10)
    progress.end_epoch({"val_loss": 0.25, "seconds": 2.0}, improved=True)
    progress.count_step(tokens=10, rows=3)
    progress.add_loss(1.0, tokens=10)
    assert progress_of({"progress": progress.to_plain()}) == progress


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 0},
        {"epoch": 1.5},
        {"epoch": True},
        {"epoch": "1"},
        {"step": -1},
        {"step": None},
        {"val_loss": "low"},
        {"val_loss": [1.0]},
    ],
)
def test_a_record_of_wrong_types_is_refused(change):
    plain = {"epoch": 1, "step": 5, "val_loss": 0.5, "improved": True}
    assert EpochRecord.from_plain(plain).to_plain() == plain
    with pytest.raises(ValueError, match="must be"):
        EpochRecord.from_plain({**plain, **change})


def test_a_best_epoch_that_never_ended_is_refused():
    plain = Progress(epoch=3, last=EpochRecord(2, 9, {}, False)).to_plain()
    best = {"epoch": 3, "step": 9, "metrics": {}, "improved": True}
    with pytest.raises(SchemaError, match="never ended"):
        progress_of({"progress": {**plain, "best": best}})
