"""`compare`: which model learns what, on the same data and the same budget, over several seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.side_by_side import Watch, default_jobs, finish, kept, run_all
from seqcli.comparison import defaults
from seqcli.comparison import plan as planning
from seqcli.comparison.outcome import FILE, RunResult
from seqcli.comparison.plan import PlannedRun, Wanted
from seqcli.comparison.standing import Comparison, compared
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import with_chosen_tokens
from seqcli.data.reading.findings import remarks
from seqcli.errors import DataError, StoppedBySignal, UsageError
from seqcli.events import Event
from seqcli.files.atomic import write_atomically, writing
from seqcli.runs import ROOT, RunPaths, locked

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison and where they go.

    ``notes`` say what compare chose where nothing was said; with ``force`` the runs that are there
    are forgotten.
    """

    name: str
    folder: Path
    runs: tuple[PlannedRun, ...]
    notes: tuple[str, ...] = ()
    force: bool = False

    @property
    def commands(self) -> tuple[str, ...]:
        """One `seqcli train` command for each run, complete in itself."""
        return tuple(planning.command(run, self.folder) for run in self.runs)


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
        force: forget the runs that are there.
        jobs: runs at a time; 0 is one for each core, at most 4.
        watch: told the name of a run and its events, its `RunResult` last.
        options: see `plan`.

    Raises:
        UsageError: an option is wrong, or ``out`` holds another comparison.
        DataError: the data cannot be used.
        StoppedBySignal: all is saved; the same call goes on.
    """
    return carry_out(plan(config, out=out, force=force, **options), jobs=jobs, watch=watch)


def plan(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    set: Sequence[str] = (),
    cells: Sequence[str] = planning.Wanted.cells,
    attention: str = planning.Wanted.attention,
    seeds: int = planning.Wanted.seeds,
    match: str = planning.Wanted.match,
    grid: Sequence[str] = (),
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
        out, force: as for `compare`.
        name: what the comparison is called, if not by its data.
        flags: short names over all of it: ``task="sort", epochs=5``.

    Raises:
        UsageError: an option is wrong.
        DataError: the data cannot be used.
    """
    wanted = Wanted(tuple(cells), attention, seeds, match, planning.parse_grid(grid))
    base = planning.base_config(configuration.load(config, set, flags))
    corpus = build_corpus(base.data, base.task)
    base = with_chosen_tokens(base, corpus)
    arms = planning.arms(base, wanted, corpus.codec.source is None)
    if match == "params" and len(arms) > 1:
        from seqcli.api.matching import matched

        arms = matched(arms, corpus)
    runs = tuple(planning.runs(arms, seeds))
    title = name or corpus.name
    folder = _folder(f"compare-{title}", None if out is None else Path(out), runs, force)
    return Plan(
        title, folder, runs, (*_chosen(base), *corpus.notes, *remarks(corpus.reading)), force
    )


def carry_out(plan: Plan, *, jobs: int = 0, watch: Watch | None = None) -> Comparison:
    """Run a plan and write its report; see `compare`."""
    if jobs < 0:
        raise UsageError(f"--jobs cannot be {jobs}", "give 1 or more")
    results: dict[str, RunResult] = {}

    def told(run: str, event: Event | RunResult) -> None:
        if isinstance(event, RunResult):
            results[run] = event
        if watch is not None:
            watch(run, event)

    _make(plan)
    with locked(RunPaths(plan.folder)):
        if plan.force:
            _forget(plan.folder)
        _remember(plan)
        try:
            run_all(plan.runs, plan.folder, jobs or default_jobs(), told)
        except StoppedBySignal as stopped:
            message = f"stopped; {len(results)} of {len(plan.runs)} runs are finished and kept"
            hint = "the same command again: it goes on where it stopped"
            raise StoppedBySignal(message, hint, stopped.exit_code) from None
        ordered = [results[run.name] for run in plan.runs]
        return _reported(compared(plan.name, str(plan.folder), ordered, (), plan.notes))


def collect(folder: str | Path, *, watch: Watch | None = None) -> Comparison:
    """Read the finished runs of a folder, trained here or elsewhere; score those that are not.

    Nothing is trained: runs that are not over are named in ``missing``.

    Raises:
        DataError: there is no finished run.
    """
    root = Path(folder)
    names = [path.name for path in sorted(root.glob("*")) if RunPaths(path).holds_run()]
    found = {name: known for name in names if (known := planning.arm_and_seed(name))}
    results, missing = [], []
    for run, (arm, seed) in found.items():
        result = _collected(root, run, arm, seed)
        (results.append(result) if result else missing.append(run))
        if result and watch is not None:
            watch(run, result)
    if not results:
        raise DataError(f"{root}: holds no finished run", "run the commands of compare --plan")
    order = _order(root, results)
    name = root.name.removeprefix("compare-")
    return _reported(compared(name, str(root), sorted(results, key=order.index), missing))


def _collected(root: Path, run: str, arm: str, seed: int) -> RunResult | None:
    from seqcli.api.scoring import over

    known = kept(root / run)
    if known is not None or not over(root / run):
        return known
    return finish(PlannedRun(run, arm, seed, Config()), root, lambda event: None)


def _order(root: Path, results: list[RunResult]) -> list[RunResult]:
    """Return results as the plan has them, where there is one, else by kind of model."""
    planned = list(_plan_in(root))
    cells = list(Wanted.cells)

    def place(one: RunResult) -> tuple[int, int, str, int]:
        at = planned.index(one.run) if one.run in planned else len(planned)
        cell = cells.index(one.cell) if one.cell in cells else len(cells)
        return at, cell, one.arm, one.seed

    return sorted(results, key=place)


def _chosen(base: Config) -> tuple[str, ...]:
    """Say what compare took where nothing was said."""
    own = [key for key, origin in base.origins.items() if origin == defaults.ORIGIN]
    plain = configuration.to_plain(base)
    shown = (f"{key}={plain[key.partition('.')[0]][key.partition('.')[2]]}" for key in own)
    return (f"defaults of compare: {' '.join(shown)}",) if own else ()


def _folder(name: str, out: Path | None, runs: Iterable[PlannedRun], force: bool) -> Path:
    """Return the folder of a comparison: the one asked for, or the first that suits."""
    wanted = _settings(runs)
    if out is not None:
        if not force and not _suits(out, wanted):
            hint = "choose another --out; --force begins anew there"
            raise UsageError(f"{out} holds runs with other settings", hint)
        return out
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(ROOT / one for one in names if _suits(ROOT / one, wanted))


def _settings(runs: Iterable[PlannedRun]) -> dict[str, Any]:
    """Return run -> its settings, as JSON gives them back."""
    known = {run.name: configuration.to_plain(run.config) for run in runs}
    settings: dict[str, Any] = json.loads(json.dumps(known))
    return settings


def _suits(folder: Path, wanted: Mapping[str, object]) -> bool:
    """Whether no run that is there is planned with other settings."""
    there = _plan_in(folder)
    if not there and folder.exists():
        return not any(RunPaths(folder / name).holds_run() for name in wanted)
    return all(there.get(name, settings) == settings for name, settings in wanted.items())


def _plan_in(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / PLAN).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _forget(folder: Path) -> None:
    for name in _plan_in(folder):
        run = RunPaths(folder / name)
        if run.holds_run():
            with locked(run):
                run.clear()
        (run.folder / FILE).unlink(missing_ok=True)
    (folder / PLAN).unlink(missing_ok=True)


def _make(plan: Plan) -> None:
    with writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)


def _remember(plan: Plan) -> None:
    """Write down which runs were planned here, so that others are not taken for them."""
    text = json.dumps({**_plan_in(plan.folder), **_settings(plan.runs)}, indent=1)
    write_atomically(plan.folder / PLAN, lambda file: file.write(text.encode()))


def _reported(comparison: Comparison) -> Comparison:
    from seqcli.report.comparison_files import write_comparison

    write_comparison(comparison)
    return comparison
