"""Train an ensemble: models that differ in their seed, side by side, into one run folder.

Each member is an ordinary run in ``members/1``, ``members/2`` and so on, with the configuration of
the ensemble, one member and its own seed. An ensemble that replaces another run is prepared in a
temporary folder: it replaces the old run once all members are finished, or when it is interrupted
and at least one of them is.
"""

from __future__ import annotations

import contextlib
import math
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seqcli import runs
from seqcli.api.checkpoint_config import finish_reason, progress_of
from seqcli.api.engines import Listen, default_jobs
from seqcli.api.job_pool import run_all
from seqcli.checkpoints import numpy_file
from seqcli.config import Config
from seqcli.config.limits import MAX_SEED
from seqcli.data.corpus import Corpus
from seqcli.errors import CheckpointError, DivergedError, StoppedBySignal, UsageError
from seqcli.events import (
    EnsembleFinished,
    EnsembleStarted,
    Event,
    Listener,
    MemberEvent,
    RunEvent,
)
from seqcli.events import MemberFinished as Member
from seqcli.messages import plural
from seqcli.runs import RunPaths
from seqcli.runs.paths import MEMBERS, member_paths, write_members

SCORING = 0.05  # the share of train.budget that is reserved for the validation of all members


@dataclass(frozen=True)
class MemberJob:
    """The training of one member.

    Args:
        name: the name of its folder.
        config: its configuration.
        sets, flags: changes of settings when it is resumed; see `seqcli.api.train`.
    """

    name: str
    config: Config
    sets: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)


def check_ensemble(settings: Config, out: Path | None) -> None:
    """Check that an ensemble can be trained into ``out``.

    Raises:
        UsageError: ``out`` is a file, or a seed is too large.
    """
    if out is not None and out.suffix == ".pt":
        hint = f"give a folder: --out {shlex.quote(str(out.with_suffix('')))}"
        raise UsageError(f"--out {out}: an ensemble cannot be written to one file", hint)
    last = settings.train.seed + settings.train.members - 1
    if last > MAX_SEED:
        raise UsageError(f"the seed of the last member would be {last}", "give a smaller --seed")


def train_members(
    folder: runs.RunFolder,
    settings: Config,
    corpus: Corpus,
    emit: Listener,
    started: float,
    changes: tuple[Sequence[str], Mapping[str, Any]] = ((), {}),
) -> EnsembleFinished:
    """Train, resume or keep every member; score them and the ensemble on validation.

    Args:
        folder: the locked folder of the ensemble.
        settings: the configuration of the ensemble.
        corpus: its data.
        emit: called with every event.
        started: ``time.monotonic()`` from which ``train.budget`` counts.
        changes: ``set`` and flags of a resumed run.

    Raises:
        SeqcliError: the training of a member failed; the others are finished.
        StoppedBySignal: a signal arrived; finished members are kept.
    """
    done = dict[str, Member]()
    jobs = min(default_jobs(), settings.train.members)
    planned = _jobs(_with_shared_budget(settings, jobs, started), jobs, changes)
    names = tuple(one.name for one in planned)
    write_members(folder.current, names)
    rows = {split: len(pairs) for split, pairs in corpus.splits.items()}
    emit(EnsembleStarted(str(folder.paths.folder), names, jobs, rows, corpus.notes))

    def watch(name: str, event: Event | Member) -> None:
        if isinstance(event, Member):
            done[name] = event
        if isinstance(event, RunEvent | Member):
            emit(MemberEvent(name, event))

    try:
        failures = run_all(planned, folder.current.folder / MEMBERS, jobs, watch, train_member)
    except StoppedBySignal as stopped:
        raise _stopped(folder, len(done), len(planned), stopped) from None
    for name, failure in failures.items():
        raise failure.error(f"member {name}")
    folder.replace_old_run()
    members = tuple(done[name] for name in names)
    validation = _validation(folder.paths, names) if "val" in corpus.splits else ()
    finished = EnsembleFinished(members, validation, time.monotonic() - started)
    emit(finished)
    return finished


def _with_shared_budget(settings: Config, jobs: int, started: float) -> Config:
    """Divide the time left of ``train.budget`` among members that are trained in turn."""
    if not settings.train.budget:
        return settings
    left = max(1.0, settings.train.budget - (time.monotonic() - started))
    turns = math.ceil(settings.train.members / jobs)
    share = (1 - SCORING) * left / turns
    return replace(settings, train=replace(settings.train, budget=share))


def _jobs(
    settings: Config, jobs: int, changes: tuple[Sequence[str], Mapping[str, Any]]
) -> list[MemberJob]:
    """Return the jobs of all members; in parallel, each has one thread unless more are set."""
    sets, given = changes
    flags = {name: value for name, value in given.items() if value is not None}
    threads = settings.train.threads or (1 if jobs > 1 else 0)
    planned = []
    for number in range(1, settings.train.members + 1):
        seed = settings.train.seed + number - 1
        train = replace(settings.train, members=1, seed=seed, threads=threads)
        origins = {key: one for key, one in settings.origins.items() if key != "train.members"}
        origins["train.seed"] = f"member {number} of an ensemble"
        config = replace(settings, train=train, origins=origins)
        planned.append(MemberJob(str(number), config, tuple(sets), flags))
    return planned


def train_member(job: MemberJob, folder: Path, listen: Listen) -> Member:
    """Train or resume a member, unless it is finished and no setting is to be changed.

    Args:
        job: the member.
        folder: the folder that contains its run folder.
        listen: called with every event of its training.

    Raises:
        SeqcliError: training failed.
    """
    paths, reason = RunPaths(folder / job.name), ""
    if not (job.sets or job.flags):
        with contextlib.suppress(CheckpointError):  # resuming uses the checkpoint before it
            reason = finish_reason(paths.folder)
    reason = reason or _train(job, paths, listen)
    progress = progress_of(numpy_file.load(paths.last), paths.last)
    return Member(
        job.name,
        job.config.train.seed,
        progress.epochs_done,
        progress.best_epoch,
        reason,
        progress.seconds_before,
    )


def _train(job: MemberJob, paths: RunPaths, listen: Listen) -> str:
    """Train or resume a member; return why training ended. Its best checkpoint counts."""
    from seqcli import api

    try:
        if paths.holds_run():
            run = api.train(resume=paths.folder, set=job.sets, listen=listen, **job.flags)
        else:
            run = api.train(job.config, out=paths.folder, listen=listen)
    except DivergedError:
        if not paths.best.exists():
            raise
        return "diverged"
    return run.finished.reason


def _validation(paths: RunPaths, names: Sequence[str]) -> tuple[Mapping[str, float], ...]:
    """Return the validation scores of each member, and those of the ensemble."""
    from seqcli.api.evaluating import evaluate

    members = [member_paths(paths, name).folder for name in names]
    models = [*([member] for member in members), members]
    return tuple(dict(evaluate(model, split="val").metrics) for model in models)


def _stopped(
    folder: runs.RunFolder, done: int, total: int, stopped: StoppedBySignal
) -> StoppedBySignal:
    """Keep the finished members of an interrupted ensemble; return the error to raise."""
    path, share = folder.paths.folder, f"{done} of {plural(total, 'member')} finished"
    if folder.is_staged and not done:
        message = f"stopped before the first member was finished; the run in {path} is unchanged"
        return StoppedBySignal(message, "run the same command again", stopped.exit_code)
    folder.replace_old_run()
    hint = f"seqcli train --resume {shlex.quote(str(path))}"
    return StoppedBySignal(f"stopped with {share}; saved in {path}", hint, stopped.exit_code)
