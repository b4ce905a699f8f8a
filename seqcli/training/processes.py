"""Train one model on several processes, which torchrun starts.

``torchrun --nproc-per-node 2 -m seqcli train ...`` runs the same command in several processes. They
compute the same training as one process with the same global batch:

- The main process (rank 0) reads the data, writes the run folder and reports. It sends settings,
  data, weights and training state to the others, which read and write no files.
- In each step every process computes the gradients of its share of the rows. One ``all_reduce``
  sums them, and the losses, over all processes; the loss is divided by the tokens of the global
  batch. Clipping and the optimizer step follow, with the same result in every process.
- The main process validates. Its clock counts for ``train.budget``. A signal to any process stops
  all of them after the same step.

Up to rounding, losses are those of one process, except with dropout: each process draws the masks
of its own rows, from the seed, the step and its rank. A checkpoint does not depend on the number of
processes, so a run resumes with any number.

If a process ends, the others notice it in the next exchange and end as well. Only the first process
that fails reports its error.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from seqcli.errors import MachineError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributed import Store  # type: ignore[attr-defined]

    from seqcli.data.batches import Batch

T = TypeVar("T")

TIMEOUT = timedelta(hours=12)  # for the slowest exchange: waiting while the main process validates

POLL = 0.05  # seconds between two looks at the store
PATIENCE = 3.0  # seconds for the process that reports an error to end first


@dataclass(frozen=True)
class Place:
    """The place of a process among those that torchrun has started.

    Args:
        rank, size: its number, from 0, and the number of all processes.
        local_rank, local_size: the same on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Place:
        """Return the place that torchrun's environment variables describe; without them, alone.

        Raises:
            UsageError: a variable is not a number.
        """
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if not all(name in environment for name in (*names, "MASTER_ADDR", "MASTER_PORT")):
            return cls()
        try:
            rank, size, local_rank = (int(environment[name]) for name in names)
            local_size = int(environment.get("LOCAL_WORLD_SIZE", size))
        except ValueError as error:
            message = "RANK, WORLD_SIZE and LOCAL_RANK must be numbers, as torchrun sets them"
            raise UsageError(message, "unset them to train in one process") from error
        return cls(rank, size, local_rank, local_size)


class Processes:
    """The processes of one training. This class is a single process, without communication.

    Args:
        place: of this process.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place()
        self.rank, self.size = self.place.rank, self.place.size

    @property
    def is_main(self) -> bool:
        """Whether this process reads, writes and reports."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """Return this process's rows of a batch."""
        from seqcli.data.batches import share

        return batch if self.size == 1 else share(batch, self.rank, self.size)

    def broadcast(self, value: T) -> T:
        """Return the value that the main process passes."""
        return value

    def from_main(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the main process only; return its result in all."""
        return work()

    def synchronize(self, get: Callable[[], T], put: Callable[[T], None]) -> None:
        """Pass the result of ``get`` in the main process to ``put`` in the others."""

    def maximum(self, value: int) -> int:
        """Return the maximum of a number over all processes."""
        return value

    def sum_(self, values: Tensor) -> None:
        """Replace values by their sum over all processes."""

    def fails_first(self) -> bool:
        """Return whether this process, which fails or stops, is the first one to do so."""
        return True

    def own_draws(
        self, seed: int, step: int, device: torch.device
    ) -> AbstractContextManager[object]:
        """Return a context whose random numbers differ between processes.

        They depend on the seed, the step and the rank only. The random state outside, which all
        processes share, does not change.
        """
        return nullcontext()


class DistributedProcesses(Processes):
    """Several processes that communicate by `torch.distributed`.

    Numbers on a GPU are exchanged by NCCL, all others by Gloo.

    Raises:
        MachineError: (in every exchange) another process has ended.
    """

    def __init__(self, place: Place, store: Store) -> None:
        super().__init__(place)
        self._store = store
        self._fails_first: bool | None = None

    def broadcast(self, value: T) -> T:
        """See `Processes.broadcast`; tensors arrive on the CPU."""
        import torch.distributed as dist

        from seqcli.checkpoints.torch_file import on_cpu

        values: list[Any] = [on_cpu(value) if self.is_main else None]
        with _lost_process(self.size):
            dist.broadcast_object_list(values, device=_cpu())
        result: T = values[0]
        return value if self.is_main else result

    def from_main(self, work: Callable[[], T]) -> T:
        """See `Processes.from_main`."""
        return self.broadcast(work() if self.is_main else None)  # type: ignore[return-value]

    def synchronize(self, get: Callable[[], T], put: Callable[[T], None]) -> None:
        """See `Processes.synchronize`."""
        value = self.from_main(get)
        if not self.is_main:
            put(value)

    def maximum(self, value: int) -> int:
        """See `Processes.maximum`."""
        import torch
        import torch.distributed as dist

        number = torch.tensor(value)
        with _lost_process(self.size):
            dist.all_reduce(number, dist.ReduceOp.MAX)
        return int(number)

    def sum_(self, values: Tensor) -> None:
        """See `Processes.sum_`."""
        import torch.distributed as dist

        with _lost_process(self.size):
            if values.device.type in ("cpu", "cuda"):
                dist.all_reduce(values)
            else:
                copied = values.cpu()
                dist.all_reduce(copied)
                values.copy_(copied)

    @contextmanager
    def own_draws(self, seed: int, step: int, device: torch.device) -> Iterator[None]:
        """See `Processes.own_draws`."""
        import numpy as np
        import torch

        (state,) = np.random.SeedSequence([seed, step, self.rank]).generate_state(1, np.uint64)
        gpus = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(gpus):
            torch.manual_seed(int(state))
            yield

    def fails_first(self) -> bool:
        """See `Processes.fails_first`."""
        if self._fails_first is None:
            try:
                self._fails_first = self._store.add("failures", 1) == 1
            except RuntimeError:  # the store ended with another process
                self._fails_first = True
        return self._fails_first


@contextmanager
def _lost_process(size: int) -> Iterator[None]:
    """Convert a failed exchange to an error.

    Raises:
        MachineError: another process has ended.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        message = f"one of the {size} processes of this training has ended, so the others end too"
        hint = "to continue, run the same command with --resume; torchrun --max-restarts 3 does so"
        raise MachineError(message, hint) from error


def _cpu() -> torch.device:
    import torch

    return torch.device("cpu")


_current: list[Processes] = [Processes()]
_reports: list[bool] = []  # whether this process reports errors; empty: the main process does


def current() -> Processes:
    """Return the processes of this training; a single one outside of `joined`."""
    return _current[0]


def reports() -> bool:
    """Return whether this process reports messages and errors.

    The main process does, and so does the first process that fails.
    """
    if _reports:
        return _reports[0]
    return "RANK" not in os.environ or Place.from_environment().rank == 0


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun has started, if it has, inside the block.

    Raises:
        MachineError: the processes cannot reach each other.
        UsageError: there are more processes than GPUs on this machine.
    """
    place = Place.from_environment()
    if place.size == 1:
        yield Processes()
        return
    import torch.distributed as dist

    processes = _join(place)
    _current[0] = processes
    try:
        yield processes
    except Exception:
        _reports[:] = [processes.fails_first()]
        if not processes.fails_first():  # torchrun blames the process that ends first
            time.sleep(PATIENCE)
        raise
    finally:
        _current[0] = Processes()
        dist.destroy_process_group()


def _join(place: Place) -> DistributedProcesses:
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    gpus = torch.cuda.is_available()
    if gpus and place.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(place.local_rank)
    with _lost_process(place.size):
        shared, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
        store = store_of_this_start(shared, rank, size)
        backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return DistributedProcesses(place, store)


def store_of_this_start(store: Store, rank: int, size: int) -> Store:
    """Return the part of torchrun's store that belongs to this start of the processes.

    The store outlives a restart, and with it the addresses of processes that are gone: who reads
    one waits for ever. So the main process makes up a name for this start, and the others use it
    as soon as the main process has answered them under it.
    """
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

    name = uuid.uuid4().hex
    if rank == 0:
        store.set("start", name)
        for other in range(1, size):
            greeting: bytes = store.get(f"{name}/{other}")  # waits for it
            store.set(f"{name}/{other}/{greeting.decode()}", "answered")
        return PrefixStore(name, store)
    while True:
        start = store.get("start").decode()  # of an earlier start, until the main process is here
        store.set(f"{start}/{rank}", name)
        if store.check([f"{start}/{rank}/{name}"]):
            return PrefixStore(start, store)
        time.sleep(POLL)


def refuse_several(what: str, hint: str) -> None:
    """Refuse something that only one process can do.

    Raises:
        UsageError: torchrun has started several processes.
    """
    size = Place.from_environment().size
    if size > 1:
        raise UsageError(f"torchrun has started {size} processes, but {what}", hint)
