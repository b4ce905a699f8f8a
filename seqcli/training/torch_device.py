"""Choose the device and the number of threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.errors import UsageError
from seqcli.messages import plural
from seqcli.models.build import check_copying
from seqcli.training.processes import Place

MAX_TIME_RATIO = 0.85  # use all threads if they take less than this fraction of one thread's time


def choose_device(
    name: str, precision: str = "float32", place: Place | None = None
) -> torch.device:
    """Return the device called ``name``; "auto" prefers CUDA, then MPS, then the CPU.

    Args:
        name: auto, cpu, cuda or mps.
        precision: ``train.precision``; MPS does not support float64.
        place: of this process among several, each of which uses a GPU of its own.

    Raises:
        UsageError: the device is not available, or there are more processes than GPUs.
    """
    problems = {"cuda": _cuda_problem(place or Place()), "mps": _mps_problem(precision), "cpu": ""}
    if name == "auto":
        name = next(kind for kind, problem in problems.items() if not problem)
    if problems[name]:
        raise UsageError(f"--device {name}: {problems[name]}", "use --device cpu or auto")
    if name == "cuda" and place is not None and place.size > 1:
        return torch.device(name, place.local_rank)
    return torch.device(name)


def _cuda_problem(place: Place) -> str:
    """Return why CUDA cannot be used, or an empty text."""
    if not torch.cuda.is_available():
        if torch.version.cuda is None and torch.version.hip is None:
            return f"this PyTorch ({torch.__version__}) was built without CUDA"
        return "PyTorch finds no GPU; nvidia-smi lists those that the driver sees"
    gpus = torch.cuda.device_count()
    if place.local_size > gpus:
        return f"{place.local_size} processes on this machine, but {plural(gpus, 'GPU')}"
    return ""


def _mps_problem(precision: str) -> str:
    """Return why MPS cannot be used, or an empty text."""
    if not torch.backends.mps.is_available():
        return "PyTorch finds no Apple GPU"
    return "MPS does not support train.precision=float64" if precision == "float64" else ""


def check_training(config: Config, corpus: Corpus) -> None:
    """Refuse a device that is not available, or copying that is not possible.

    Raises:
        UsageError: the device is not available, or `check_copying` refuses the model.
    """
    choose_device(config.train.device, config.train.precision)
    check_copying(config.model, corpus.codec.copy_ids)


def choose_threads(work: Callable[[], object], processes: int = 1) -> int:
    """Time ``work`` on one thread and on all; return the faster number of threads.

    Small recurrent steps are faster on one thread, and are then not slowed by other programs.

    Args:
        work: a training step.
        processes: that share the cores of this machine.
    """
    every = _cores() // processes
    if every <= 1:
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
