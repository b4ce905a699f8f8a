"""Finish a planned run: keep it if it is finished, resume it if it was interrupted, else train it.

The same function finishes a run in a local process and as a task of a Dask cluster. It is
idempotent: after the death of its process it is called again, and continues.
"""

from __future__ import annotations

from pathlib import Path

from seqcli import registry
from seqcli.api.checkpoint_config import finish_reason, steps_done
from seqcli.api.engines import Listen
from seqcli.comparison.run_result import RunResult, read_result, write_result
from seqcli.comparison.specification import PlannedRun
from seqcli.errors import DivergedError
from seqcli.runs import RunPaths


def cached_result(folder: Path) -> RunResult | None:
    """Return the result in a run folder; None if it is missing or outdated by more training."""
    result = read_result(folder)
    if result is None or not RunPaths(folder).best.exists():
        return None
    return result if steps_done(RunPaths(folder)) in (result.steps, None) else None


def finish(run: PlannedRun, folder: Path, listen: Listen, split: str = "") -> RunResult:
    """Train or resume a run if needed, score it, and return its result.

    A run that replaces another starts from scratch; the old run is kept until the new one has a
    checkpoint.

    Args:
        run: the run.
        folder: the folder of the comparison.
        listen: called with every event of its training.
        split: the only split to score; by default see `seqcli.api.scoring.score_run`.

    Raises:
        SeqcliError: training or scoring failed.
    """
    from seqcli.api.scoring import RunName, score_run

    paths = RunPaths(folder / run.name)
    cached = None if run.replace else cached_result(paths.folder)
    if cached is not None:
        return cached
    reason = "" if run.replace else finish_reason(paths.folder)
    if not reason:
        reason = _train(run, paths, listen)
    result = score_run(paths.folder, RunName(run.name, run.arm, run.seed), reason, split)
    write_result(paths.folder, result)
    return result


def _train(run: PlannedRun, paths: RunPaths, listen: Listen) -> str:
    """Train or resume a run; return why training ended.

    A run that diverges is represented by its best checkpoint, if it has one. The checkpoint of an
    old run that was not replaced yet is never used.
    """
    from seqcli import api

    # a time budget does not include the import of PyTorch, which only the first run needs
    registry.resolve("backend", run.config.train.backend, registry.BACKENDS)
    replaced = paths.folder.stat().st_ino if paths.has_checkpoint() else None
    try:
        if run.replace:
            return api.train(
                run.config, out=paths.folder, force=True, listen=listen
            ).finished.reason
        if paths.holds_run():
            return api.train(resume=paths.folder, listen=listen).finished.reason
        return api.train(run.config, out=paths.folder, listen=listen).finished.reason
    except DivergedError:
        is_old = run.replace and paths.folder.stat().st_ino == replaced
        if is_old or not paths.best.exists():
            raise
        return "diverged"
