"""`compare`: which model learns what, on the same data and the same budget, over several seeds."""

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
    forget_replaced,
    plan_of_runs,
    problem_of_run,
    store,
    without_replaced,
)
from seqcli.api.job_pool import Watch, default_jobs, finish, kept, run_all
from seqcli.comparison import defaults
from seqcli.comparison import specification as planning
from seqcli.comparison.plan_file import StoredPlan, differing_settings, identity_of, read_plan
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.specification import PlannedRun, Specification
from seqcli.comparison.summary import Comparison, summarize
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import with_chosen_tokens
from seqcli.data.files.findings import remarks
from seqcli.errors import DataError, SeqcliError, StoppedBySignal, UsageError, blamed
from seqcli.events import Event
from seqcli.files.atomic import writing
from seqcli.files.regular import single_name
from seqcli.report.comparison_files import write_comparison
from seqcli.runs import RunPaths, locked


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison and where they go.

    Args:
        folder: of the comparison.
        stored: its name, runs and identity, as plan.json keeps them.
        force: whether the runs that are there are to be replaced.
    """

    folder: Path
    stored: StoredPlan
    force: bool = False

    @property
    def name(self) -> str:
        """What the comparison is called."""
        return self.stored.name

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs, in the order in which they are trained."""
        return tuple(self.stored.runs.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What compare chose where nothing was said, and what was found in the data."""
        return self.stored.notes

    @property
    def commands(self) -> tuple[str, ...]:
        """One `seqcli train` command for each run, complete in itself."""
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
    """Train and score the models of a plan in turn; return how they stand.

    Typed again after a kill it keeps the runs that are finished and goes on with the others, bit
    for bit. The folder gets compare.json, compare.md, plots and report.html.

    Args:
        config: a YAML file, or a mapping of sections or dotted keys, that all runs share.
        out: the folder; ``runs/compare-<task>`` by default.
        force: replace the runs that are there, each once the new one has a checkpoint.
        jobs: runs at a time; 0 is one for each core, at most 4.
        watch: told the name of a run and its events, its `RunResult` last.
        options: see `plan`.

    Raises:
        UsageError: an option is wrong, or ``out`` holds another comparison.
        DataError: the data cannot be used.
        StoppedBySignal: all is saved; the same call goes on.
    """
    return carry_out(plan(config, out=out, force=force, **options), jobs=jobs, watch=watch)


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
    """Return the runs that a comparison is made of; nothing is trained, nothing is written.

    Args:
        config: as for `compare`.
        set: ``key=value`` texts, over ``config``.
        cells: names of cells.
        attention: on, off or both: whether recurrent models look back at the source.
        seeds: runs of each model; their seeds count up from train.seed.
        match: params: widths chosen so that parameters agree within 5%; none: as given.
        grid: ``key=a,b,c`` texts; every combination is an arm of its own.
        recipes: shared: one learning rate, warm-up, schedule and dropout for all models; own: the
            best-known ones of each. What is set for all goes before both.
        out, force: as for `compare`.
        name: what the comparison is called, if not by its data.
        flags: short names over all of it: ``task="sort", epochs=5``.

    Raises:
        UsageError: an option is wrong.
        DataError: the data cannot be used.
    """
    wanted = Specification(
        tuple(cells), attention, seeds, match, planning.parse_grid(grid), recipes
    )
    base = planning.base_config(configuration.load(config, set, flags), recipes)
    corpus = build_corpus(base.data, base.task)
    base = with_chosen_tokens(base, corpus)
    arms = planning.arms(base, wanted, corpus.codec.source is None)
    if match == "params" and len(arms) > 1:
        from seqcli.api.parameter_matching import matched

        arms = matched(arms, corpus)
    runs = planning.runs(arms, seeds)
    title = single_name(name, "the name of the comparison") if name else corpus.name
    identity = identity_of(runs, wanted, planning.open_keys(base), corpus.about)
    notes = (*_chosen(base), *corpus.notes, *remarks(corpus.reading))
    stored = StoredPlan(title, identity, {run.name: run for run in runs}, notes=notes)
    place = None if out is None else Path(out)
    return Plan(choose_folder(f"compare-{title}", place, stored, force), stored, force)


@checked
def store_plan(plan: Plan) -> None:
    """Write plan.json for runs that are trained elsewhere, so that `collect` knows them.

    Raises:
        UsageError: the folder holds another comparison or cannot be written.
    """
    if plan.force:
        hint = "choose another --out"
        raise UsageError("--force does not go with --plan, which replaces nothing", hint)
    with _locked(plan):
        store(plan.folder, plan.stored, force=False)


@checked
def carry_out(plan: Plan, *, jobs: int = 0, watch: Watch | None = None) -> Comparison:
    """Run a plan and write its report; see `compare`."""
    if jobs < 0:
        raise UsageError(f"--jobs cannot be {jobs}", "give 1 or more")
    with _locked(plan):
        stored = store(plan.folder, plan.stored, plan.force)
        stored = _train(plan, stored, jobs or default_jobs(), watch)
        forget_replaced(plan.folder, stored)
        return _report_on(stored, plan.folder)


def _train(plan: Plan, stored: StoredPlan, jobs: int, watch: Watch | None) -> StoredPlan:
    """Train and score the runs of a plan; return what is stored of it then."""
    done: list[str] = []

    def told(run: str, event: Event | RunResult) -> None:
        nonlocal stored
        if isinstance(event, RunResult):
            done.append(run)
            stored = without_replaced(plan.folder, stored, [run])
        if watch is not None:
            watch(run, event)

    runs = [replace(run, replace=run.name in stored.replaced) for run in plan.runs]
    check_as_planned(runs, plan.folder)
    try:
        run_all(runs, plan.folder, jobs, told)
    except StoppedBySignal as stopped:
        message = f"stopped; {len(done)} of {len(runs)} runs are finished"
        hint = "run the same command again to resume" + " (without --force)" * plan.force
        raise StoppedBySignal(message, hint, stopped.exit_code) from None
    return stored


@contextlib.contextmanager
def _locked(plan: Plan) -> Iterator[None]:
    """Make the folder of a plan, and let nobody else write there.

    Raises:
        UsageError: somebody does, or another comparison took the folder since it was chosen.
    """
    with writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
    with locked(RunPaths(plan.folder)):
        check_usable(plan.folder, plan.stored, plan.force)
        yield


@checked
@blamed(DataError)
def collect(folder: str | Path, *, watch: Watch | None = None) -> Comparison:
    """Read the finished runs of a folder, trained here or elsewhere; score those that are not.

    Nothing is trained. Runs that are not over are named in ``missing``, and those that cannot be
    used or were not trained as plan.json says in ``left_out``.

    Raises:
        DataError: there is no finished run, plan.json is damaged, or there is none and the runs
            differ in data or budget.
    """
    root = Path(folder)
    stored = read_plan(root)
    if stored is None:
        stored = plan_of_runs(root)
    return _report_on(stored, root, watch)


def _report_on(stored: StoredPlan, folder: Path, watch: Watch | None = None) -> Comparison:
    """Score what is finished of the runs of a plan, and write the report."""
    results, missing, left_out = list[RunResult](), list[str](), dict[str, str]()
    for run in stored.runs.values():
        problem = "" if run.name in stored.replaced else problem_of_run(run, folder)
        try:
            result = None if problem else _collected(run, folder, stored.replaced)
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
        raise _nothing(folder, left_out)
    configs = {run.arm: run.config for run in stored.runs.values()}
    notes = (*stored.notes, *_strangers(folder, stored))
    comparison = summarize(stored.name, str(folder), results, missing, notes)
    comparison = replace(comparison, left_out=left_out, differing=differing_settings(configs))
    write_comparison(comparison)
    return comparison


def _collected(run: PlannedRun, folder: Path, replaced: Collection[str]) -> RunResult | None:
    """Return the result of a run if it is over; score it if nobody has."""
    from seqcli.api.scoring import over

    if run.name in replaced:
        return None
    known = kept(folder / run.name)
    if known is not None or not over(folder / run.name):
        return known
    return finish(run, folder, lambda event: None)


def _nothing(folder: Path, left_out: Mapping[str, str]) -> DataError:
    """Say that there is nothing to report on."""
    if left_out:
        name, problem = next(iter(left_out.items()))
        return DataError(f"{folder}: no run can be used: {name} {problem}")
    return DataError(f"{folder}: contains no finished run", "run the commands of compare --plan")


def _strangers(folder: Path, stored: StoredPlan) -> list[str]:
    """Name the runs in a folder that are not part of the plan."""
    known = {*stored.runs, *stored.replaced}
    names = [path.name for path in sorted(folder.glob("*")) if RunPaths(path).holds_run()]
    strange = [name for name in names if name not in known]
    return [f"not part of this comparison: {', '.join(strange)}"] if strange else []


def _chosen(base: Config) -> tuple[str, ...]:
    """Say what compare took where nothing was said."""
    own = [key for key, origin in base.origins.items() if origin == defaults.ORIGIN]
    plain = configuration.to_plain(base)
    shown = (f"{key}={plain[key.partition('.')[0]][key.partition('.')[2]]}" for key in own)
    return (f"defaults of compare: {' '.join(shown)}",) if own else ()
