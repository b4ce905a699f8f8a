"""Train on several processes: what the main process sends, and what the others do.

See `seqcli.training.processes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from seqcli import registry
from seqcli.api.checkpoint_config import limits_of
from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.errors import Exit, StoppedBySignal
from seqcli.events import Event
from seqcli.interrupts import stop_on_signals
from seqcli.training.loop import Loop
from seqcli.training.processes import Processes, joined

P = ParamSpec("P")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TrainingJob:
    """What the main process sends to the others before training.

    Args:
        config: the complete configuration of the run.
        corpus: its data.
    """

    config: Config
    corpus: Corpus


@dataclass(frozen=True)
class _Outcome:
    """What the main process sends to the others at the end.

    Args:
        result: of the function that it ran.
        code: the exit code, if a signal has stopped the training.
    """

    result: Any
    code: Exit = Exit.DONE


def on_all_processes(function: Callable[P, Result]) -> Callable[P, Result]:
    """Decorate a function that trains, so that it trains on all processes of torchrun.

    The main process runs the function, and the others help it: they train with it after
    `TrainingJob` and return its result.

    Raises:
        MachineError: another process has ended.
        StoppedBySignal: a signal has stopped the training.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Result:
        with joined() as processes:
            if not processes.is_main:
                return _help(processes)  # type: ignore[no-any-return]
            try:
                result = function(*args, **kwargs)
            except StoppedBySignal as stopped:
                processes.fails_first()  # before the others know
                processes.broadcast(_Outcome(None, stopped.exit_code))
                raise
            processes.broadcast(_Outcome(result))
            return result

    return run


def _help(processes: Processes) -> Any:
    """Train with the main process; return its result."""
    message = processes.broadcast(None)
    if isinstance(message, TrainingJob):
        _train(message, processes)
        message = processes.broadcast(None)
    assert isinstance(message, _Outcome)
    if message.code != Exit.DONE:
        raise StoppedBySignal("stopped by a signal", "", message.code)
    return message.result


def _train(job: TrainingJob, processes: Processes) -> None:
    """Train in step with the main process, without files and reports."""
    settings, corpus = job.config, job.corpus
    build = registry.resolve("backend", settings.train.backend, registry.BACKENDS)
    place = Path(f"process {processes.rank}")  # for messages
    with stop_on_signals() as stop:
        limits = limits_of(corpus.provenance, corpus.codec, place)
        setup = build(settings, corpus, limits, None, place)
        loop = Loop(setup.trainer, corpus, setup.config, stop=stop, processes=processes)
        loop.synchronize()
        loop.fit(_ignore)


def _ignore(event: Event) -> None:
    """Ignore an event; the main process reports."""
