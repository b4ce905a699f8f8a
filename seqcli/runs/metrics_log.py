"""Read and write metrics.jsonl: the metrics of every epoch, one JSON object per line.

This is the only file with the complete history of a run. A run does not depend on it: if it is
lost, only the history is lost. The last line can be restored from the checkpoint; see
`seqcli.api.recording`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from seqcli.files.atomic import write_atomically, writing
from seqcli.files.system import open_descriptor
from seqcli.messages import plural
from seqcli.training.progress import EpochRecord

Row: TypeAlias = dict[str, float]  # epoch, step, the metrics, improved (true or false)
_LONGEST_LINE = 1 << 20  # bytes


def append_metrics(path: Path, record: EpochRecord) -> None:
    """Append an epoch and flush it to the disk.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file is a link, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with writing(path), os.fdopen(open_descriptor(path, flags, 0o644), "ab") as file:
        file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())


def epochs_of(path: Path) -> list[EpochRecord]:
    """Return the epochs of a metrics.jsonl; see `read_metrics`."""
    return [record for record, _ in _scan(path)[0]]


def read_metrics(path: Path) -> list[Row]:
    """Return the rows of a metrics.jsonl, without lines that cannot be parsed.

    A file that is missing, unreadable or not a regular file has no rows.
    """
    return [record.to_plain() for record in epochs_of(path)]


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the metrics of each epoch, in order; {} for an epoch that is lost."""
    known = {record.epoch: dict(record.metrics) for record in epochs_of(path)}
    return [known.get(epoch, {}) for epoch in range(1, max(known, default=0) + 1)]


def history_columns(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Return the metrics of all epochs by name, with ``epoch`` from 1; None for a missing value."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, list[float | None]] = {"epoch": list(range(1, len(rows) + 1))}
    return columns | {name: [row.get(name) for row in rows] for name in names}


def recover_metrics(
    path: Path, damaged: Path, last: EpochRecord | None, epochs: int
) -> tuple[list[Mapping[str, float]], str]:
    """Synchronize the file with the checkpoint that a run resumes from.

    Rows after that checkpoint are removed; its last epoch is added if missing. The file is only
    written if it changes.

    Args:
        path: the file, which may be missing.
        damaged: a file with damaged lines is copied here first.
        last: the last epoch of the checkpoint.
        epochs: the number of completed epochs of the checkpoint.

    Returns:
        The metrics of each epoch, {} if lost, and a note if any are lost.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written.
    """
    read, is_damaged = _scan(path)
    known = {record.epoch: record for record, _ in read if record.epoch <= epochs}
    lines = {record.epoch: line for record, line in read}
    if last is not None and known.get(last.epoch) != last:
        known[last.epoch], lines[last.epoch] = last, _line(last)
    repaired = b"".join(lines[epoch] for epoch in sorted(known))
    content = _content(path)
    if is_damaged and content:
        write_atomically(damaged, lambda file: file.write(content))
    if content != repaired and (repaired or content is not None):
        write_atomically(path, lambda file: file.write(repaired))
    history = [known[epoch].metrics if epoch in known else {} for epoch in range(1, epochs + 1)]
    return history, _note(path, epochs - len(known), epochs, damaged if is_damaged else None)


def _note(path: Path, missing: int, epochs: int, kept: Path | None) -> str:
    if not missing:
        return ""
    copy = f" (the damaged file is kept as {kept.name})" if kept else ""
    return (
        f"{path} lacks {missing:,} of {plural(epochs, 'epoch')}{copy}; curves and diagnosis "
        "use the others"
    )


def _line(record: EpochRecord) -> bytes:
    return (json.dumps(record.to_plain()) + "\n").encode()


def _scan(path: Path) -> tuple[list[tuple[EpochRecord, bytes]], bool]:
    """Return the rows with their lines, and whether a complete line could not be parsed."""
    read, is_damaged = [], False
    for line in _lines(path):
        record = _record(line)
        if record is not None:
            read.append((record, line if line.endswith(b"\n") else line + b"\n"))
        elif line.endswith(b"\n") or len(line) >= _LONGEST_LINE:  # otherwise a kill truncated it
            is_damaged = True
    return read, is_damaged


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with _opened(path) as file:
            while line := file.readline(_LONGEST_LINE):
                yield line
    except OSError:
        return


def _content(path: Path) -> bytes | None:
    try:
        with _opened(path) as file:
            return file.read()
    except OSError:
        return None


def _opened(path: Path) -> BinaryIO:
    """Open a regular file.

    Raises:
        OSError: it is not a regular file, or cannot be opened.
    """
    file = os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path} is not a regular file")
    return file


def _record(line: bytes) -> EpochRecord | None:
    try:
        return EpochRecord.from_plain(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
