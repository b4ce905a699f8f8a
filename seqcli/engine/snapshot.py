"""The optimiser's and the random state as plain data, for exact resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer


def capture(optimiser: Optimizer) -> dict[str, Any]:
    """Gather the states; the weights are kept apart."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "optimiser": optimiser.state_dict(),
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }


def restore(state: Mapping[str, Any], optimiser: Optimizer) -> None:
    """Put gathered states back.

    The NumPy backend writes the same layout without random states (it draws nothing while it
    learns) and without PyTorch's own settings of an optimiser, which stay as they are.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: the state does not fit.
    """
    own, saved = optimiser.state_dict()["param_groups"], state["optimiser"]["param_groups"]
    groups = [{**mine, **theirs} for mine, theirs in zip(own, saved, strict=True)]
    optimiser.load_state_dict({"state": state["optimiser"]["state"], "param_groups": groups})
    random = state["random"]
    if "cpu" in random:
        torch.set_rng_state(random["cpu"])
    if random.get("cuda") and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(random["cuda"])
