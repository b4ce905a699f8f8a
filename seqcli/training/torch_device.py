"""Choose the device and the number of threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.errors import UsageError
from seqcli.models.build import check_copying

MAX_TIME_RATIO = 0.85  # use all threads if they take less than this fraction of one thread's time


def choose_device(name: str, precision: str = "float32") -> torch.device:
    """Return the device called ``name``; "auto" prefers CUDA, then MPS, then the CPU.

    MPS does not support float64.

    Raises:
        UsageError: the device is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and precision != "float64",
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, usable in available.items() if usable))
    if not available[name]:
        raise UsageError(f"no {name} device is available here", "use --device cpu or auto")
    return torch.device(name)


def check_training(config: Config, corpus: Corpus) -> None:
    """Refuse a device that is not available, or copying that is not possible.

    Raises:
        UsageError: the device is not available, or `check_copying` refuses the model.
    """
    choose_device(config.train.device, config.train.precision)
    check_copying(config.model, corpus.codec.copy_ids)


def choose_threads(work: Callable[[], object]) -> int:
    """Time ``work`` on one thread and on all; return the faster number of threads.

    Small recurrent steps are faster on one thread, and are then not slowed by other programs.
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
    return every if min(times[every]) < MAX_TIME_RATIO * min(times[1]) else 1


def _cores() -> int:
    """Return the number of cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
