"""`runs`: list the runs in a folder, with their data, model, state and scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seqcli.api.arguments import checked
from seqcli.api.checkpoint_config import OpenedCheckpoint, finish_reason
from seqcli.api.members import open_members
from seqcli.descriptions import RunSummary
from seqcli.errors import SeqcliError, UsageError
from seqcli.files.lock import is_held
from seqcli.runs import ROOT, RunPaths
from seqcli.runs.folders import find_runs
from seqcli.runs.paths import read_members

DEPTH = 3  # levels of folders that are searched


@checked
def list_runs(folder: str | Path = ROOT) -> list[RunSummary]:
    """List the runs in a folder and in its subfolders, newest first.

    The members of an ensemble are not listed. Checkpoints are read, but not loaded into a backend.

    Args:
        folder: the folder to search, or a run folder.

    Raises:
        UsageError: the folder does not exist.
    """
    path = Path(folder)
    if not path.is_dir():
        problem = "is a file" if path.exists() else "there is no such folder"
        raise UsageError(f"{path}: {problem}", "give a folder with runs, such as runs")
    itself = [path] if RunPaths(path).holds_run() else []
    found = map(_summary, map(RunPaths, [*itself, *find_runs(path, DEPTH)]))
    return sorted(found, key=lambda one: (-one.modified, one.path))


def _summary(run: RunPaths) -> RunSummary:
    """Describe a run; damaged files never raise an error."""
    summary = RunSummary(str(run.folder), "no checkpoint", _modified(run))
    if run.has_checkpoint():
        try:
            summary = _with_checkpoint(summary, run)
        except SeqcliError:
            summary = replace(summary, state="damaged")
    return replace(summary, state="running") if _is_running(run) else summary


def _with_checkpoint(summary: RunSummary, run: RunPaths) -> RunSummary:
    """Add what the checkpoint of a run, or those of an ensemble's members, say.

    Raises:
        SeqcliError: a checkpoint is missing or damaged.
    """
    opened = open_members(run.folder)
    first, several = opened.first, len(opened.members) > 1
    metrics = dict(first.checkpoint.metrics)
    epoch = int(metrics.pop("epoch", 0))
    reasons = [reason for member in _runs_of(run) for reason in _reasons(member)]
    summary = replace(
        summary,
        data=first.checkpoint.record.name or "",
        model=_model(first) + f" x{len(opened.members)}" * several,
        state="finished" if all(reasons) else "interrupted",
        reason=reasons[0] if len(set(reasons)) == 1 else "",
    )
    return summary if several else replace(summary, epoch=epoch, metrics=metrics)


def _runs_of(run: RunPaths) -> tuple[RunPaths, ...]:
    return read_members(run) if run.ensemble.exists() else (run,)


def _reasons(run: RunPaths) -> Iterator[str]:
    """Yield why training ended; "" if it can be resumed."""
    if run.last.exists() or run.previous.exists():
        yield finish_reason(run.folder)


def _model(opened: OpenedCheckpoint) -> str:
    """Describe a model in a few words, such as "gru, additive attention, 1 x 64"."""
    model = opened.config.model
    attention = [f"{model.attention} attention"] if model.attention != "none" else []
    return ", ".join([model.cell, *attention, f"{model.layers} x {model.hidden}"])


def _modified(run: RunPaths) -> float:
    """Return when the newest file of a run was written."""
    files = (run.config, run.metrics, run.last, run.best, *(one.last for one in run.members))
    times = [one.stat().st_mtime for one in files if one.exists()]
    return max(times, default=0.0)


def _is_running(run: RunPaths) -> bool:
    return any(is_held(one.lock) for one in (run, *run.members))
