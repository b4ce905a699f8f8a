"""``seqcli gen-data``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import options
from seqcli.config import task_options
from seqcli.errors import UsageError
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.report.tables import Table

NOT_OPTIONS = ("task", "out", "train", "val", "test", "seed", "force")
EXAMPLES = """\
seqcli gen-data --task reverse --out data/reverse
seqcli gen-data --task sort --out data/sort --length 6 --vocab 4 --train 50000
seqcli gen-data --task patterns --out data/motifs --option kinds=periodic"""

Folder = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Folder for the files; created if missing.",
        metavar="DIR",
        parser=options.path_to_write,
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="Set any option of the task (see `seqcli tasks NAME`); can be repeated.",
        metavar="KEY=VALUE",
    ),
]


def gen_data(
    task: options.TaskName,
    out: Folder,
    train: options.Train = None,
    val: options.Val = None,
    test: options.Test = None,
    length: options.Length = None,
    test_length: options.TestLength = None,
    vocab: options.Vocab = None,
    seed: options.RowSeed = None,
    option: Options = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the rows of a synthetic task to files, for seqcli and for other programs."""
    from seqcli import api

    output = Out.standard(json=json, quiet=quiet, product=False)
    sizes = {"train": train, "val": val, "test": test, "seed": seed}
    given_sizes = {name: value for name, value in sizes.items() if value is not None}
    own_flags = {"length": length, "test_length": test_length, "vocab": vocab}
    options_of_task = _task_options(own_flags, option or [])
    summary = api.gen_data(task, out, force=force, **given_sizes, **options_of_task)
    if json:
        output.document(summary)
    _show(output, summary)
    attention = " --attention" * ("source" in summary["vocabulary"])
    output.info(f"next: seqcli train --data {shlex.quote(str(out))} --cell gru{attention}")


def _task_options(own_flags: Mapping[str, str | None], texts: list[str]) -> dict[str, Any]:
    """Return the options of the task, from their own flags and from --option."""
    flags = [f"{name}={value}" for name, value in own_flags.items() if value]
    values = task_options([*flags, *texts])
    for name in values:
        if name in NOT_OPTIONS:
            raise UsageError(f"{name} is not an option of a task", f"did you mean --{name}?")
    return values


def _show(out: Out, meta: Mapping[str, Any]) -> None:
    """Show the contents of meta.yaml: the splits, and the baselines of the last one."""
    set_options = [
        (name, value) for name, value in meta["options"].items() if value not in ("", [])
    ]
    chosen = ", ".join(f"{name} {_plain(value)}" for name, value in set_options)
    out.write(f"{meta['task']}: {chosen}; seed {meta['seed']}", prose=True)
    out.show(_splits(meta))
    split = list(meta["baselines"])[-1]
    out.show(_baselines(meta["baselines"][split], split))


def _splits(meta: Mapping[str, Any]) -> Table:
    from seqcli.formatting import count
    from seqcli.report.tables import Column, Table

    sides = [f"{side} length" for side in meta["vocabulary"]]
    names = ("split", "rows", *sides, "repeated rows")
    rows = tuple(
        (split, count(size), *map(_span, meta["lengths"][split].values()), count(repeats))
        for (split, size), repeats in zip(
            meta["sizes"].items(), meta["repeats"].values(), strict=True
        )
    )
    shared = ", ".join(f"{pair} {count(rows)}" for pair, rows in meta["overlap"].items())
    columns = tuple(Column(name, right=name != "split") for name in names)
    return Table(columns, rows, caption=f"rows shared between splits: {shared}")


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _span(lengths: Mapping[str, float]) -> str:
    low, high = lengths["min"], lengths["max"]
    return f"{low}" if low == high else f"{low}-{high}"


def _baselines(baselines: Mapping[str, Mapping[str, float]], split: str) -> Table:
    from seqcli.formatting import baseline_name
    from seqcli.metrics.metric import shown
    from seqcli.report.tables import Column, Table

    names = dict.fromkeys(metric for scores in baselines.values() for metric in scores)
    metrics = [shown(name) for name in names]
    columns = [
        Column("baseline", keep=True),
        *(Column(metric.label, right=True) for metric in metrics),
    ]
    rows = tuple(
        (baseline_name(name), *(metric.write(scores[metric.name]) for metric in metrics))
        for name, scores in baselines.items()
    )
    return Table(tuple(columns), rows, title=f"baselines on {split}")
