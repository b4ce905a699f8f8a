"""Schedules of the learning rate; only `ReduceOnPlateau` keeps state."""

from __future__ import annotations

import math

from seqcli.config import TrainConfig


class Constant:
    """A constant learning rate, after a linear warm-up from 0 over ``warmup`` steps.

    Args:
        config: the training configuration.
        steps: optimizer steps in the whole run.
    """

    def __init__(self, config: TrainConfig, steps: int) -> None:
        self.peak, self.warmup, self.steps = config.lr, float(config.warmup), float(max(steps, 1))
        self.longest_warmup = self.warmup

    def expect(self, steps: float) -> None:
        """Set the expected number of steps of a run that is limited by time.

        The warm-up is at most a tenth of the steps.
        """
        self.steps = max(steps, 1.0)
        self.warmup = min(self.longest_warmup, self.steps / 10)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.peak * rise * self.factor(step)

    def factor(self, step: int) -> float:
        """Return the factor of the peak learning rate after the warm-up."""
        return 1.0

    def epoch_ended(self, loss: float) -> None:
        """Update the schedule with the validation loss of an epoch."""

    def state(self) -> dict[str, float]:
        """Return the state to resume from."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Restore what `state` returned."""


class WarmupCosine(Constant):
    """Cosine annealing to 0 at the last step (arXiv:1608.03983, without restarts)."""

    def factor(self, step: int) -> float:
        """See `Constant.factor`."""
        done = (step - self.warmup) / max(1, self.steps - self.warmup)  # after the warm-up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))


class WarmupInverseSqrt(Constant):
    """Inverse square-root decay after the warm-up (Vaswani et al. 2017)."""

    def factor(self, step: int) -> float:
        """See `Constant.factor`."""
        warm = max(1.0, self.warmup)
        return math.sqrt(warm / max(warm, step + 1))


class ReduceOnPlateau(Constant):
    """Reduce the learning rate when the validation loss stops improving."""

    def __init__(self, config: TrainConfig, steps: int) -> None:
        super().__init__(config, steps)
        self.by, self.patience = config.plateau_factor, config.plateau_patience
        self.scale, self.best, self.waited = 1.0, math.inf, 0

    def factor(self, step: int) -> float:
        """See `Constant.factor`."""
        return self.scale

    def epoch_ended(self, loss: float) -> None:
        """See `Constant.epoch_ended`."""
        if loss < self.best:
            self.best, self.waited = loss, 0
        elif self.waited >= self.patience:
            self.scale, self.waited = self.scale * self.by, 0
        else:
            self.waited += 1

    def state(self) -> dict[str, float]:
        """See `Constant.state`."""
        return {"scale": self.scale, "best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, float]) -> None:
        """See `Constant.restore`."""
        self.scale, self.best, self.waited = state["scale"], state["best"], int(state["waited"])
