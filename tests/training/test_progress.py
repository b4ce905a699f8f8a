"""The smoothed loss."""

import pytest

from seqcli.training.progress import Progress, initial_loss


def test_smoothed_loss_starts_at_a_guess_and_comes_to_the_loss():
    progress = Progress(smoothed_loss=initial_loss(27))
    assert progress.smoothed_loss == pytest.approx(3.2958, abs=1e-4)
    progress.add(2.0, tokens=10, rows=3)
    assert progress.smoothed_loss == pytest.approx(0.99 * 3.2958 + 0.02, abs=1e-4)
    for _ in range(3000):
        progress.add(2.0, tokens=10, rows=3)
    assert progress.smoothed_loss == pytest.approx(2.0, abs=1e-6)


def test_sums_are_of_one_epoch_and_steps_of_the_run():
    progress = Progress()
    progress.add(2.0, tokens=10, rows=3)
    progress.add(4.0, tokens=30, rows=5)
    assert (progress.loss_sum / progress.tokens, progress.rows) == (3.5, 8)
    progress.next_epoch()
    assert (progress.epoch, progress.batch, progress.step, progress.tokens) == (2, 0, 2, 0)
