"""metrics.jsonl: the metrics of every epoch, one JSON object a line.

It is the only place that holds the whole history of a run, and no run depends on it: a file that is
lost or damaged costs the history, never the run. The last line can always be written again from the
checkpoint (see `seqcli.api.recording`).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from seqcli.files.atomic import write_atomically, writing
from seqcli.files.system import open_descriptor
from seqcli.training.progress import EpochRecord

Row: TypeAlias = dict[str, float]  # epoch, step, the metrics, improved (true or false)
_LONGEST_LINE = 1 << 20  # bytes


def append_metrics(path: Path, record: EpochRecord) -> None:
    """Append an epoch; it is on the disk when this returns.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file is a link, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with writing(path), os.fdopen(open_descriptor(path, flags, 0o644), "ab") as file:
        file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())


def read_metrics(path: Path) -> list[Row]:
    """Return the rows of a metrics.jsonl; lines that cannot be read are left out.

    A file that is missing, cannot be read or is no regular file has no rows.
    """
    return [record.to_plain() for record, _ in _scan(path)[0]]


def recover_metrics(
    path: Path, damaged: Path, last: EpochRecord | None, epochs: int
) -> tuple[list[Mapping[str, float]], str]:
    """Bring the file in line with the checkpoint that a run continues from.

    Rows after that checkpoint are dropped, its last epoch is added if it is missing. Nothing is
    written if the file is as it should be.

    Args:
        path: the file, which may be missing.
        damaged: where a file with damaged lines is copied to before they are dropped.
        last: the last epoch of the checkpoint.
        epochs: the epochs that the checkpoint has completed.

    Returns:
        the metrics of each epoch, {} where they are lost; and a note if any are.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written.
    """
    read, is_damaged = _scan(path)
    known = {record.epoch: record for record, _ in read if record.epoch <= epochs}
    lines = {record.epoch: line for record, line in read}
    if last is not None and known.get(last.epoch) != last:
        known[last.epoch], lines[last.epoch] = last, _line(last)
    wanted = b"".join(lines[epoch] for epoch in sorted(known))
    found = _content(path)
    if is_damaged and found:
        write_atomically(damaged, lambda file: file.write(found))
    if found != wanted and (wanted or found is not None):
        write_atomically(path, lambda file: file.write(wanted))
    history = [known[epoch].metrics if epoch in known else {} for epoch in range(1, epochs + 1)]
    return history, _note(path, epochs - len(known), epochs, damaged if is_damaged else None)


def _note(path: Path, missing: int, epochs: int, kept: Path | None) -> str:
    if not missing:
        return ""
    copy = f" (the file as it was is {kept.name})" if kept else ""
    return (
        f"{path} lacks {missing:,} of {epochs:,} epochs{copy}: the run continues, "
        "curves and diagnosis use the others"
    )


def _line(record: EpochRecord) -> bytes:
    return (json.dumps(record.to_plain()) + "\n").encode()


def _scan(path: Path) -> tuple[list[tuple[EpochRecord, bytes]], bool]:
    """Return the rows that can be read, and whether a line that was written whole cannot be.

    Each row comes with its line, whole.
    """
    read, is_damaged = [], False
    for line in _lines(path):
        record = _record(line)
        if record is not None:
            read.append((record, line if line.endswith(b"\n") else line + b"\n"))
        elif line.endswith(b"\n") or len(line) >= _LONGEST_LINE:  # else a kill cut it short
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
        OSError: it is another kind of file, or cannot be opened.
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
