"""``seqcli compare``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seqcli.cli import compare_options as own
from seqcli.cli import options
from seqcli.comparison import defaults
from seqcli.errors import Exit, SeqcliError, UsageError
from seqcli.messages import plural
from seqcli.report.console import Out, draws

if TYPE_CHECKING:
    from seqcli.comparison.summary import Comparison
    from seqcli.report.runs_view import ComparisonView

EXAMPLES = """\
seqcli compare
seqcli compare --task parity --length 1:20 --test-length 21:60 --epochs 10 --jobs 2
seqcli compare --data pairs.tsv --cells gru,transformer --attention both --seeds 5
seqcli compare --task sort --grid train.lr=1e-3,3e-3 --match none --out runs/rates
seqcli compare --cells gru --search train.lr=1e-4..1e-2:log --trials 30
seqcli compare --task copy --on dask --jobs 4
seqcli compare --task copy --plan | xargs -P 4 -d '\\n' -n 1 sh -c
seqcli compare --collect runs/compare-copy
seqcli compare --suite smoke"""
BESIDE_SUITE = ("suite", "jobs", "on", "out", "plan", "force", "track", "json", "quiet")
APART_FROM_SEARCH = ("seeds", "grid", "plan", "force")
TRAINING_FLAGS = ("epochs", "steps", "batch_size", "lr", "threads", "device")


@options.with_flags(*options.DATA_FLAGS, *TRAINING_FLAGS, defaults=defaults.SETTINGS)
def compare(
    context: typer.Context,
    flags: options.Flags,
    suite: own.SuiteName = None,
    cells: own.Cells = "rnn,gru,lstm,transformer",
    attention: own.Attention = "on",
    seeds: own.Seeds = 3,
    match: own.Match = "params",
    grid: own.Grid = None,
    search: own.Search = None,
    trials: own.Trials = 30,
    recipes: own.Recipes = "shared",
    seconds: own.Seconds = None,
    jobs: own.Jobs = 0,
    on: own.On = "",
    config: options.ConfigFile = None,
    set_: options.Set = None,
    out: own.Folder = None,
    plan: own.PlanOnly = False,
    collect: own.Collect = None,
    force: options.Force = False,
    track: options.Track = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train several models on the same data and budget, and test their differences."""
    from seqcli import api

    output = Out.standard(json=json, quiet=quiet, product=plan)
    if suite is not None:
        _check_alone(context)
        place = {"out": out, "force": force}
        return _suite(suite, output, place, plan, jobs=jobs, on=on, track=track)
    if collect is not None:
        return _show(api.collect(collect), output)
    options = {
        "set": (*(set_ or ()), *_budget(flags, seconds)),
        **{"cells": cells, "attention": attention, "match": match, "recipes": recipes, "out": out},
        **flags,
    }
    engine = {"jobs": jobs, "on": on, "track": track}
    if search:
        _check_searchable(context)
        made = api.plan_search(config, search=search, trials=trials, **options)
        return _search(made, output, **engine)
    planned = api.plan(config, seeds=seeds, grid=grid or (), force=force, **options)
    return _print_plan(planned, output) if plan else _run(planned, output, **engine)


def _run(plan: Any, output: Out, **engine: Any) -> None:
    """Train the models of a plan and show the results; ``engine``: ``jobs``, ``on``, ``track``."""
    from seqcli import api

    output.info(f"{plural(len(plan.runs), 'run')} in {plan.folder}")
    for note in plan.notes:
        output.info(note, prose=True)
    with _view(output, plan) as view:
        comparison = api.run_plan(plan, watch=view, **engine)
    _show(comparison, output)


def _search(plan: Any, output: Out, **engine: Any) -> None:
    """Run the trials of a search and show the best ones."""
    from seqcli import api
    from seqcli.comparison.summary import deciding_metric
    from seqcli.report import search_report as report

    output.info(f"{plural(plan.runs, 'trial')} in {plan.plan.folder}")
    for note in plan.plan.notes:
        output.info(note, prose=True)
    with report.SearchView(output, plan.runs, deciding_metric(plan.plan.language)) as view:
        result = api.run_search(plan, watch=view, **engine)
    if output.json:
        output.document(report.search_document(result))
    for model in result.models:
        output.show(report.trials_table(result, model, report.SHOWN))
        output.write(report.best_line(result, model), prose=True)
    for line in report.failed_lines(result):
        output.info(line, prose=True)
    output.info(f"report: {Path(result.folder) / 'report.html'}")
    for model in result.models:
        if model.command:
            output.info(f"next: {model.command}")


def _check_searchable(context: typer.Context) -> None:
    """Raise UsageError for options that cannot be combined with ``--search``."""
    for name in _typed(context):
        if name in APART_FROM_SEARCH:
            hint = "a trial is one run of a model; afterwards, compare its best settings"
            raise UsageError(f"--{name} cannot be used with --search", hint)


def _check_alone(context: typer.Context) -> None:
    """Raise UsageError for options that the file of a suite sets."""
    for name in _typed(context):
        if name not in BESIDE_SUITE:
            option = "--" + name.rstrip("_").replace("_", "-")
            message = f"{option} cannot be used with --suite"
            raise UsageError(message, "copy the suite's YAML file and edit it")


def _typed(context: typer.Context) -> list[str]:
    """Return the names of the options that were given on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, one in sources.items() if one and one.name == "COMMANDLINE"]


def _suite(
    suite: str, output: Out, place: Mapping[str, Any], only_plan: bool, **engine: Any
) -> None:
    """Run a suite, or print its commands.

    ``place`` contains ``out`` and ``force``, ``engine`` contains ``jobs``, ``on`` and ``track``.
    """
    from seqcli import api
    from seqcli.report.comparison_files import published_table, suite_document

    if only_plan:
        plans = api.plan_suite(suite, **place)
        for one in plans:
            api.store_plan(one)
        return _print_commands([line for one in plans for line in one.commands], output)
    view = partial(_view, output)
    result = api.compare_suite(suite, view=view, **engine, **place)
    if output.json:
        output.document(suite_document(result))
    for comparison in result.comparisons:
        output.write(f"{comparison.name}:")
        show_results(comparison, output)
        output.write("")
    if result.rows:
        output.show(published_table(result))
    output.info(f"report: {Path(result.folder) / 'suite.md'}")
    return _check_complete(result.comparisons)


def _view(output: Out, plan: Any) -> ComparisonView:
    from seqcli.report.runs_view import ComparisonView

    return ComparisonView(output, plan.runs)


def _print_plan(plan: Any, output: Out) -> None:
    """Store a plan and print its commands."""
    from seqcli import api

    api.store_plan(plan)
    _print_commands(plan.commands, output)
    output.info(f"next: seqcli compare --collect {shlex.quote(str(plan.folder))}")


def _print_commands(commands: Sequence[str], output: Out) -> None:
    output.write_lines(commands)
    if output.json:
        output.document({"commands": list(commands)})


def _budget(flags: options.Flags, seconds: float | None) -> list[str]:
    """Return the settings of a budget in seconds.

    Raises:
        UsageError: more than one budget is given.
    """
    budgets = {"epochs": flags["epochs"], "steps": flags["steps"], "seconds": seconds}
    chosen = [name for name, value in budgets.items() if value is not None]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are both budgets", "choose one")
    if seconds is not None:
        return [f"train.budget={seconds!r}", "train.epochs=0"]
    return []


def _show(comparison: Comparison, output: Out) -> None:
    """Print the results (a table and the conclusions, or JSON) and the path of the report."""
    from seqcli.report.comparison_files import comparison_document
    from seqcli.report.conclusions import missing_lines

    if output.json:
        output.document(comparison_document(comparison))
    show_results(comparison, output)
    for line in missing_lines(comparison):
        output.info(line, prose=True)
    output.info(f"report: {Path(comparison.folder) / 'report.html'}")
    _check_complete([comparison])
    output.info(f"next: {_next(comparison)}")


def _check_complete(comparisons: Sequence[Comparison]) -> None:
    """Raise the error of a command some of whose runs failed, after its results are shown."""
    failed = [one for comparison in comparisons for one in comparison.failed.values()]
    if failed:
        error = SeqcliError(
            f"{plural(len(failed), 'run')} failed; the report lacks them",
            "run the same command again: finished runs are kept, the others continue",
        )
        error.exit_code = Exit(failed[0].exit_code)
        raise error


def _next(comparison: Comparison) -> str:
    """Return the command that evaluates the best run on validation."""
    run = shlex.quote(str(Path(comparison.folder) / comparison.best))
    split = "" if comparison.split == "test" else f" --split {comparison.split}"
    return f"seqcli eval {run}{split}"


def show_results(comparison: Comparison, output: Out) -> None:
    """Write the table of a comparison and its conclusions to stdout."""
    from seqcli.report.comparison_table import results_table
    from seqcli.report.conclusions import conclusions

    width = output.stdout.width if draws(output.stdout) else None
    output.show(results_table(comparison, width))
    for line in ("", *conclusions(comparison)):
        output.write(line, prose=True)
