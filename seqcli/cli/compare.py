"""``seqcli compare``."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli import registry
from seqcli.cli import options
from seqcli.cli.options import HOW, WHERE
from seqcli.comparison import defaults
from seqcli.errors import UsageError

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
PANEL = "What is compared"
TRAINING = ("epochs", "batch_size", "lr", "threads", "device")

Cells = Annotated[
    str,
    typer.Option(
        "--cells",
        help=f"Which models, with commas between: any of {', '.join(registry.CELLS)}.",
        metavar="NAMES",
        rich_help_panel=PANEL,
    ),
]
Attention = Annotated[
    str,
    typer.Option(
        "--attention",
        help="Whether rnn, gru and lstm look back at the source, as a Transformer does: on, off "
        "or both. On is additive, or the kind that --set model.attention names.",
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        help="Runs of each model. With fewer than 3 there is no verdict on differences.",
        metavar="N",
        rich_help_panel=PANEL,
    ),
]
Match = Annotated[
    str,
    typer.Option(
        "--match",
        help="How widths are set. params: so that parameters agree within 5%; none: as given.",
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="Compare every value of a key too; as often as you like.",
        metavar="KEY=A,B,C",
        rich_help_panel=PANEL,
    ),
]
Recipes = Annotated[
    str,
    typer.Option(
        "--recipes",
        help="Learning rate, warm-up, schedule and dropout. shared: the same for every model; own: "
        "the best-known ones of each. What you set yourself counts for all.",
        metavar="CHOICE",
        rich_help_panel=PANEL,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        help="The budget in optimizer steps, in place of epochs.",
        metavar="N",
        rich_help_panel=HOW,
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        help="The budget of each run in seconds, in place of epochs.",
        metavar="X",
        min=0.1,
        rich_help_panel=HOW,
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        help="Runs at a time; 0 is one for each core, at most 4.",
        metavar="K",
        min=0,
        rich_help_panel=HOW,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder of the runs and the report.",
        metavar="DIR",
        parser=options.out_path,
        show_default="runs/compare-<task>",
        rich_help_panel=WHERE,
    ),
]
SuiteName = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="Several comparisons beside published numbers: smoke, claims, core, chomsky, scan, "
        "recall, arithmetic, or a YAML file. What is compared is then all in the file.",
        metavar="NAME",
        rich_help_panel=PANEL,
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Train nothing; store the plan and print one seqcli train command for each run.",
        rich_help_panel=WHERE,
    ),
]
Collect = Annotated[
    Path | None,
    typer.Option(
        "--collect",
        help="Train nothing; report on the finished runs in a folder.",
        metavar="DIR",
        parser=options.in_path,
        rich_help_panel=WHERE,
    ),
]


DATA = options.with_defaults(options.DATA, defaults.SETTINGS)
WHAT: options.Options = {
    "suite": (SuiteName, None),
    "cells": (Cells, "rnn,gru,lstm,transformer"),
    "attention": (Attention, "on"),
    "seeds": (Seeds, 3),
    "match": (Match, "params"),
    "grid": (Grid, None),
    "recipes": (Recipes, "shared"),
}
BUDGET: options.Options = {
    "steps": (Steps, None),
    "seconds": (Seconds, None),
    **options.with_defaults({name: options.TRAINING[name] for name in TRAINING}, defaults.SETTINGS),
    "jobs": (Jobs, 0),
}
WHITHER: options.Options = {
    "out": (Folder, None),
    "plan": (PlanOnly, False),
    "collect": (Collect, None),
}


@options.takes(
    {"context": (typer.Context, inspect.Parameter.empty)},
    *(DATA, WHAT, BUDGET, options.SETTINGS, WHITHER, options.TELLING),
)
def compare(context: typer.Context, **given: Any) -> None:
    """Train several models on the same data and budget, and say which is ahead, if any is."""
    from seqcli.report.console import Out

    told = Out.standard(json=given["json"], quiet=given["quiet"], product=given["plan"])
    if given["suite"] is not None:
        _check_alone(context)
        _suite(given, told)
    elif given["collect"] is not None:
        _collect(given["collect"], told)
    elif given["plan"]:
        _print_plan(given, told)
    else:
        _compare(given, told)


def _compare(given: dict[str, Any], told: Out) -> None:
    from seqcli import api
    from seqcli.report.comparison_view import ComparisonView

    made = _planned(given)
    told.say(f"{len(made.runs):,} run{'s' * (len(made.runs) != 1)} in {made.folder}")
    for note in made.notes:
        told.say(note, prose=True)
    with ComparisonView(told, made.runs) as view:
        comparison = api.carry_out(made, jobs=given["jobs"], watch=view)
    _show(comparison, told)


def _check_alone(context: typer.Context) -> None:
    """Refuse options that a suite's file answers."""
    for name in context.params:
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in BESIDE_SUITE:
            option = "--" + name.rstrip("_").replace("_", "-")
            raise UsageError(f"--suite goes without {option}", "copy the suite's file and edit it")


def _suite(given: dict[str, Any], told: Out) -> None:
    from seqcli import api
    from seqcli.report.comparison_files import published_table, suite_document
    from seqcli.report.comparison_view import ComparisonView

    where = {name: given[name] for name in ("out", "force")}
    if given["plan"]:
        plans = api.plan_suite(given["suite"], **where)
        for plan in plans:
            api.store_plan(plan)
        return _print_commands([line for plan in plans for line in plan.commands], told)
    outcome = api.compare_suite(
        given["suite"],
        jobs=given["jobs"],
        view=lambda made: ComparisonView(told, made.runs),
        **where,
    )
    if told.json:
        told.document(suite_document(outcome))
    for one in outcome.comparisons:
        told.write(f"{one.name}:")
        _write_table(one, told)
        told.write("")
    if outcome.rows:
        told.show(published_table(outcome))
    return told.say(f"report: {Path(outcome.folder) / 'suite.md'}")


def _collect(folder: Path, told: Out) -> None:
    from seqcli import api

    _show(api.collect(folder), told)


def _print_plan(given: dict[str, Any], told: Out) -> None:
    from seqcli import api

    made = _planned(given)
    api.store_plan(made)
    _print_commands(made.commands, told)
    told.say(f"next: seqcli compare --collect {shlex.quote(str(made.folder))}")


def _print_commands(commands: Sequence[str], told: Out) -> None:
    for command in commands:
        told.write(command)
    if told.json:
        told.document({"commands": list(commands)})


def _planned(given: dict[str, Any]) -> Any:
    """Return the plan that the options describe."""
    from seqcli import api

    flags = {name: given[name] for name in (*options.DATA, *TRAINING)}
    return api.plan(
        given["config"],
        set=(*(given["set_"] or ()), *_budget(given)),
        cells=[cell.strip() for cell in given["cells"].split(",") if cell.strip()],
        **{
            name: given[name] for name in ("attention", "seeds", "match", "recipes", "out", "force")
        },
        grid=given["grid"] or (),
        **flags,
    )


def _budget(given: dict[str, Any]) -> list[str]:
    """Return the settings of a budget in steps or seconds; epochs have a flag of their own."""
    chosen = [name for name in ("epochs", "steps", "seconds") if given[name] is not None]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are both budgets", "choose one")
    if given["steps"] is not None:
        return [f"train.iterations={given['steps']}"]
    if given["seconds"] is not None:
        return [f"train.seconds={given['seconds']!r}", "train.epochs=1000000"]
    return []


def _show(comparison: Comparison, told: Out) -> None:
    """Show the table and the verdict (stdout), or the document, and where the report is."""
    from seqcli.report.comparison_files import comparison_document

    if told.json:
        told.document(comparison_document(comparison))
    _write_table(comparison, told)
    for run in comparison.missing:
        told.say(f"not finished: {run}")
    for run, problem in comparison.left_out.items():
        told.say(f"left out: {run}: {problem}")
    told.say(f"report: {Path(comparison.folder) / 'report.html'}")
    told.say(f"next: {_next(comparison)}")


def _next(comparison: Comparison) -> str:
    """Return the command that shows the run that is the best on validation."""
    run = shlex.quote(str(Path(comparison.folder) / comparison.best))
    split = "" if comparison.split == "test" else f" --split {comparison.split}"
    return f"seqcli eval --ckpt {run}{split}"


def _write_table(comparison: Comparison, told: Out) -> None:
    from seqcli.report.comparison_table import comparison_table
    from seqcli.report.comparison_view import conclusions
    from seqcli.report.console import draws

    width = told.data.width if draws(told.data) else None
    table = comparison_table(comparison.arms, width=width, differing=comparison.differing)
    told.show(table)
    for line in ("", *conclusions(comparison)):
        told.write(line)
