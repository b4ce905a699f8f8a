"""Resolve paths of data: one file, two parallel files, or the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqcli.config.sections import DataConfig
from seqcli.data.files.opening import digest, kind_of_path, readable, regular_file
from seqcli.errors import DataError

BESIDE = ","  # between two files whose lines stand side by side
_STEMS = {"train": ("train",), "val": ("val", "dev", "valid", "validation"), "test": ("test",)}
_ENDINGS = (".tsv", ".tab", ".csv", ".jsonl", ".ndjson", ".json", ".txt")
_PACKED = ".gz"
_PACKED_FACTOR = 4  # how much larger gzip files are inside


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    Args:
        name: what to call it.
        splits: split -> its file (or two side by side); "" -> one that is split by source.
        about: where the rows come from, as a checkpoint says it.
        sums: path -> SHA-256, as it was before the file was read.
    """

    name: str
    splits: Mapping[str, Sequence[Path]]
    about: Mapping[str, object]
    sums: Mapping[str, str]

    def size(self) -> int:
        """Estimate the size of the text in bytes."""
        paths = [path for paths in self.splits.values() for path in paths]
        factors = (_PACKED_FACTOR if path.suffix.lower() == ".gz" else 1 for path in paths)
        return sum(p.stat().st_size * factor for p, factor in zip(paths, factors, strict=True))


def paths_of(text: str | Path) -> tuple[Path, ...]:
    """Return the file of a path, or the two files of ``a.src,b.tgt``.

    Raises:
        DataError: one does not exist, is not a regular file or cannot be read.
    """
    whole = Path(text)
    parts = [part.strip() for part in str(text).split(BESIDE)]
    beside = len(parts) == 2 and all(parts) and not kind_of_path(whole)
    paths = tuple(map(Path, parts)) if beside else (whole,)
    for path in paths:
        with regular_file(path):
            pass
    return paths


def files_apart(data: DataConfig) -> Files:
    """Return the files that are given for each split."""
    given = {"train": data.train_file, "val": data.val_file, "test": data.test_file}
    splits = {split: paths_of(text) for split, text in given.items() if text}
    return _files(stem_of(splits["train"][0]), splits, given, data)


def file_to_split(data: DataConfig) -> Files:
    """Return the file whose rows are split by source."""
    paths = paths_of(data.path)
    return _files(stem_of(paths[0]), {"": paths}, data.path, data)


def files_of_folder(folder: Path, data: DataConfig) -> Files:
    """Return train, val (or dev) and test of a folder, whatever their format.

    Raises:
        DataError: there is no file of training rows, or more than one.
    """
    found = {split: _in_folder(folder, stems) for split, stems in _STEMS.items()}
    splits = {split: (path,) for split, path in found.items() if path is not None}
    if "train" not in splits:
        raise DataError(
            f"{folder} contains no train.tsv", "name a folder made by gen-data, or a file"
        )
    sums = {str(path): digest(path) for (path,) in splits.values()}
    named = {path.name: sums[str(path)] for (path,) in splits.values()}
    about = {"path": str(folder), "sha256": named, "seed": data.seed}
    return Files(folder.absolute().name, splits, about, sums)


def file_of_split(folder: Path, split: str) -> Path:
    """Return the file of one split in a folder.

    Raises:
        DataError: there is none, or more than one.
    """
    path = _in_folder(folder, _STEMS[split])
    if path is None:
        raise DataError(f"{folder / split}.tsv does not exist", "choose another --split, or a file")
    return path


def stem_of(path: Path) -> str:
    """Return the name of a file without its endings."""
    return (path.with_suffix("") if path.suffix.lower() == _PACKED else path).stem


def _in_folder(folder: Path, stems: tuple[str, ...]) -> Path | None:
    """Return the file of a split, whatever the case of its name."""
    with readable(folder):
        names = sorted(path.name for path in folder.iterdir())
    wanted = {stem + end + packed for stem in stems for end in _ENDINGS for packed in ("", _PACKED)}
    there = [folder / name for name in names if name.lower() in wanted]
    if len(there) > 1:
        message = f"{folder} contains both {there[0].name} and {there[1].name}"
        raise DataError(message, "name the files with --train, --val and --test")
    return there[0] if there else None


def _files(name: str, splits: dict[str, tuple[Path, ...]], path: object, data: DataConfig) -> Files:
    """Return files with their current digests."""
    sums = {str(path): digest(path) for paths in splits.values() for path in paths}
    listed = [sums[str(path)] for paths in splits.values() for path in paths]
    sha256 = listed[0] if len(listed) == 1 else listed
    return Files(name, splits, {"path": path, "sha256": sha256, "seed": data.seed}, sums)
