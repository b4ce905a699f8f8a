"""Build a model for its shapes alone: no memory for its weights, no random numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seqcli.errors import UsageError
from seqcli.models.base import Model

_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
_DRAWS = {"normal_", "trunc_normal_", "kaiming_normal_", "xavier_normal_", "orthogonal_"}


class ShapesOnly(TorchFunctionMode):
    """Inside this context weights have shapes and no numbers (PyTorch's ``meta`` device).

    ``with torch.device("meta")`` does that too, but to draw normal numbers or to calculate there
    makes PyTorch import its decompositions: 2 s of CPU before the first answer. Here nothing is
    drawn, and what is calculated (the rates of positions) is calculated on the CPU.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of PyTorch, or do without."""
        given = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _DRAWS:
            return args[0] if args else given["tensor"]
        if func in _FACTORIES:
            given = {**given, "device": "meta"}
        return func(*args, **given)


def in_format(model: Model, precision: str) -> Model:
    """Return the model in the format of `train.precision`; bf16 keeps its weights in float32."""
    return model.double() if precision == "float64" else model


def at_least_float32(scores: Tensor) -> Tensor:
    """Widen half precision, in which a softmax is too coarse; leave the rest as it is."""
    return scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores


WORTH_IT = 0.85  # all threads must take less than this share of one thread's time


def choose_device(name: str, precision: str = "float32") -> torch.device:
    """Return the device called ``name``; "auto" takes CUDA, then MPS, then the CPU.

    MPS has no float64.

    Raises:
        UsageError: there is no such device here.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and precision != "float64",
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there[name]:
        raise UsageError(f"no {name} device is available here", "use --device cpu or auto")
    return torch.device(name)


def choose_threads(work: Callable[[], object]) -> int:
    """Time ``work`` on one thread and on all, in turn; return the number to use.

    Small recurrent steps are faster on one thread, and stay fast beside other programs.
    """
    every = _cores()
    if every == 1:
        return 1
    times: dict[int, list[float]] = {1: [], every: []}
    work()
    for _ in range(3):
        for threads, measured in times.items():
            torch.set_num_threads(threads)
            began = time.perf_counter()
            work()
            measured.append(time.perf_counter() - began)
    return every if min(times[every]) < WORTH_IT * min(times[1]) else 1


def _cores() -> int:
    """Return the cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
