"""The parts of a bulk prediction: cut the input, and answer one part in a worker process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from seqcli.api.predicting import Predictor, open_predictor
from seqcli.data.files.streams import Line, line_blocks, open_stream
from seqcli.errors import CheckpointError
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import read_json
from seqcli.formatting import prediction_line
from seqcli.report.remarks import Remarks
from seqcli.runs.paths import digest
from seqcli.schema import SchemaError

MOST_CHARACTERS = 1 << 24  # of a part: bounds the memory that long lines need
MOST_BYTES = 1 << 24  # of a JSON file
_LOADING = threading.Lock()  # a Dask worker may have several threads


@dataclass(frozen=True)
class Model:
    """The checkpoint file of a model, or of a member of an ensemble."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Job:
    """What determines the predictions of a line, and how they are written."""

    models: tuple[Model, ...]
    backend: str
    device: str
    threads: int
    beam: int
    nbest: int
    length_penalty: float
    batch_size: int
    logprob: bool
    scores: bool
    token_probs: bool


@dataclass(frozen=True)
class Part:
    """Consecutive lines of the input.

    Args:
        index: its position, from 0.
        first: the number of its first line, from 1.
        lines: the lines.
        share: the fraction of the input's bytes up to its end.
    """

    index: int
    first: int
    lines: Sequence[Line]
    share: float


def cut_parts(path: Path, size: int) -> Iterator[Part]:
    """Cut an input file into parts at line ends; the file is streamed once.

    Args:
        path: one source per line, plain or gzip.
        size: lines per part; a part of very long lines has fewer.

    Raises:
        DataError: the file cannot be read, or is not text.
    """
    lines, index, first, length = list[Line](), 0, 1, 0
    for line, share in _lines_with_shares(path):
        lines.append(line)
        length += len(line)
        if len(lines) == size or length > MOST_CHARACTERS:
            yield Part(index, first, lines, share)
            lines, index, first, length = [], index + 1, first + len(lines), 0
    if lines:
        yield Part(index, first, lines, 1.0)


def _lines_with_shares(path: Path) -> Iterator[tuple[Line, float]]:
    """Yield each line, and about which fraction of the file's bytes are read up to its end."""
    total, before = max(path.stat().st_size, 1), 0.0
    stream = open_stream(path)
    for block in line_blocks(stream, str(path)):
        after = min(stream.tell() / total, 1.0)
        for number, line in enumerate(block, 1):
            yield line, before + (after - before) * number / len(block)
        before = after


@dataclass(frozen=True)
class PartFiles:
    """The files of a part: its predictions, and its remarks, which are written last."""

    folder: Path
    index: int

    @property
    def predictions(self) -> Path:
        """The predictions, in the format of the command's output."""
        return self.folder / f"{self.index:06}.tsv"

    @property
    def remarks(self) -> Path:
        """The remarks, as JSON."""
        return self.folder / f"{self.index:06}.json"

    def read(self) -> Remarks | None:
        """Return the remarks; None if the part is not complete."""
        if not self.predictions.is_file():
            return None
        return read_remarks(self.remarks)

    def write(self, lines: Sequence[str], remarks: Remarks) -> None:
        """Write both files atomically.

        Raises:
            MachineError: the disk is full or broken.
        """
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        write_atomically(self.predictions, lambda file: file.write(text))
        write_remarks(self.remarks, remarks)


def read_remarks(path: Path) -> Remarks | None:
    """Return the remarks in a file; None if it is missing or damaged."""
    try:
        remarks = read_json(path, Remarks, MOST_BYTES)
    except (OSError, SchemaError):
        return None
    assert isinstance(remarks, Remarks)
    return remarks


def write_remarks(path: Path, remarks: Remarks) -> None:
    """Write remarks to a JSON file, atomically.

    Raises:
        MachineError: the disk is full or broken.
    """
    text = json.dumps(asdict(remarks), ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))


def answer_part(job: Job, folder: str, part: Part) -> int:
    """Predict the lines of a part, and write its files; return the number of lines.

    It runs in a worker process, which loads the model when it gets its first part. Repeated lines
    are decoded once.

    Raises:
        CheckpointError: the model cannot be loaded, or is not the one that the job names.
        MachineError: the disk is full or broken.
    """
    with _LOADING:
        predictor = _predictor(job)
    texts = [line if isinstance(line, str) else "" for line in part.lines]
    written, remarks = list[str](), Remarks()
    for number, (line, one) in enumerate(zip(part.lines, predictor.predict(texts), strict=True)):
        prediction = one if isinstance(line, str) else replace(one, problem=line.problem)
        remarks.add(part.first + number, prediction)
        written.append(prediction_line(prediction, job.logprob, job.scores, job.token_probs))
    PartFiles(Path(folder), part.index).write(written, remarks)
    return len(written)


@lru_cache(maxsize=1)
def _predictor(job: Job) -> Predictor:
    for model in job.models:
        if digest(Path(model.path)) != model.sha256:
            message = f"{model.path} has changed since this prediction began"
            raise CheckpointError(message, "start over with --force")
    return open_predictor(
        tuple(model.path for model in job.models),
        beam=job.beam,
        nbest=job.nbest,
        length_penalty=job.length_penalty,
        batch_size=job.batch_size,
        token_probs=job.token_probs,
        backend=job.backend,
        device=job.device or None,
        threads=job.threads,
    )
