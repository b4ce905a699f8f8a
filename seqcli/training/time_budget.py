"""The time budget of a run (``train.budget``): from the command to the saved model."""

from __future__ import annotations

import math
import time

from seqcli.data.corpus import Corpus
from seqcli.training.progress import Progress
from seqcli.training.trainer import SAMPLED_ROWS

ENDING = 1.0  # seconds of a core for the learning curves and the exit of the process
MOST_SLOWED = 4.0  # maximum factor by which other processes are assumed to slow it down
VALIDATION_COST = 0.5  # time to score a row, relative to a training step, before it is measured


class TimeBudget:
    """Measure the time that a run has used, and the time that it still needs to end.

    Args:
        seconds: the budget; 0 means none.
        started: ``time.monotonic()`` when this session of the run was started.
        scored_rows: rows that the evaluation after an epoch scores.
    """

    def __init__(self, seconds: float, started: float, scored_rows: int) -> None:
        self.seconds, self.started, self.scored_rows = seconds, started, scored_rows
        self.before = 0.0  # seconds used by earlier sessions
        self.first_step = (0.0, 0)  # seconds and rows; includes initializations of libraries
        self.validation: float | None = None  # seconds of the last evaluation
        self.saving = 0.0  # seconds of the last commit

    def __bool__(self) -> bool:
        return self.seconds > 0

    def resume(self, progress: Progress) -> None:
        """Count the time that earlier sessions used."""
        self.before = max(progress.used, progress.elapsed)

    def update(self, progress: Progress) -> None:
        """Store the time used, and the time reserved for the end, in the progress."""
        session = time.monotonic() - self.started
        slowed = min(max(1.0, session / max(time.process_time(), 1e-3)), MOST_SLOWED)
        if progress.step == 1:
            self.first_step = progress.seconds, progress.rows
        progress.used = self.before + session
        progress.reserve = self._next_validation(progress) + self.saving + slowed * ENDING

    def _next_validation(self, progress: Progress) -> float:
        """Return the expected seconds of the next evaluation; at first, by the time of training."""
        if self.validation is not None:
            return self.validation
        seconds, rows = progress.seconds - self.first_step[0], progress.rows - self.first_step[1]
        return VALIDATION_COST * self.scored_rows * max(seconds, 0.0) / max(rows, 1)

    def done(self, progress: Progress) -> float:
        """Return the fraction of the training time that is over, from 0 to 1."""
        trained = max(0.0, progress.elapsed - self.first_step[0])
        left = max(0.0, self.seconds - progress.used - progress.reserve)
        return trained / (trained + left) if trained + left else 1.0

    def expected_steps(self, progress: Progress) -> float:
        """Return the expected number of steps of the run; infinite before the first step."""
        done = self.done(progress)
        return progress.step / done if done and progress.step else math.inf


def scored_rows(corpus: Corpus) -> int:
    """Return the number of rows that are scored after each epoch."""
    validation = len(corpus.splits["val"]) if "val" in corpus.splits else 0
    language = corpus.codec.source is None
    return validation + (0 if language else min(SAMPLED_ROWS, len(corpus.splits["train"])))
