"""Write and read data set folders: train.tsv, val.tsv, test.tsv, and meta.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
import yaml

from seqcli import schema
from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Index
from seqcli.config import yaml_file
from seqcli.config.sections import DataConfig
from seqcli.data.baselines import with_max_lengths
from seqcli.data.corpus import SPLITS, Codec, Corpus, Pairs, Provenance, overlaps, repeats
from seqcli.data.files.loading import encode_for_model
from seqcli.data.files.opening import read_bytes
from seqcli.data.task_corpus import (
    as_ids,
    nonempty_splits,
    repeat_notes,
    task_baselines,
    task_codec,
    task_provenance,
)
from seqcli.data.token_rows import PairReader, PairWriter, name_lines
from seqcli.data.vocabulary import UNK
from seqcli.errors import DataError, UsageError
from seqcli.files.folder import check_room, replacing_folder
from seqcli.files.system import physical_memory
from seqcli.schema import OPEN, Count, Number, Plain, SchemaError, quoted, to_plain
from seqcli.tasks.base import Rows, Task

META = "meta.yaml"
FILES = {split: f"{split}.tsv" for split in SPLITS}

_CHUNK = 1 << 15  # rows written at a time
_BYTES_PER_ROW = 24  # of memory: one hash, and two more copies during sorting
_SAMPLE = 1000  # rows from which the size of a file is estimated


def write_folder(
    task: Task, out: Path, sizes: Mapping[str, int], seed: int, force: bool = False
) -> dict[str, Any]:
    """Write the first ``sizes[split]`` rows of each split; return the content of meta.yaml.

    The folder is written atomically: an interrupted run leaves no partial data set.

    Args:
        task: the task that generates the rows.
        out: the folder to create.
        sizes: split name -> rows; a split of 0 rows gets no file.
        seed: seed of the rows.
        force: replace an existing data set.

    Raises:
        UsageError: ``out`` exists, the task has too few rows for a split, or the rows do not fit
            in memory or on the disk.
        MachineError: the disk is full or broken.
    """
    sizes = nonempty_splits(sizes)
    _check_memory(sizes)
    with replacing_folder(out, (META, *FILES.values()), force) as folder:
        check_room(folder, _bytes_needed(task, sizes, seed))
        written = {split: _SplitWriter(task, split, seed) for split in sizes}
        for split, record in written.items():
            record.write(folder / FILES[split], sizes[split])
        meta = _meta(task, sizes, seed, written)
        text = yaml.safe_dump(meta, sort_keys=False, default_flow_style=None, width=1000)
        (folder / META).write_text(text, encoding="utf-8")
    return meta


def read_folder(path: Path) -> Corpus:
    """Return the corpus of a data set written by ``write_folder``.

    Args:
        path: the folder.

    Raises:
        DataError: a file is missing or invalid, or does not match meta.yaml.
    """
    meta = _read_meta(path / META)
    vocabulary, sums = meta["vocabulary"], meta["sha256"]
    sources = tuple(vocabulary["source"]) if "source" in vocabulary else None
    try:
        codec = task_codec(sources, tuple(vocabulary["target"]))
        splits = ["train", *(split for split in SPLITS[1:] if split in meta["sizes"])]
        sizes = {split: meta["sizes"][split] for split in splits}
        digests = {split: sums[FILES[split]] for split in splits}
        rows = "names" if sources is None else "sources"
        notes = repeat_notes({split: meta["repeats"][split] for split in splits}, sizes, rows)
    except (KeyError, ValueError) as error:
        raise _damaged(path / META, f"it has no entry {quoted(error.args[0])}") from None
    pairs = {split: _checked(path / FILES[split], digests[split], codec) for split in splits}
    origin = Provenance(
        meta["task"],
        meta["version"],
        meta["options"],
        seed=meta["seed"],
        sizes=meta["sizes"],
        overlap=meta["overlap"],
    )
    provenance = with_max_lengths(origin, pairs)
    return Corpus(meta["task"], codec, pairs, meta["baselines"], provenance, notes)


def _writer(task: Task) -> Callable[[Rows], bytes]:
    """Return the function that formats rows as lines: two columns, or one without sources."""
    sources, targets = task.source_tokens(), task.target_tokens()
    if sources is None:
        return lambda rows: name_lines(rows.targets, targets)
    pairs = PairWriter(sources, targets)

    def lines(rows: Rows) -> bytes:
        assert rows.sources is not None
        return pairs.lines(rows.sources, rows.targets)

    return lines


class _SplitWriter:
    """Write one split, and collect its hashes, lengths and digest."""

    def __init__(self, task: Task, split: str, seed: int) -> None:
        self._task, self._split, self._seed = task, split, seed
        self._writer = _writer(task)
        self._hashes: list[Hashes] = []
        self._lengths: dict[str, list[Index]] = {}
        self._digest = sha256()

    def write(self, path: Path, size: int) -> None:
        """Write rows 0 .. size-1."""
        with path.open("wb") as file:
            for first in range(0, size, _CHUNK):
                lines = self._lines(np.arange(first, min(first + _CHUNK, size)))
                self._digest.update(lines)
                file.write(lines)

    def _lines(self, index: Index) -> bytes:
        rows = self._task.rows(self._seed, self._split, index)
        self._hashes.append(row_hashes(rows.distinct))
        for side, part in (("source", rows.sources), ("target", rows.targets)):
            if part is not None:
                self._lengths.setdefault(side, []).append(np.bincount(part.lengths))
        return self._writer(rows)

    @property
    def sha256(self) -> str:
        """The digest of the file."""
        return self._digest.hexdigest()

    @property
    def hashes(self) -> Hashes:
        """A hash (N,) of each source."""
        return np.concatenate(self._hashes)

    def lengths(self) -> dict[str, dict[str, float]]:
        """Return the minimum, mean and maximum length of each side."""
        return {side: _summary(counts) for side, counts in self._lengths.items()}


def _check_memory(sizes: Mapping[str, int]) -> None:
    """Refuse more rows than can be compared in memory (one hash per row, sorted).

    Raises:
        UsageError: the rows do not fit in memory.
    """
    if sum(sizes.values()) * _BYTES_PER_ROW > physical_memory():
        message = f"comparing {sum(sizes.values()):,} rows needs more memory than this machine has"
        raise UsageError(message, f"ask for at most {physical_memory() // _BYTES_PER_ROW:,}")


def _bytes_needed(task: Task, sizes: Mapping[str, int], seed: int) -> int:
    """Estimate the size of the files in bytes from the first rows of each split."""
    writer, total = _writer(task), 0
    for split, size in sizes.items():
        first = min(size, _SAMPLE)
        total += len(writer(task.rows(seed, split, np.arange(first)))) * size // first
    return total


def _summary(parts: list[Index]) -> dict[str, float]:
    """Return the minimum, mean and maximum length from the number of rows of each length."""
    counts = np.zeros(max(map(len, parts)), np.int64)
    for part in parts:
        counts[: len(part)] += part
    lengths = np.flatnonzero(counts)
    mean = float(counts @ np.arange(len(counts)) / counts.sum())
    return {"min": int(lengths[0]), "mean": round(mean, 4), "max": int(lengths[-1])}


def _meta(
    task: Task, sizes: Mapping[str, int], seed: int, written: Mapping[str, _SplitWriter]
) -> dict[str, Any]:
    hashes = {split: one.hashes for split, one in written.items()}
    sides = {"source": task.source_tokens(), "target": task.target_tokens()}
    vocabulary = {side: list(tokens) for side, tokens in sides.items() if tokens is not None}
    return {
        **to_plain(task_provenance(task, sizes, seed)),
        "vocabulary": vocabulary,
        "lengths": {split: one.lengths() for split, one in written.items()},
        "baselines": task_baselines(task, sizes, seed),
        "overlap": overlaps(hashes),
        "repeats": repeats(hashes),
        "sha256": {FILES[split]: one.sha256 for split, one in written.items()},
    }


_AGAIN = "run gen-data again, or remove meta.yaml to use the files as plain pairs"


_MOST_META = 16 << 20  # bytes


class _Vocabulary(TypedDict):
    target: list[str]


class _Alphabets(_Vocabulary, total=False):
    source: list[str]


class _Meta(TypedDict):
    """The part of meta.yaml that `read_folder` uses."""

    task: str
    version: int
    options: dict[str, Plain]
    seed: Count
    sizes: dict[str, Count]
    vocabulary: _Alphabets
    baselines: dict[str, dict[str, dict[str, Number]]]
    overlap: dict[str, Count]
    repeats: dict[str, Count]
    sha256: dict[str, str]


def _read_meta(path: Path) -> _Meta:
    raw = read_bytes(path)
    try:
        if len(raw) > _MOST_META:
            raise SchemaError("it is too large")
        meta: _Meta = schema.read(Annotated[_Meta, OPEN], yaml_file.load(raw.decode("utf-8")))
    except UnicodeDecodeError:
        raise _damaged(path, "it is not UTF-8 text") from None
    except SchemaError as error:
        raise _damaged(path, str(error)) from None
    return meta


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} is damaged: {reason}", _AGAIN)


def _checked(file: Path, digest: str, codec: Codec) -> Pairs:
    """Read the rows of a file after checking it against meta.yaml."""
    raw = read_bytes(file)
    if sha256(raw).hexdigest() != digest:
        raise DataError(f"{file} has changed since gen-data wrote it", _AGAIN)
    pairs = _parsed(raw, file, codec)
    if any(side is not None and UNK in side.tokens for side in (pairs.sources, pairs.targets)):
        raise DataError(f"{file} has tokens that are not in {META}", _AGAIN)
    return pairs


def _parsed(raw: bytes, file: Path, codec: Codec) -> Pairs:
    if codec.source is not None:
        rows = PairReader(codec.source.tokens, codec.target.tokens).rows(raw)
        if rows is not None:
            return Pairs(as_ids(rows[1]), as_ids(rows[0]))
    kind = "names" if codec.source is None else "tsv"
    return encode_for_model((file,), DataConfig(format=kind, max_length=10**9, strict=True), codec)[
        0
    ]
