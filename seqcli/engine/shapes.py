"""Build a model for its shapes alone: no memory for its weights, no random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

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
