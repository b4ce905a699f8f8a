"""Faster CPU versions of computations in `seqcli.models`, each next to its plain reference.

``train.kernels`` chooses: ``auto`` runs a kernel where it is faster (on the CPU only), and
``reference`` always runs plain autograd code. Every kernel file contains the reference as
``*_reference``, and a test checks that both agree and that the kernel ran.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from seqcli.errors import UsageError

MODES = ("auto", "reference")
_mode = ["auto"]


def use(mode: str) -> None:
    """Select the mode of this process: ``auto`` or ``reference``.

    Raises:
        UsageError: there is no such mode.
    """
    if mode not in MODES:
        raise UsageError(f"no kernels are called {mode!r}", "choose auto or reference")
    _mode[0] = mode


@contextlib.contextmanager
def using(mode: str) -> Iterator[None]:
    """Select the mode inside a ``with`` block."""
    previous = _mode[0]
    use(mode)
    try:
        yield
    finally:
        use(previous)


def enabled(values: Tensor) -> bool:
    """Return whether kernels may run on ``values``: on the CPU, and not while exporting."""
    on_cpu = values.device.type == "cpu" and not torch.compiler.is_exporting()
    return on_cpu and _mode[0] == "auto"


def trains(values: Tensor) -> bool:
    """Return whether a kernel with a hand-written backward pass may run on ``values``.

    Such a kernel is faster only if gradients are needed, and it does not support autocast.
    """
    return enabled(values) and torch.is_grad_enabled() and not autocasts(values)


def autocasts(values: Tensor) -> bool:
    """Return whether operations on ``values`` run in mixed precision."""
    kind = values.device.type
    return kind != "meta" and torch.is_autocast_enabled(kind)
