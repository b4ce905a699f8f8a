"""Everything exact resume needs, as plain data: what `training` in a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer

from seqcli.engine.schedules import Constant
from seqcli.errors import CheckpointError


@dataclass
class Progress:
    """Where training stands.

    ``batch``: batches of this epoch that are done. The sums are over those batches.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    tokens: int = 0
    rows: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    waited: int = 0  # epochs without improvement
    history: list[dict[str, float]] = field(default_factory=list)

    def next_epoch(self) -> None:
        """Turn to the beginning of the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.tokens, self.rows, self.seconds = 0.0, 0, 0, 0.0


def capture(progress: Progress, optimiser: Optimizer, schedule: Constant) -> dict[str, Any]:
    """Gather the state of a run; the weights are kept apart."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "progress": asdict(progress),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state(),
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }


def restore(state: Mapping[str, Any], optimiser: Optimizer, schedule: Constant) -> Progress:
    """Put a gathered state back, the random state included; return where training stands.

    Raises:
        CheckpointError: the state does not fit this model and configuration.
    """
    try:
        optimiser.load_state_dict(dict(state["optimiser"]))
        schedule.restore(state["schedule"])
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["random"]["cuda"])
        return Progress(**state["progress"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"the checkpoint's training state does not fit: {error}", "start a new run"
        ) from error
