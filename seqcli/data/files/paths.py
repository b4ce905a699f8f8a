"""Resolve data paths: one file, two parallel files, or the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Provenance
from seqcli.data.files.opening import digest, kind_of_path, readable, regular_file
from seqcli.errors import DataError

PATH_SEPARATOR = ","  # between the paths of two parallel files
_STEMS = {"train": ("train",), "val": ("val", "dev", "valid", "validation"), "test": ("test",)}
_ENDINGS = (".tsv", ".tab", ".csv", ".jsonl", ".ndjson", ".json", ".txt")
_PACKED = ".gz"
_PACKED_FACTOR = 4  # estimated compression ratio of gzip files


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    Args:
        name: its display name.
        splits: split -> its file (or two parallel files); "" -> one file to split by source.
        provenance: where the rows come from.
        sums: path -> SHA-256 before the file was read.
    """

    name: str
    splits: Mapping[str, Sequence[Path]]
    provenance: Provenance
    sums: Mapping[str, str]

    def size(self) -> int:
        """Estimate the size of the text in bytes."""
        paths = [path for paths in self.splits.values() for path in paths]
        factors = (_PACKED_FACTOR if path.suffix.lower() == ".gz" else 1 for path in paths)
        return sum(p.stat().st_size * factor for p, factor in zip(paths, factors, strict=True))


def paths_of(text: str | Path) -> tuple[Path, ...]:
    """Return the file of a path, or the two files of ``a.src,b.tgt``.

    Raises:
        DataError: a file does not exist, is not a regular file or cannot be read.
    """
    whole = Path(text)
    parts = [part.strip() for part in str(text).split(PATH_SEPARATOR)]
    parallel = len(parts) == 2 and all(parts) and not kind_of_path(whole)
    paths = tuple(map(Path, parts)) if parallel else (whole,)
    for path in paths:
        with regular_file(path):
            pass
    return paths


def files_per_split(data: DataConfig) -> Files:
    """Return the files that the user gave for each split."""
    names = {"train": data.train_file, "val": data.val_file, "test": data.test_file}
    splits = {split: paths_of(text) for split, text in names.items() if text}
    return _files(stem_of(splits["train"][0]), splits, names, data)


def file_to_split(data: DataConfig) -> Files:
    """Return the file whose rows will be split by source."""
    paths = paths_of(data.path)
    return _files(stem_of(paths[0]), {"": paths}, data.path, data)


def files_of_folder(folder: Path, data: DataConfig) -> Files:
    """Find the files of train, val (or dev) and test in a folder, in any format.

    Raises:
        DataError: the folder contains no training file, or several.
    """
    paths = {split: _in_folder(folder, stems) for split, stems in _STEMS.items()}
    splits = {split: (path,) for split, path in paths.items() if path is not None}
    if "train" not in splits:
        raise DataError(
            f"{folder} contains no train.tsv", "give a folder written by gen-data, or a file"
        )
    sums = {str(path): digest(path) for (path,) in splits.values()}
    named = {path.name: sums[str(path)] for (path,) in splits.values()}
    provenance = Provenance(path=str(folder), sha256=named, seed=data.seed)
    return Files(folder.absolute().name, splits, provenance, sums)


def file_of_split(folder: Path, split: str) -> Path:
    """Find the file of one split in a folder.

    Raises:
        DataError: the folder contains no such file, or several.
    """
    path = _in_folder(folder, _STEMS[split])
    if path is None:
        raise DataError(f"{folder / split}.tsv does not exist", "choose another --split, or a file")
    return path


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffixes."""
    return (path.with_suffix("") if path.suffix.lower() == _PACKED else path).stem


def _in_folder(folder: Path, stems: tuple[str, ...]) -> Path | None:
    """Find the file of a split, ignoring the case of its name."""
    with readable(folder):
        names = sorted(path.name for path in folder.iterdir())
    known = {stem + end + zipped for stem in stems for end in _ENDINGS for zipped in ("", _PACKED)}
    matches = [folder / name for name in names if name.lower() in known]
    if len(matches) > 1:
        message = f"{folder} contains both {matches[0].name} and {matches[1].name}"
        raise DataError(message, "give the files with --train, --val and --test")
    return matches[0] if matches else None


def _files(
    name: str, splits: dict[str, tuple[Path, ...]], path: str | dict[str, str], data: DataConfig
) -> Files:
    """Create `Files` with their current digests."""
    sums = {str(path): digest(path) for paths in splits.values() for path in paths}
    listed = tuple(sums[str(path)] for paths in splits.values() for path in paths)
    sha256 = listed[0] if len(listed) == 1 else listed
    return Files(name, splits, Provenance(path=path, sha256=sha256, seed=data.seed), sums)
