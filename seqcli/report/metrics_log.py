"""metrics.jsonl: one JSON object for each epoch, safe against a kill at any moment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypeAlias

from seqcli.errors import DataError
from seqcli.events import EpochEnded, Event, RunStarted
from seqcli.files.atomic import write_atomically, writing

Row: TypeAlias = dict[str, float]  # epoch, step, the metrics, improved (true or false)


class MetricsLog:
    """A listener that appends each epoch to a file, on disk before the listener returns.

    When a run starts, rows past the checkpoint it goes on from are dropped (all, for a new run).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, RunStarted):
            truncate_metrics(self.path, event.epochs_done)
        elif isinstance(event, EpochEnded):
            self._append(event)

    def _append(self, event: EpochEnded) -> None:
        row = {"epoch": event.epoch, "step": event.step, **event.metrics}
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line({**row, "improved": event.improved}))
            file.flush()
            os.fsync(file.fileno())


def read_metrics(path: Path) -> list[Row]:
    """Read the rows of a metrics.jsonl; a last line that a kill cut short is left out.

    Raises:
        DataError: a line is not a JSON object with an epoch; says which.
    """
    *lines, rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1)]
    if rest:  # no line end: written by hand, or cut short
        rows += _whole(rest)
    return rows


def truncate_metrics(path: Path, epochs_done: int) -> None:
    """Keep the rows of the first ``epochs_done`` epochs, atomically; no file is no rows.

    Raises:
        DataError: a line to be kept or dropped is not a row of metrics.
    """
    if not path.exists():
        return
    rows = [row for row in read_metrics(path) if row["epoch"] <= epochs_done]
    text = "".join(map(_line, rows))
    write_atomically(path, lambda file: file.write(text.encode()))


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"


def _row(path: Path, number: int, line: str) -> Row:
    found = _whole(line)
    if not found:
        raise DataError(
            f"{path}, line {number}: not a row of metrics", "remove the line, or the file"
        )
    return found[0]


def _whole(line: str) -> list[Row]:
    """Return the row in a list, or an empty list where the line is none."""
    try:
        row = json.loads(line)
    except ValueError:
        return []
    return [row] if isinstance(row, dict) and isinstance(row.get("epoch"), int) else []
