"""The optimiser's and the random state as plain data, for exact resume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import copy
from typing import Any

import torch
from torch.optim import Optimizer

from seqcli import schema
from seqcli.checkpoints.training_state import RandomState, optimizer_state
from seqcli.engine.weights import Weights


def capture(optimiser: Optimizer, weights: Weights) -> dict[str, Any]:
    """Gather the states, the optimiser's as if it had each weight by itself.

    The weights are kept elsewhere.
    """
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    told = optimiser.state_dict()
    (group,) = told["param_groups"]
    numbers = list(range(len(weights.each)))
    return {
        "optimiser": {
            "state": weights.apart(told["state"]),
            "param_groups": [{**group, "params": numbers}],
        },
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }


def restore(state: Mapping[str, Any], optimiser: Optimizer, weights: Weights) -> None:
    """Put gathered states back.

    The NumPy backend writes the same layout without random states: it draws nothing while it
    learns. The optimizer's settings are those of the configuration; stored ones are not read.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: the state does not fit.
    """
    shapes = [tuple(weight.shape) for weight in weights.each]
    saved = optimizer_state(state, shapes, _kept(optimiser))
    random = schema.read(RandomState, state.get("random"), "training.random")
    memory = weights.together(saved)
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": memory, "param_groups": groups})
    if "cpu" in random:
        torch.set_rng_state(random["cpu"])
    if random.get("cuda") and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(random["cuda"])


def _kept(optimiser: Optimizer) -> dict[str, bool | None]:
    """Return what an optimizer keeps of each weight after a step.

    Returns:
        name -> whether it is one number (True) or an array of the weight's shape; None: nothing.
    """
    probe = torch.nn.Parameter(torch.zeros(2))
    probe.grad = torch.zeros(2)
    (group,) = optimiser.param_groups
    twin = copy(optimiser)
    twin.state, twin.param_groups = defaultdict(dict), [{**group, "params": [probe]}]
    twin.step()
    kept = twin.state[probe].items()
    return {name: None if one is None else torch.as_tensor(one).dim() == 0 for name, one in kept}
