"""`compare`: train several models on the same data and budget, over several seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.arguments import checked, in_one_process, with_flags
from seqcli.api.collecting import report_on
from seqcli.api.comparison_folder import (
    check_as_planned,
    check_usable,
    choose_folder,
    mark_replaced,
    remove_replaced,
    store,
)
from seqcli.api.engines import Engine, Failures, Watch, open_engine
from seqcli.api.initializing import with_initial_settings
from seqcli.api.planned_runs import finish
from seqcli.api.views import add_views
from seqcli.comparison import defaults
from seqcli.comparison import specification as planning
from seqcli.comparison.plan_file import StoredPlan, identity_of
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.specification import PlannedRun, Specification
from seqcli.comparison.summary import Comparison
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import facts_of, with_chosen_tokens
from seqcli.data.corpus import Corpus
from seqcli.data.files.rows import remarks
from seqcli.errors import StoppedBySignal, UsageError
from seqcli.events import Event
from seqcli.files.atomic import writing
from seqcli.files.regular import single_name
from seqcli.report.notebook_progress import NotebookRuns, in_notebook
from seqcli.report.trackers import tracked
from seqcli.runs import RunPaths, locked

add_views()


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison and their folder.

    Args:
        folder: the folder of the comparison.
        stored: its name, runs and identity, as stored in plan.json.
        force: whether to replace existing runs.
        language: whether the models are language models.
    """

    folder: Path
    stored: StoredPlan
    force: bool = False
    language: bool = False

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


@with_flags(defaults=defaults.SETTINGS)
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
    searched: Sequence[str] = (),
    **flags: Any,
) -> Plan:
    """Plan the runs of a comparison, without training or writing anything.

    Args:
        config: as for `compare`.
        set, cells, attention, seeds, match, grid, recipes, out, force: as for `compare`.
        name: the name of the comparison; by default the name of its data.
        searched: keys that vary between the trials of a search (`seqcli.api.plan_search`).
        flags: the settings below, which override ``config`` and ``set``.

    Raises:
        UsageError: an option is wrong.
        DataError: the data cannot be used.
    """
    specification = Specification(
        tuple(cells), attention, seeds, match, planning.parse_grid(grid), recipes, searched
    )
    settings = with_initial_settings(configuration.load(config, set, flags))
    base = planning.base_config(settings, recipes)
    corpus = build_corpus(base.data, base.task)
    base = with_chosen_tokens(base, corpus)
    _check_searchable(searched, corpus)
    planned = planning.runs(_arms(base, specification, corpus), seeds)
    stored = _stored_plan(name, planned, specification, base, corpus)
    place = None if out is None else Path(out)
    kind = "search" if searched else "compare"
    folder = choose_folder(f"{kind}-{stored.name}", place, stored, force)
    return Plan(folder, stored, force, corpus.codec.source is None)


@with_flags(plan, defaults=defaults.SETTINGS)
@in_one_process
@checked
def compare(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    jobs: int = 0,
    on: str = "",
    watch: Watch[RunResult] | None = None,
    track: str | Sequence[str] = (),
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
        on: where to train: "" for local processes, "dask" for a Dask cluster on this machine with
            ``jobs`` workers, or the address or scheduler file of a running one.
        watch: called with the name of a run and each of its events, the last one its `RunResult`
            or `RunFailed`; by default a notebook shows progress.
        track: trackers that follow the runs: trackio, wandb, mlflow.
        set: ``key=value`` texts that override ``config``.
        cells: the cells to compare.
        attention: on, off or both: whether recurrent models attend to the source.
        seeds: the number of runs of each model; their seeds count up from train.seed.
        match: params: choose widths so that parameter counts agree within 5%; none: keep widths.
        grid: ``key=a,b,c`` texts; every combination is a separate arm.
        recipes: shared: one learning rate, warm-up, schedule and dropout for all models; own: those
            of each model's recipe. Explicit settings override both.
        name: the name of the comparison; by default the name of its data.
        searched: keys that vary between the trials of a search (`seqcli.api.plan_search`).
        options: the settings below, which override ``config`` and ``set``.

    Raises:
        UsageError: an option is wrong, or ``out`` holds another comparison.
        DataError: the data cannot be used.
        StoppedBySignal: a signal arrived; the same call resumes the comparison.
    """
    planned = plan(config, out=out, force=force, **options)
    return run_plan(planned, jobs=jobs, on=on, watch=watch, track=track)


def _check_searchable(searched: Sequence[str], corpus: Corpus) -> None:
    if searched and "val" not in corpus.splits:
        raise UsageError("--search needs validation rows", "give a file with --val")


def _arms(base: Config, specification: Specification, corpus: Corpus) -> list[planning.Arm]:
    """Return the models to compare, with matched parameter counts if requested."""
    arms = planning.arms(base, specification, facts_of(corpus))
    if specification.match != "params" or len(arms) < 2:
        return arms
    from seqcli.api.parameter_matching import match_parameters

    return match_parameters(arms, corpus)


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


@in_one_process
@checked
def store_plan(plan: Plan) -> None:
    """Write plan.json, so that `collect` can report on runs that are trained elsewhere.

    Raises:
        UsageError: the folder holds another comparison or cannot be written.
    """
    if plan.force:
        hint = "choose another --out"
        raise UsageError("--force cannot be combined with --plan, which replaces nothing", hint)
    with folder_of(plan):
        store(plan.folder, plan.stored, force=False)


@in_one_process
@checked
def run_plan(
    plan: Plan,
    *,
    jobs: int = 0,
    on: str = "",
    watch: Watch[RunResult] | None = None,
    track: str | Sequence[str] = (),
) -> Comparison:
    """Run a plan and write its report; see `compare`."""
    watch = NotebookRuns(len(plan.runs)) if watch is None and in_notebook() else watch
    with tracked(track, plan.name, watch) as notify, open_engine(jobs, on) as engine:
        return run_on(engine, plan, notify)


def run_on(engine: Engine, plan: Plan, watch: Watch[RunResult] | None = None) -> Comparison:
    """Run a plan on an engine and write its report; see `compare`."""
    with folder_of(plan):
        stored = store(plan.folder, plan.stored, plan.force)
        stored, failures = _train(engine, plan, stored, watch)
        if not failures:
            remove_replaced(plan.folder, stored)
        return report_on(stored, plan.folder, failures)


def _train(
    engine: Engine, plan: Plan, stored: StoredPlan, watch: Watch[RunResult] | None
) -> tuple[StoredPlan, Failures]:
    """Train and score the runs of a plan; return the updated plan, and the runs that failed."""
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
        failures = engine.run(runs, plan.folder, on_event, finish)
    except StoppedBySignal as stopped:
        message = f"stopped; {len(done)} of {len(runs)} runs are finished"
        hint = "run the same command again to resume" + " (without --force)" * plan.force
        raise StoppedBySignal(message, hint, stopped.exit_code) from None
    return stored, failures


@contextlib.contextmanager
def folder_of(plan: Plan) -> Iterator[None]:
    """Create and lock the folder of a plan.

    Raises:
        UsageError: the folder is locked, or now holds another comparison.
    """
    with writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    with locked(RunPaths(plan.folder)):
        check_usable(plan.folder, plan.stored, plan.force)
        yield


def _used_defaults(base: Config) -> tuple[str, ...]:
    """Return a note that lists the defaults of compare that are used."""
    own = [key for key, origin in base.origins.items() if origin == defaults.ORIGIN]
    plain = configuration.to_plain(base)
    shown = (f"{key}={plain[key.partition('.')[0]][key.partition('.')[2]]}" for key in own)
    return (f"defaults of compare: {' '.join(shown)}",) if own else ()
