"""Schedules of the learning rate and of weight averaging; only `ReduceOnPlateau` keeps state."""

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
        return _cosine(self.annealed(step))

    def annealed(self, step: int) -> float:
        """Return the fraction of the steps after the warm-up that are done, from 0 to 1."""
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return min(1.0, max(0.0, done))


class CosineRestarts(WarmupCosine):
    """Cosine annealing with warm restarts (Loshchilov and Hutter 2017, arXiv:1608.03983).

    Each cycle begins at the peak and anneals to 0. It is twice as long as the one before: with two
    restarts the three cycles take 1/7, 2/7 and 4/7 of the steps after the warm-up.
    """

    def __init__(self, config: TrainConfig, steps: int) -> None:
        super().__init__(config, steps)
        self.restarts = config.restarts

    def factor(self, step: int) -> float:
        """See `Constant.factor`."""
        lengths = 2 ** (self.restarts + 1) - 1  # of all cycles, if the first one's length is 1
        place = 1 + self.annealed(step) * lengths  # cycle i covers 2^i to 2^(i + 1)
        cycle = min(int(math.log2(place)), self.restarts)
        return _cosine(place / 2**cycle - 1)


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


def _cosine(done: float) -> float:
    """Return a factor that falls from 1 to 0 along half a cosine wave."""
    return 0.5 * (1 + math.cos(math.pi * done))
