"""``seqcli gen-data``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import options
from seqcli.config import task_options
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.report.console import Out

NOT_OPTIONS = ("task", "out", "train", "val", "test", "seed", "force")
SHOWN = 12  # of a list
EXAMPLES = """\
seqcli gen-data --task reverse --out data/reverse
seqcli gen-data --task sort --out data/sort --length 6 --vocab 4 --train 50000
seqcli gen-data --task patterns --out data/motifs --option kinds=periodic"""

Folder = Annotated[
    Path, typer.Option("--out", help="Folder for the files; made if need be.", metavar="DIR")
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="Any option of the task; as often as you like.", metavar="KEY=VALUE"
    ),
]


def gen_data(
    task: options.TaskName,
    out: Folder,
    train: options.Train = None,
    val: options.Val = None,
    test: options.Test = None,
    length: options.Length = None,
    vocab: options.Vocab = None,
    seed: options.RowSeed = None,
    option: Options = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a task's rows to files, for train and eval and for any other program."""
    from seqcli import api
    from seqcli.report.console import Out

    told = Out.standard(json=json, quiet=quiet)
    sizes = {"train": train, "val": val, "test": test, "seed": seed}
    given = {name: value for name, value in sizes.items() if value is not None}
    chosen = _task_options(length, vocab, option or [])
    summary = api.gen_data(task, out, force=force, **given, **chosen)
    if json:
        told.document(summary)
    _show(told, summary)
    told.say(f"next: seqcli train --data {shlex.quote(str(out))} --cell gru --attention")


def _task_options(length: str | None, vocab: str | None, texts: list[str]) -> dict[str, Any]:
    """Return the options of the task, from their own flags and from --option."""
    own = [f"{name}={value}" for name, value in (("length", length), ("vocab", vocab)) if value]
    found = task_options([*own, *texts])
    for name in found:
        if name in NOT_OPTIONS:
            raise UsageError(f"{name} is no option of a task", f"did you mean --{name}?")
    return found


def _show(out: Out, summary: Mapping[str, Any]) -> None:
    """Show what meta.yaml says, one line for each thing."""
    from seqcli.report.tables import Column, Table

    rows = tuple((name, _short(value)) for name, value in _flat(summary))
    out.show(Table((Column("meta.yaml"), Column("")), rows))


def _flat(nested: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _short(value: object) -> str:
    """Return a value on one line; of a long list the beginning."""
    if not isinstance(value, list):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    rest = f" ... ({len(value)} in all)" if len(value) > SHOWN else ""
    return " ".join(map(str, value[:SHOWN])) + rest
