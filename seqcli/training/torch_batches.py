"""Batches as tensors on a device, their loss, and scheduled sampling (Bengio et al. 2015)."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqcli.config import Config
from seqcli.data.batches import Batch
from seqcli.data.corpus import Corpus
from seqcli.data.vocabulary import PAD
from seqcli.errors import UsageError
from seqcli.messages import plural
from seqcli.models.base import Model, copy_to
from seqcli.models.build import check_copying
from seqcli.training.processes import Place, current


@dataclass(frozen=True)
class TensorBatch:
    """A batch on the device.

    Args:
        source: (B, S) token ids.
        source_lengths: (B,), on the CPU, where packing needs them.
        target_in, target_out: (B, T) token ids.
        weights: (B,) the weights of the rows in the loss, or None if all are 1.
    """

    source: Tensor
    source_lengths: Tensor
    target_in: Tensor
    target_out: Tensor
    weights: Tensor | None = None


def to_device(batch: Batch, device: torch.device) -> TensorBatch:
    """Copy a batch to the device; missing sources become (B, 0)."""

    def copy(array: NDArray[Any]) -> Tensor:
        return copy_to(torch.from_numpy(array), device)

    source = np.zeros((len(batch.rows), 0), np.int64) if batch.source is None else batch.source
    return TensorBatch(
        copy(source),
        torch.from_numpy(batch.source_lengths),
        copy(batch.target_in),
        copy(batch.target_out),
        None if batch.weights is None else copy(batch.weights),
    )


def at_least_float32(logits: Tensor) -> Tensor:
    """Convert half precision, which is too coarse for a softmax, to float32."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy, summed over all tokens except padding.

    Args:
        logits: (B, T, V).
        targets: (B, T) token ids.
        smoothing: label smoothing (Szegedy et al. 2016, arXiv:1512.00567): the share of the
            target that is spread over all tokens.
        weights: (B,) the weights of the rows in the objective, or None if all are 1.

    Returns:
        the objective, with label smoothing and weights, and the sum in nats, without them.
    """
    flat = at_least_float32(logits.flatten(0, 1))  # (B * T, V)
    flat_targets = targets.flatten()  # (B * T,)
    nats = F.cross_entropy(flat, flat_targets, ignore_index=PAD, reduction="sum")
    if weights is not None:
        each = F.cross_entropy(
            flat, flat_targets, ignore_index=PAD, reduction="none", label_smoothing=smoothing
        )
        return (each.view_as(targets).sum(1) * weights).sum(), nats.detach()
    if smoothing == 0:
        return nats, nats.detach()
    smoothed = F.cross_entropy(
        flat, flat_targets, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
    )
    return smoothed, nats.detach()


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
    problems = {"cuda": _cuda_problem(), "mps": _mps_problem(precision), "cpu": ""}
    if name == "auto":
        name = next(kind for kind, problem in problems.items() if not problem)
    if problems[name]:
        raise UsageError(f"--device {name}: {problems[name]}", "use --device cpu or auto")
    if name != "cuda" or place is None or place.size == 1:
        return torch.device(name)
    gpus = torch.cuda.device_count()
    if place.local_size > gpus:
        message = f"{place.local_size} processes on a machine with {plural(gpus, 'GPU')}"
        raise UsageError(message, "start one process per GPU, or use --device cpu")
    return torch.device(name, place.local_rank)


def _cuda_problem() -> str:
    """Return why CUDA cannot be used, or an empty text."""
    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"this PyTorch ({torch.__version__}) was built without CUDA"
    return "PyTorch finds no GPU; nvidia-smi lists those that the driver finds"


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
    choose_device(config.train.device, config.train.precision, current().place)
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


STEEPNESS = 10.0  # slope of the inverse sigmoid over the whole run


def constant(start: float, end: float, done: float) -> float:
    """Return ``start``."""
    return start


def linear(start: float, end: float, done: float) -> float:
    """Interpolate linearly from ``start`` to ``end`` as ``done`` goes from 0 to 1."""
    return start + (end - start) * done


def inverse_sigmoid(start: float, end: float, done: float) -> float:
    """Interpolate from about ``start`` to about ``end`` along an inverse sigmoid."""
    return end + (start - end) / (1 + math.exp(STEEPNESS * (done - 0.5)))


def mixed_forward(
    model: Model, source: Tensor, source_lengths: Tensor, target_in: Tensor, fed: Tensor
) -> Tensor:
    """Feed true tokens where ``fed`` (B, T) is True (arXiv:1506.03099); return logits (B, T, V).

    Elsewhere the model's most likely token at the previous position is fed.
    """
    state = model.start(source, source_lengths)
    token = target_in[:, 0]
    outputs: list[Tensor] = []
    for t in range(target_in.shape[1]):
        if t > 0:
            truth = fed[:, t] | (target_in[:, t] == PAD)  # (B,)
            token = torch.where(truth, target_in[:, t], outputs[-1].detach().argmax(1))
        logits, state = model.step(token, state)  # (B, V)
        outputs.append(logits)
    return torch.stack(outputs, dim=1)  # (B, T, V)
