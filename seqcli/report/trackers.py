"""Experiment trackers: trackio, Weights & Biases and MLflow follow the events of runs.

The library of a tracker is imported when it is used. Projects, servers and offline mode are set by
the environment variables of each library.
"""

from __future__ import annotations

import contextvars
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from seqcli import registry
from seqcli.comparison.run_result import RunResult
from seqcli.errors import StoppedBySignal, UsageError
from seqcli.events import (
    EnsembleFinished,
    EnsembleStarted,
    EpochEnded,
    Event,
    Finished,
    MemberEvent,
    MemberFinished,
    RunFailed,
    RunStarted,
    Setting,
    dispensable,
)
from seqcli.messages import note
from seqcli.metrics.metric import epoch_metrics

PROJECT = "seqcli"  # of all trackers, unless their environment variables name another
Status: TypeAlias = Literal["finished", "interrupted", "failed"]
_Ended: TypeAlias = Literal["ended"]
Watch: TypeAlias = Callable[[str, Event | RunResult], None]


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker shows it.

    Args:
        name: the name of its folder, or of a run of a comparison.
        group: the comparison or the ensemble that it belongs to; "" for a run of its own.
        settings: dotted key -> value of the whole configuration, and facts about the model.
    """

    name: str
    group: str
    settings: Mapping[str, Setting]


class Tracker(Protocol):
    """One run at a tracker, which begins when the object is made from a `TrackedRun`."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log the metrics of an epoch, by their TensorBoard tags."""

    def end(self, scores: Mapping[str, float], status: Status) -> str:
        """Log the final scores and the status; return where the run can be seen."""


class Trackio:
    """A run of trackio; ``TRACKIO_PROJECT`` names another project than seqcli."""

    library: ClassVar[str] = "trackio"

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        self._project, self._name = os.environ.get("TRACKIO_PROJECT", PROJECT), run.name
        options = {"name": run.name, "group": run.group or None, "config": dict(run.settings)}
        with redirect_stdout(io.StringIO()):
            # in a context of its own: trackio ends the run that is current in this one
            self._run = contextvars.Context().run(trackio.init, self._project, **options)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See `Tracker.log`."""
        self._run.log(dict(metrics), step=step)

    def end(self, scores: Mapping[str, float], status: Status) -> str:
        """See `Tracker.end`; trackio has no status, so that it is logged with the scores."""
        self._run.log({**scores, "status": status})
        with redirect_stdout(io.StringIO()):
            self._run.finish()
        return f"run {self._name}; to see it: trackio show --project {self._project}"


class WandB:
    """A run of Weights & Biases; ``WANDB_PROJECT`` names another project than seqcli."""

    library: ClassVar[str] = "wandb"

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            group=run.group or None,
            config=dict(run.settings),
            reinit="create_new",  # several runs at a time
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See `Tracker.log`."""
        self._run.log(dict(metrics), step=step)

    def end(self, scores: Mapping[str, float], status: Status) -> str:
        """See `Tracker.end`."""
        self._run.summary.update({**scores, "status": status})
        self._run.finish(exit_code=int(status == "failed"))
        if self._run.offline:
            return f"to upload the run: wandb sync {Path(self._run.dir).parent}"
        return f"run {self._run.url}"


class MLflow:
    """A run of MLflow; ``MLFLOW_EXPERIMENT_NAME`` names another experiment than seqcli."""

    library: ClassVar[str] = "mlflow"
    statuses: ClassVar[Mapping[Status, str]] = {
        "finished": "FINISHED",
        "interrupted": "KILLED",
        "failed": "FAILED",
    }
    most_parameters: ClassVar[int] = 100  # of one request

    def __init__(self, run: TrackedRun) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        self._client = self._mlflow.MlflowClient()
        experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
        tags = {"group": run.group} if run.group else {}
        self._run = self._client.create_run(experiment, tags=tags, run_name=run.name).info.run_id
        entities = self._mlflow.entities
        parameters = [entities.Param(key, str(value)) for key, value in run.settings.items()]
        for first in range(0, len(parameters), self.most_parameters):
            some = parameters[first : first + self.most_parameters]
            self._client.log_batch(self._run, params=some)

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, which is created if it does not exist."""
        known = self._client.get_experiment_by_name(name)
        found: str = known.experiment_id if known else self._client.create_experiment(name)
        return found

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See `Tracker.log`."""
        now, metric = int(time.time() * 1000), self._mlflow.entities.Metric
        values = [metric(key, value, now, step) for key, value in metrics.items()]
        self._client.log_batch(self._run, metrics=values)

    def end(self, scores: Mapping[str, float], status: Status) -> str:
        """See `Tracker.end`."""
        self.log(scores, 0)
        self._client.set_terminated(self._run, self.statuses[status])
        return f"run {self._run} in {self._mlflow.get_tracking_uri()}"


@dataclass
class _Open:
    """A run that a tracker follows, and what is known about its end."""

    tracker: Tracker
    scores: dict[str, float] = field(default_factory=dict)
    status: Status = "failed"  # unless it finishes


class Tracking:
    """Follow runs with a tracker: the listener of a run, and the watcher of a comparison.

    It is dropped with one note if the tracker fails.

    Args:
        name: the name of the tracker.
        kind: its class.
        group: the name of a comparison.
    """

    def __init__(self, name: str, kind: type[Any], group: str = "") -> None:
        self.__name__ = name  # in the note about a failure
        self._kind, self._group = kind, group
        self._open: dict[str, _Open] = {}
        self.watch = dispensable(self)

    def listen(self, event: Event) -> None:
        """Follow an event of a run or of an ensemble."""
        if isinstance(event, EnsembleStarted):
            self._group = Path(event.folder).name
        if isinstance(event, MemberEvent):
            self.watch(event.member, event.event)
        else:
            self.watch("", event)

    def __call__(self, name: str, event: Event | MemberFinished | RunResult | _Ended) -> None:
        """Follow an event of the run ``name``, "" if there is only one."""
        if isinstance(event, RunStarted):
            self._begin(name, event)
        elif isinstance(event, EnsembleFinished):
            self._end_ensemble(event)
        elif name in self._open:
            self._follow(name, self._open[name], event)

    def close(self, status: Status) -> None:
        """End the runs that are open: with a status, unless they have finished."""
        for name, run in list(self._open.items()):
            run.status = status if run.status == "failed" else run.status
            self.watch(name, "ended")

    def _begin(self, name: str, started: RunStarted) -> None:
        if name in self._open:  # it continues in another process
            return
        shown = name or Path(started.folder).name or started.name
        shown = f"{self._group}-{name}" if name.isdecimal() else shown  # a member of an ensemble
        facts: dict[str, Setting] = {
            "model.description": started.model,
            "model.parameters": started.parameters,
        }
        facts |= {"run.device": started.device, "run.steps_before": started.steps_done}
        settings = {**started.settings, **facts}
        self._open[name] = _Open(self._kind(TrackedRun(shown, self._group, settings)))

    def _end_ensemble(self, finished: EnsembleFinished) -> None:
        scores = {f"val/{key}": value for key, value in (finished.validation or ({},))[-1].items()}
        members: Mapping[str, Setting] = {"train.members": len(finished.members)}
        run = TrackedRun(self._group, self._group, members)
        self._open["ensemble"] = _Open(self._kind(run), scores, "finished")

    def _follow(self, name: str, run: _Open, event: object) -> None:
        if isinstance(event, EpochEnded):
            tags = {one.tag: event.metrics[one.key] for one in epoch_metrics(event.metrics)}
            run.tracker.log({"epoch": event.epoch, **tags}, event.step)
        elif isinstance(event, Finished):
            run.status = "interrupted" if event.reason == "interrupted" else "finished"
            scored = [one for one in epoch_metrics(event.best) if one.split]
            run.scores |= {"best/epoch": event.best_epoch}
            run.scores |= {f"best/{one.tag}": event.best[one.key] for one in scored}
        elif isinstance(event, RunResult):
            run.status = "finished"
            every = event.metrics.items()
            run.scores |= {f"{split}/{k}": v for split, scores in every for k, v in scores.items()}
        elif isinstance(event, RunFailed):
            run.status = "failed"
        if event == "ended" or isinstance(event, RunResult | RunFailed | MemberFinished):
            del self._open[name]
            note(f"{self.__name__}: {run.tracker.end(run.scores, run.status)}")


@contextmanager
def open_trackers(names: Sequence[str], group: str = "") -> Iterator[tuple[Tracking, ...]]:
    """Return the trackers of these names; end the runs that are open at the end of the block.

    Args:
        names: names in `seqcli.registry.TRACKERS`.
        group: the name of a comparison, which groups its runs.

    Raises:
        UsageError: there is no such tracker, or its library is not installed.
    """
    trackers = tuple(Tracking(name, _kind(name), group) for name in names)
    status: Status = "failed"
    try:
        yield trackers
    except StoppedBySignal:
        status = "interrupted"
        raise
    finally:
        for one in trackers:
            one.close(status)


@contextmanager
def tracked(names: Sequence[str], group: str, watch: Watch | None) -> Iterator[Watch]:
    """Return a watcher of a comparison that calls another one and trackers; see `open_trackers`."""
    with open_trackers(names, group) as trackers:
        every = [one for one in (watch, *(tracker.watch for tracker in trackers)) if one]

        def notify(run: str, event: Event | RunResult) -> None:
            for one in every:
                one(run, event)

        yield notify


def _kind(name: str) -> type[Any]:
    """Return the class of a tracker.

    Raises:
        UsageError: there is no such tracker, or its library is not installed.
    """
    if name == "tensorboard":
        message = "--track tensorboard is not needed: every run writes files for TensorBoard"
        raise UsageError(message, "omit it; to see them: tensorboard --logdir runs")
    kind: type[Any] = registry.resolve("tracker", name, registry.TRACKERS)
    library = getattr(kind, "library", "")  # that of a plugin may be none of ours
    if library and find_spec(library) is None:
        hint = f"python -m pip install 'seqcli[{library}]'"
        message = f"--track {name} needs {library}, which is not installed"
        raise UsageError(message, hint)
    return kind
