"""The optimizer's memory in the layout of ``torch.optim``, so that either backend goes on with it.

    {"state": {0: {"step": (), "exp_avg": ..., "exp_avg_sq": ...}, 1: ...}, "param_groups": [...]}

where 0, 1, ... are the parameters in the order of the model: that of ``TORCH_NAMES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqcli.checkpoints.training_state import optimizer_state
from seqcli.numpy_backend.optimization import Adam, Optimizer, Sgd
from seqcli.numpy_backend.parameters import TORCH_NAMES, Floats, Parameters

State = dict[int, dict[str, Floats]]


def to_torch_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer's memory as ``torch.optim.Optimizer.state_dict`` would."""
    group = {"params": list(range(len(TORCH_NAMES))), "lr": optimizer.lr}
    return {"state": _memory(optimizer), "param_groups": [group]}


def _memory(optimizer: Optimizer) -> State:
    if isinstance(optimizer, Adam) and optimizer.step:
        step = np.array(optimizer.step, np.float32)
        return {
            i: {
                "step": step.copy(),
                "exp_avg": optimizer.exp_avg[name],
                "exp_avg_sq": optimizer.exp_avg_sq[name],
            }
            for i, name in enumerate(TORCH_NAMES)
        }
    if isinstance(optimizer, Sgd) and optimizer.momentum and optimizer.momentum_buffer:
        buffers = optimizer.momentum_buffer
        return {i: {"momentum_buffer": buffers[name]} for i, name in enumerate(TORCH_NAMES)}
    return {}


def from_torch_state(
    state: Mapping[str, Any], optimizer: Optimizer, parameters: Parameters
) -> None:
    """Put a memory that either backend saved into a fresh optimizer.

    Raises:
        KeyError, TypeError, ValueError: it does not fit the parameters.
    """
    shapes = [parameters[name].shape for name in TORCH_NAMES]
    memory = optimizer_state(state, shapes, _kept(optimizer))
    if not memory:
        return
    if isinstance(optimizer, Adam):
        optimizer.step = int(memory[0]["step"])
        optimizer.exp_avg = _by_name(memory, "exp_avg", parameters)
        optimizer.exp_avg_sq = _by_name(memory, "exp_avg_sq", parameters)
    elif isinstance(optimizer, Sgd) and optimizer.momentum:
        optimizer.momentum_buffer = _by_name(memory, "momentum_buffer", parameters)


def _kept(optimizer: Optimizer) -> dict[str, bool | None]:
    """Return what an optimizer keeps of each weight; see `optimizer_state`."""
    if isinstance(optimizer, Adam):
        return {"step": True, "exp_avg": False, "exp_avg_sq": False}
    momentum = isinstance(optimizer, Sgd) and optimizer.momentum
    return {"momentum_buffer": False} if momentum else {}


def _by_name(memory: Mapping[int, Any], part: str, parameters: Parameters) -> dict[str, Floats]:
    """Return one kind of array for each parameter, of its shape and number format."""
    found = {}
    for i, name in enumerate(TORCH_NAMES):
        found[name] = np.array(memory[i][part], parameters[name].dtype)
    return found
