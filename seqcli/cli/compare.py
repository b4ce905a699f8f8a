"""``seqcli compare``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli import registry
from seqcli.cli import options
from seqcli.cli.options import OUTPUT, TRAINING
from seqcli.comparison import defaults
from seqcli.errors import UsageError
from seqcli.messages import plural

if TYPE_CHECKING:
    from seqcli.comparison.summary import Comparison
    from seqcli.report.console import Out

EXAMPLES = """\
seqcli compare
seqcli compare --task parity --length 1:20 --test-length 21:60 --epochs 10 --jobs 2
seqcli compare --data pairs.tsv --cells gru,transformer --attention both --seeds 5
seqcli compare --task sort --grid train.lr=1e-3,3e-3 --match none --out runs/rates
seqcli compare --task copy --plan | xargs -P 4 -d '\\n' -n 1 sh -c
seqcli compare --collect runs/compare-copy
seqcli compare --suite smoke"""
BESIDE_SUITE = ("suite", "jobs", "out", "plan", "force", "json", "quiet")
PANEL = options.MODEL
TRAINING_FLAGS = ("epochs", "steps", "batch_size", "lr", "threads", "device")

Cells = Annotated[
    str,
    typer.Option(
        "--cells",
        help=f"Models to compare, separated by commas: any of {', '.join(registry.CELLS)}.",
        metavar="NAMES",
        rich_help_panel=PANEL,
    ),
]
Attention = Annotated[
    str,
    typer.Option(
        "--attention",
        help="Attention of rnn, gru and lstm: on, off or both. The kind is additive, or "
        "model.attention if --set gives it.",
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        help="Runs per model; significance tests need at least 3.",
        metavar="N",
        rich_help_panel=PANEL,
    ),
]
Match = Annotated[
    str,
    typer.Option(
        "--match",
        help="Model sizes. params: choose hidden sizes so that parameter counts agree within 5%. "
        "none: as configured.",
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="Compare several values of a configuration key; can be repeated.",
        metavar="KEY=A,B,C",
        rich_help_panel=PANEL,
    ),
]
Recipes = Annotated[
    str,
    typer.Option(
        "--recipes",
        help="Learning rate, warm-up, schedule and dropout. shared: the same for all models. own: "
        "a tuned recipe for each. Your own settings override both.",
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        help="Budget per run in seconds, instead of epochs.",
        metavar="X",
        min=0.1,
        rich_help_panel=TRAINING,
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        help="Parallel runs; 0 means one per CPU core, at most 4.",
        metavar="K",
        min=0,
        rich_help_panel=TRAINING,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder for the runs and the report.",
        metavar="DIR",
        parser=options.path_to_write,
        show_default="runs/compare-<task>",
        rich_help_panel=OUTPUT,
    ),
]
SuiteName = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="Run a suite of comparisons next to published results: smoke, claims, core, chomsky, "
        "scan, recall, arithmetic, or a YAML file.",
        metavar="NAME",
        rich_help_panel=options.DATA,
    ),
]
PlanOnly = Annotated[
    bool, options.switch("--plan", "Train nothing; print one seqcli train command per run.")
]
Collect = Annotated[
    Path | None,
    typer.Option(
        "--collect",
        help="Train nothing; report on the finished runs in a folder.",
        metavar="DIR",
        parser=options.path_to_read,
        rich_help_panel=OUTPUT,
    ),
]


@options.with_flags(*options.DATA_FLAGS, *TRAINING_FLAGS, defaults=defaults.SETTINGS)
def compare(
    context: typer.Context,
    flags: options.Flags,
    suite: SuiteName = None,
    cells: Cells = "rnn,gru,lstm,transformer",
    attention: Attention = "on",
    seeds: Seeds = 3,
    match: Match = "params",
    grid: Grid = None,
    recipes: Recipes = "shared",
    seconds: Seconds = None,
    jobs: Jobs = 0,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    out: Folder = None,
    plan: PlanOnly = False,
    collect: Collect = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train several models on the same data and budget, and test their differences."""
    from seqcli import api
    from seqcli.report.console import Out

    output = Out.standard(json=json, quiet=quiet, product=plan)
    if suite is not None:
        _check_alone(context)
        return _suite(suite, output, jobs=jobs, plan=plan, out=out, force=force)
    if collect is not None:
        return _show(api.collect(collect), output)
    planned = api.plan(
        config,
        set=(*(set_ or ()), *_budget(flags, seconds)),
        cells=[cell.strip() for cell in cells.split(",") if cell.strip()],
        attention=attention,
        seeds=seeds,
        match=match,
        grid=grid or (),
        recipes=recipes,
        out=out,
        force=force,
        **flags,
    )
    return _print_plan(planned, output) if plan else _run(planned, jobs, output)


def _run(plan: Any, jobs: int, output: Out) -> None:
    """Train the models of a plan and show the results."""
    from seqcli import api
    from seqcli.report.runs_view import ComparisonView

    output.info(f"{plural(len(plan.runs), 'run')} in {plan.folder}")
    for note in plan.notes:
        output.info(note, prose=True)
    with ComparisonView(output, plan.runs) as view:
        comparison = api.run_plan(plan, jobs=jobs, watch=view)
    _show(comparison, output)


def _check_alone(context: typer.Context) -> None:
    """Raise UsageError for options that the file of a suite sets."""
    for name in context.params:
        source = context.get_parameter_source(name)
        typed = source is not None and source.name == "COMMANDLINE"
        if typed and name not in BESIDE_SUITE:
            option = "--" + name.rstrip("_").replace("_", "-")
            message = f"{option} cannot be used with --suite"
            raise UsageError(message, "copy the suite's YAML file and edit it")


def _suite(suite: str, output: Out, *, jobs: int, plan: bool, **place: Any) -> None:
    """Run a suite, or print its commands; ``place`` contains ``out`` and ``force``."""
    from seqcli import api
    from seqcli.report.comparison_files import published_table, suite_document
    from seqcli.report.runs_view import ComparisonView

    if plan:
        plans = api.plan_suite(suite, **place)
        for one in plans:
            api.store_plan(one)
        return _print_commands([line for one in plans for line in one.commands], output)
    result = api.compare_suite(
        suite, jobs=jobs, view=lambda planned: ComparisonView(output, planned.runs), **place
    )
    if output.json:
        output.document(suite_document(result))
    for comparison in result.comparisons:
        output.write(f"{comparison.name}:")
        _write_table(comparison, output)
        output.write("")
    if result.rows:
        output.show(published_table(result))
    return output.info(f"report: {Path(result.folder) / 'suite.md'}")


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

    if output.json:
        output.document(comparison_document(comparison))
    _write_table(comparison, output)
    for run in comparison.missing:
        output.info(f"not finished: {run}")
    for run, problem in comparison.left_out.items():
        output.info(f"left out: {run}: {problem}")
    output.info(f"report: {Path(comparison.folder) / 'report.html'}")
    output.info(f"next: {_next(comparison)}")


def _next(comparison: Comparison) -> str:
    """Return the command that evaluates the best run on validation."""
    run = shlex.quote(str(Path(comparison.folder) / comparison.best))
    split = "" if comparison.split == "test" else f" --split {comparison.split}"
    return f"seqcli eval --ckpt {run}{split}"


def _write_table(comparison: Comparison, output: Out) -> None:
    from seqcli.report.comparison_table import comparison_table, conclusions
    from seqcli.report.console import draws

    width = output.stdout.width if draws(output.stdout) else None
    table = comparison_table(comparison.arms, width=width, differing=comparison.differing)
    output.show(table)
    for line in ("", *conclusions(comparison)):
        output.write(line)
