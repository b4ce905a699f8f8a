"""`compare`: train several models on the same data and budget, over several seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.arguments import checked
from seqcli.api.comparison_folder import (
    check_as_planned,
    check_usable,
    choose_folder,
    mark_replaced,
    plan_of_runs,
    problem_of_run,
    remove_replaced,
    store,
)
from seqcli.api.initializing import with_initial_settings
from seqcli.api.job_pool import Watch, cached_result, default_jobs, finish, run_all
from seqcli.comparison import defaults
from seqcli.comparison import specification as planning
from seqcli.comparison.plan_file import StoredPlan, differing_settings, identity_of, read_plan
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.specification import PlannedRun, Specification
from seqcli.comparison.summary import Comparison, summarize
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import facts_of, with_chosen_tokens
from seqcli.data.corpus import Corpus
from seqcli.data.files.rows import remarks
from seqcli.errors import DataError, SeqcliError, StoppedBySignal, UsageError, blamed
from seqcli.events import Event
from seqcli.files.atomic import writing
from seqcli.files.regular import single_name
from seqcli.report.comparison_files import write_comparison
from seqcli.runs import RunPaths, locked


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison and their folder.

    Args:
        folder: the folder of the comparison.
        stored: its name, runs and identity, as stored in plan.json.
        force: whether to replace existing runs.
    """

    folder: Path
    stored: StoredPlan
    force: bool = False

    @property
    def name(self) -> str:
        """The name of the comparison."""
        return self.stored.name

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs, in training order."""
        return tuple(self.stored.runs.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """The default settings of compare that are used, and remarks on the data."""
        return self.stored.notes

    @property
    def commands(self) -> tuple[str, ...]:
        """One complete `seqcli train` command for each run."""
        return tuple(planning.command(run, self.folder) for run in self.runs)


@checked
def compare(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    jobs: int = 0,
    watch: Watch | None = None,
    **options: Any,
) -> Comparison:
    """Train and score several models; return a summary of the results.

    If it was interrupted, the same call keeps the finished runs and resumes the others, bit for
    bit. It writes compare.json, compare.md, plots and report.html to the folder.

    Args:
        config: a YAML file, or a mapping of sections or dotted keys, that all runs share.
        out: the folder; ``runs/compare-<task>`` by default.
        force: replace existing runs, each once the new run has a checkpoint.
        jobs: runs at a time; 0: one per core, at most 4.
        watch: called with the name of a run and each of its events, the last one its `RunResult`.
        options: see `plan`.

    Raises:
        UsageError: an option is wrong, or ``out`` holds another comparison.
        DataError: the data cannot be used.
        StoppedBySignal: a signal arrived; the same call resumes the comparison.
    """
    return run_plan(plan(config, out=out, force=force, **options), jobs=jobs, watch=watch)


@checked
def plan(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    set: Sequence[str] = (),
    cells: Sequence[str] = planning.Specification.cells,
    attention: str = planning.Specification.attention,
    seeds: int = planning.Specification.seeds,
    match: str = planning.Specification.match,
    grid: Sequence[str] = (),
    recipes: str = planning.Specification.recipes,
    out: str | Path | None = None,
    force: bool = False,
    name: str = "",
    **flags: Any,
) -> Plan:
    """Plan the runs of a comparison, without training or writing anything.

    Args:
        config: as for `compare`.
        set: ``key=value`` texts that override ``config``.
        cells: the cells to compare.
        attention: on, off or both: whether recurrent models attend to the source.
        seeds: the number of runs of each model; their seeds count up from train.seed.
        match: params: choose widths so that parameter counts agree within 5%; none: keep widths.
        grid: ``key=a,b,c`` texts; every combination is a separate arm.
        recipes: shared: one learning rate, warm-up, schedule and dropout for all models; own: those
            of each model's recipe. Explicit settings override both.
        out, force: as for `compare`.
        name: the name of the comparison; by default the name of its data.
        flags: settings by short names, which override the rest: ``task="sort", epochs=5``.

    Raises:
        UsageError: an option is wrong.
        DataError: the data cannot be used.
    """
    specification = Specification(
        tuple(cells), attention, seeds, match, planning.parse_grid(grid), recipes
    )
    settings = with_initial_settings(configuration.load(config, set, flags))
    base = planning.base_config(settings, recipes)
    corpus = build_corpus(base.data, base.task)
    base = with_chosen_tokens(base, corpus)
    arms = planning.arms(base, specification, facts_of(corpus))
    if match == "params" and len(arms) > 1:
        from seqcli.api.parameter_matching import match_parameters

        arms = match_parameters(arms, corpus)
    stored = _stored_plan(name, planning.runs(arms, seeds), specification, base, corpus)
    place = None if out is None else Path(out)
    return Plan(choose_folder(f"compare-{stored.name}", place, stored, force), stored, force)


def _stored_plan(
    name: str,
    runs: Sequence[PlannedRun],
    specification: Specification,
    base: Config,
    corpus: Corpus,
) -> StoredPlan:
    """Return the plan of a comparison as its folder stores it."""
    title = single_name(name, "the name of the comparison") if name else corpus.name
    identity = identity_of(runs, specification, planning.open_keys(base), corpus.provenance)
    notes = (*_used_defaults(base), *corpus.notes, *remarks(corpus.reading))
    return StoredPlan(title, identity, {run.name: run for run in runs}, notes=notes)


@checked
def store_plan(plan: Plan) -> None:
    """Write plan.json, so that `collect` can report on runs that are trained elsewhere.

    Raises:
        UsageError: the folder holds another comparison or cannot be written.
    """
    if plan.force:
        hint = "choose another --out"
        raise UsageError("--force cannot be combined with --plan, which replaces nothing", hint)
    with _locked(plan):
        store(plan.folder, plan.stored, force=False)


@checked
def run_plan(plan: Plan, *, jobs: int = 0, watch: Watch | None = None) -> Comparison:
    """Run a plan and write its report; see `compare`."""
    if jobs < 0:
        raise UsageError(f"--jobs cannot be {jobs}", "give 1 or more")
    with _locked(plan):
        stored = store(plan.folder, plan.stored, plan.force)
        stored = _train(plan, stored, jobs or default_jobs(), watch)
        remove_replaced(plan.folder, stored)
        return _report_on(stored, plan.folder)


def _train(plan: Plan, stored: StoredPlan, jobs: int, watch: Watch | None) -> StoredPlan:
    """Train and score the runs of a plan; return the updated plan."""
    done: list[str] = []

    def on_event(run: str, event: Event | RunResult) -> None:
        nonlocal stored
        if isinstance(event, RunResult):
            done.append(run)
            stored = mark_replaced(plan.folder, stored, [run])
        if watch is not None:
            watch(run, event)

    runs = [replace(run, replace=run.name in stored.replaced) for run in plan.runs]
    check_as_planned(runs, plan.folder)
    try:
        run_all(runs, plan.folder, jobs, on_event, finish)
    except StoppedBySignal as stopped:
        message = f"stopped; {len(done)} of {len(runs)} runs are finished"
        hint = "run the same command again to resume" + " (without --force)" * plan.force
        raise StoppedBySignal(message, hint, stopped.exit_code) from None
    return stored


@contextlib.contextmanager
def _locked(plan: Plan) -> Iterator[None]:
    """Create and lock the folder of a plan.

    Raises:
        UsageError: the folder is locked, or now holds another comparison.
    """
    with writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    with locked(RunPaths(plan.folder)):
        check_usable(plan.folder, plan.stored, plan.force)
        yield


@checked
@blamed(DataError)
def collect(folder: str | Path, *, watch: Watch | None = None) -> Comparison:
    """Summarize the finished runs of a folder, trained here or elsewhere, without training.

    Finished runs without scores are scored. ``missing`` lists unfinished runs; ``left_out`` lists
    runs that cannot be used or were trained with other settings than in plan.json.

    Raises:
        DataError: no run is finished, plan.json is damaged, or plan.json is missing and the runs
            differ in data or budget.
    """
    root = Path(folder)
    stored = read_plan(root)
    if stored is None:
        stored = plan_of_runs(root)
    return _report_on(stored, root, watch)


def _report_on(stored: StoredPlan, folder: Path, watch: Watch | None = None) -> Comparison:
    """Score the finished runs of a plan, and write the report."""
    results, missing, left_out = list[RunResult](), list[str](), dict[str, str]()
    for run in stored.runs.values():
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
        raise _no_results(folder, left_out)
    configs = {run.arm: run.config for run in stored.runs.values()}
    notes = (*stored.notes, *_unplanned_runs(folder, stored))
    comparison = summarize(stored.name, str(folder), results, missing, notes)
    comparison = replace(comparison, left_out=left_out, differing=differing_settings(configs))
    write_comparison(comparison)
    return comparison


def _result_if_finished(
    run: PlannedRun, folder: Path, replaced: Collection[str]
) -> RunResult | None:
    """Return the result of a finished run, scoring it if needed; None if it is not finished."""
    from seqcli.api.scoring import finish_reason

    if run.name in replaced:
        return None
    result = cached_result(folder / run.name)
    if result is not None or not finish_reason(folder / run.name):
        return result
    return finish(run, folder, lambda event: None)


def _no_results(folder: Path, left_out: Mapping[str, str]) -> DataError:
    """Return the error for a folder without usable results."""
    if left_out:
        name, problem = next(iter(left_out.items()))
        return DataError(f"{folder}: no run can be used: {name} {problem}")
    return DataError(f"{folder}: contains no finished run", "run the commands of compare --plan")


def _unplanned_runs(folder: Path, stored: StoredPlan) -> list[str]:
    """Return a note that lists the runs in a folder that are not part of the plan."""
    known = {*stored.runs, *stored.replaced}
    names = [path.name for path in sorted(folder.glob("*")) if RunPaths(path).holds_run()]
    others = [name for name in names if name not in known]
    return [f"not part of this comparison: {', '.join(others)}"] if others else []


def _used_defaults(base: Config) -> tuple[str, ...]:
    """Return a note that lists the defaults of compare that are used."""
    own = [key for key, origin in base.origins.items() if origin == defaults.ORIGIN]
    plain = configuration.to_plain(base)
    shown = (f"{key}={plain[key.partition('.')[0]][key.partition('.')[2]]}" for key in own)
    return (f"defaults of compare: {' '.join(shown)}",) if own else ()
