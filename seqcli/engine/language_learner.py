"""Learning a language model with PyTorch: nothing is decoded, names are drawn."""

from __future__ import annotations

import torch

from seqcli.config.drawing import Drawing
from seqcli.engine.answering import mean_loss
from seqcli.engine.learner import TorchLearner
from seqcli.engine.sampling import draw, no_sources
from seqcli.training.loop import Measured, Tick

SCORED = 512  # rows scored at once


class LanguageLearner(TorchLearner):
    """A language model with its optimiser; see `seqcli.training.loop.Learner`.

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
        limit = self.limits.answer(0)
        drawn = draw(self.model, source, lengths, limit, Drawing(), generator)
        return tuple(map(self.corpus.codec.target_text, drawn))
