"""``seqcli predict --out FOLDER/``: predict the lines of a large file in parts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seqcli.cli import options
from seqcli.errors import UsageError
from seqcli.report.console import Out

PANEL = "Large files (--out FOLDER/)"

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        help="Worker processes; by default one per CPU core, at most 4.",
        metavar="N",
        min=1,
        rich_help_panel=PANEL,
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        help="Predict on a Dask cluster, whose workers share the folders. dask: start one here "
        "with --jobs workers. An address such as tcp://HOST:8786, or a scheduler file: use a "
        "running one.",
        metavar="CLUSTER",
        show_default="local processes",
        rich_help_panel=PANEL,
    ),
]
PartSize = Annotated[
    int | None,
    typer.Option(
        "--part-size",
        help="Lines per part." + options.DEFAULT.format("10,000"),
        metavar="N",
        min=1,
        rich_help_panel=PANEL,
    ),
]


def checked_name(text: str | None) -> str | None:
    """Check the name of an output file or folder.

    Raises:
        BadParameter: the text is not a file name.
    """
    if text is not None:
        options.path_to_read(text)
    return text


def is_bulk(out: str | None, only_folders: Mapping[str, object]) -> bool:
    """Return whether the output is a folder of predictions.

    Args:
        out: the output, if given.
        only_folders: options -> values of those that need a folder.

    Raises:
        UsageError: one of these options is given, but the output is not a folder.
    """
    is_folder = out is not None and (out.endswith("/") or Path(out).is_dir())
    for name in (name for name, value in only_folders.items() if value and not is_folder):
        raise UsageError(f"{name} needs a folder of predictions", "give --out FOLDER/")
    return is_folder


def refuse(given: Mapping[str, object], folder: str | None) -> None:
    """Refuse options that a folder of predictions does not support.

    Raises:
        UsageError: one of them is given.
    """
    for name in (name for name, value in given.items() if value):
        message = f"{name} cannot be combined with a folder of predictions, {folder}"
        raise UsageError(message, "give --out FILE instead, or leave it out")


def predict_parts(
    out: Out,
    ckpt: list[Path],
    source: str | None,
    folder: str | None,
    *,
    jobs: int | None,
    **settings: Any,
) -> None:
    """Predict the lines of a file into a folder, and report the progress and the result.

    Raises:
        DataError: some lines have no prediction.
        UsageError: the input is not a file.
    """
    from seqcli import api
    from seqcli.formatting import duration, plural
    from seqcli.report.remarks import BulkView

    if source in (None, "-"):
        message = "predictions in a folder need --input FILE"
        raise UsageError(message, "a pipe cannot be read again: save it to a file first")
    start = time.monotonic()
    with BulkView(out) as view:
        result = api.predict_file(
            ckpt, str(source), str(folder), jobs=jobs or 0, watch=view, **settings
        )
    seconds = time.monotonic() - start
    total, new = plural(result.remarks.lines, "line"), plural(result.lines, "line")
    now = f"{new} predicted in {duration(seconds)}" if result.lines else "all predicted before"
    out.info(f"{result.path}: {total}, {now}")
    if out.json:
        counts = {"lines": result.remarks.lines, "failed": result.remarks.failed}
        new_lines = {"new_lines": result.lines, "seconds": seconds}
        out.document({"path": str(result.path), **counts, **new_lines})
    result.remarks.show(out)
