"""`compare --collect`: summarize the finished runs of a comparison, and write its report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from seqcli.api.arguments import checked, in_one_process
from seqcli.api.checkpoint_config import finish_reason
from seqcli.api.comparison_folder import plan_of_runs, problem_of_run
from seqcli.api.engines import Failures, Watch
from seqcli.api.planned_runs import cached_result, finish
from seqcli.comparison.plan_file import StoredPlan, differing_settings, read_plan
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.specification import PlannedRun
from seqcli.comparison.summary import Comparison, summarize
from seqcli.errors import DataError, SeqcliError, UsageError, blamed
from seqcli.report.comparison_files import write_comparison
from seqcli.runs import RunPaths


@in_one_process
@checked
@blamed(DataError)
def collect(folder: str | Path, *, watch: Watch[RunResult] | None = None) -> Comparison:
    """Summarize the finished runs of a folder, trained here or elsewhere, without training.

    Finished runs without scores are scored. ``missing`` lists unfinished runs; ``left_out`` lists
    runs that cannot be used or were trained with other settings than in plan.json.

    Raises:
        DataError: no run is finished, plan.json is damaged, or plan.json is missing and the runs
            differ in data or budget.
        UsageError: the folder is that of a search, whose trials are never scored on test rows.
    """
    root = Path(folder)
    stored = read_plan(root)
    if stored is not None and stored.identity.searched:
        keys = " ".join(stored.identity.searched)
        message = f"{root} is a search for {keys}, not a comparison"
        raise UsageError(message, "run its command again: it keeps finished trials and reports")
    if stored is None:
        stored = plan_of_runs(root)
    return report_on(stored, root, watch=watch)


def report_on(
    stored: StoredPlan,
    folder: Path,
    failures: Failures | None = None,
    watch: Watch[RunResult] | None = None,
) -> Comparison:
    """Score the finished runs of a plan, and write the report.

    Args:
        stored: the plan.
        folder: the folder of the comparison.
        failures: the runs that failed; they are listed in the report.
        watch: called with the name of each finished run and its result.

    Raises:
        SeqcliError: no run is finished.
    """
    failures = failures or {}
    results, missing, left_out = list[RunResult](), list[str](), dict[str, str]()
    for run in stored.runs.values():
        if run.name in failures:
            continue
        problem = "" if run.name in stored.replaced else problem_of_run(run, folder)
        try:
            result = None if problem else _result_if_finished(run, folder, stored.replaced)
        except SeqcliError as error:
            result, problem = None, error.message
        if result is not None:
            results.append(result)
            if watch is not None:
                watch(run.name, result)
        elif problem:
            left_out[run.name] = problem
        else:
            missing.append(run.name)
    if not results:
        raise _no_results(folder, left_out, failures)
    configs = {run.arm: run.config for run in stored.runs.values()}
    notes = (*stored.notes, *_unplanned_runs(folder, stored))
    comparison = replace(
        summarize(stored.name, str(folder), results, missing, notes),
        failed=failures,
        left_out=left_out,
        differing=differing_settings(configs),
    )
    write_comparison(comparison)
    return comparison


def _result_if_finished(
    run: PlannedRun, folder: Path, replaced: Collection[str]
) -> RunResult | None:
    """Return the result of a finished run, scoring it if needed; None if it is not finished."""
    if run.name in replaced:
        return None
    result = cached_result(folder / run.name)
    if result is not None or not finish_reason(folder / run.name):
        return result
    return finish(run, folder, lambda event: None)


def _no_results(folder: Path, left_out: Mapping[str, str], failures: Failures) -> SeqcliError:
    """Return the error for a folder without usable results."""
    for name, failure in failures.items():
        return failure.error(f"{folder}: no run is finished: {name}")
    for name, problem in left_out.items():
        return DataError(f"{folder}: no run can be used: {name} {problem}")
    return DataError(f"{folder}: contains no finished run", "run the commands of compare --plan")


def _unplanned_runs(folder: Path, stored: StoredPlan) -> list[str]:
    """Return a note that lists the runs in a folder that are not part of the plan."""
    known = {*stored.runs, *stored.replaced}
    names = [path.name for path in sorted(folder.glob("*")) if RunPaths(path).holds_run()]
    others = [name for name in names if name not in known]
    return [f"not part of this comparison: {', '.join(others)}"] if others else []
