"""Load files as a corpus, through a folder of arrays that is cached for large files."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from seqcli.arrays.ragged import Ragged, offsets_of
from seqcli.config.sections import DataConfig
from seqcli.data.baselines import language_baselines, text_baselines, with_max_lengths
from seqcli.data.corpus import SPLITS, Codec, Corpus, Pairs, split_rows
from seqcli.data.files import cache
from seqcli.data.files.columns import parse_columns
from seqcli.data.files.encoding import (
    KINDS,
    META,
    Part,
    array_path,
    parts_of_splits,
    report_repeats,
    write_meta,
    write_parts,
)
from seqcli.data.files.file_encoder import (
    EncodedFile,
    FileEncoder,
    IncrementalVocabulary,
    TokenBuffer,
)
from seqcli.data.files.paths import Files
from seqcli.data.files.rows import Findings
from seqcli.data.files.tokenization import chosen_tokens
from seqcli.data.vocabulary import UNK, Normalizer, Tokenizer, Vocabulary
from seqcli.errors import DataError
from seqcli.events import DataRead, Finding
from seqcli.files.regular import read_json
from seqcli.schema import SchemaError

FORMAT = 1  # version of the folder layout
LARGE = 4 << 20  # bytes of files above which their encoding is cached
NAMED = "named_rows.tsv"
_MOST_META = 1 << 30  # bytes


def codec_of(data: DataConfig) -> Codec:
    """Return the codec of a data set, with empty vocabularies."""
    columns = parse_columns(data.columns)
    return Codec(
        Vocabulary(()),
        Tokenizer(data.target_tokens),
        None,
        Tokenizer(data.source_tokens),
        Normalizer(data.normalize, data.lower),
        columns is not None and columns.has("features"),
    )


def read_files(files: Files, data: DataConfig) -> Corpus:
    """Read files as a corpus, from the cache if they have been encoded before.

    Raises:
        DataError: a file is missing, is not text, changes while it is read, or has too many
            unusable rows.
        UsageError: the selected columns do not fit the format.
    """
    data, notes = chosen_tokens(files.splits, data)
    key = _key(files, data)

    def write(folder: Path) -> None:
        _encode(files, data, folder)

    large = files.size() >= LARGE
    with (
        cache.cached_folder(key, write) if large else cache.temporary_entry(write) as (
            folder,
            stays,
        )
    ):
        return _load(folder, files, data, notes, mapped=large, stays=stays)


def _key(files: Files, data: DataConfig) -> str:
    """Compute a digest of everything that the arrays depend on."""
    splits = {split: list(map(str, paths)) for split, paths in files.splits.items()}
    parts = [FORMAT, unicodedata.unidata_version, splits, dict(files.sums), asdict(data)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _encode(files: Files, data: DataConfig, folder: Path) -> None:
    """Read the files and fill the folder."""
    findings = Findings()
    encoder = FileEncoder(data, codec_of(data), findings)
    encoded = {split: encoder.encode(paths, split) for split, paths in files.splits.items()}
    _check_unchanged(files, encoded.values())
    _check_alike(list(encoded.values()))
    for one in encoded.values():
        report_repeats(one, findings)
    alphabets = {"target": encoder.targets}
    if next(iter(encoded.values())).sources is not None:
        alphabets = {"source": encoder.sources, **alphabets}
    parts = _parts(encoded)
    repeat = data.counts == "repeats"
    meta, splits = write_parts(folder, parts, alphabets, findings, repeat)
    sizes = {side: len(tokens) for side, tokens in meta["vocabulary"].items()}
    report = DataRead(
        tuple(one.summary() for one in encoded.values()),
        splits,
        (sizes.get("source", 0), sizes["target"]),
        findings.collect(),
        tuple(_missing(parts, encoded)),
    )
    findings.write(folder / NAMED)
    write_meta(folder, {**meta, "data": report})


def _parts(encoded: Mapping[str, EncodedFile]) -> list[Part]:
    if "" not in encoded:
        return parts_of_splits(encoded)
    whole = encoded[""]
    return [Part(split, whole, rows) for split, rows in split_rows(whole.groups).items()]


def _check_unchanged(files: Files, encoded: Iterable[EncodedFile]) -> None:
    """Refuse files that changed since their digest was computed."""
    for one in encoded:
        for path, digest in one.digests.items():
            if digest != files.sums[path]:
                hint = "run the command again once nothing writes to it"
                raise DataError(f"{path} changed while it was read", hint)


def _check_alike(files: Sequence[EncodedFile]) -> None:
    for one in files[1:]:
        if (one.sources is None) != (files[0].sources is None):
            kinds = ("pairs", "names") if one.sources is None else ("names", "pairs")
            message = f"{files[0].path} holds {kinds[0]}, but {one.path} {kinds[1]}"
            raise DataError(message, "give files of one kind, or set the format with --format")


def _missing(parts: Sequence[Part], encoded: Mapping[str, EncodedFile]) -> list[str]:
    present = {part.split for part in parts}
    missing = " and no ".join(split for split in SPLITS if split not in present)
    if not missing:
        return []
    result = "; training keeps the last epoch" if "val" not in present else ""
    if "" not in encoded:
        return [f"no {missing} split: no file was given{result}"]
    one = encoded[""]
    distinct, rows = len(np.unique(one.groups)), "names" if one.sources is None else "sources"
    return [f"no {missing} split: the file has only {distinct} distinct {rows}{result}"]


def _load(
    folder: Path,
    files: Files,
    data: DataConfig,
    notes: tuple[str, ...],
    *,
    mapped: bool,
    stays: bool,
) -> Corpus:
    """Load the corpus from a folder; ``mapped`` arrays stay on disk."""
    meta = _read_meta(folder / META)
    words = meta["vocabulary"]
    source = Vocabulary(tuple(words["source"])) if "source" in words else None
    codec = replace(codec_of(data), target=Vocabulary(tuple(words["target"])), source=source)
    splits = {
        split: _pairs(folder, split, entry, source is not None, mapped)
        for split, entry in meta["splits"].items()
    }
    report = meta["data"]
    styles = (codec.source_tokenizer.style if source else "", codec.target_tokenizer.style)
    report = replace(report, notes=(*report.notes, *notes), tokens=styles)
    tokens = len(codec.target.tokens)
    measure = language_baselines if source is None else text_baselines
    named = folder / NAMED if stays else (folder / NAMED).read_bytes()
    provenance = with_max_lengths(files.provenance, splits)
    return Corpus(
        files.name,
        codec,
        splits,
        measure(splits, tokens),
        provenance,
        report.notes,
        report,
        named,
    )


def _pairs(
    folder: Path, split: str, entry: _SplitOfPairs, with_sources: bool, mapped: bool
) -> Pairs:
    def array(side: str, what: str) -> Any:
        path = array_path(folder, split, side, what)
        if not mapped:
            return np.fromfile(path, KINDS[what])
        # a plain array: indexing a memmap creates memmaps, which is slow
        return np.asarray(np.memmap(path, KINDS[what], "r"))

    def rows(side: str) -> Ragged:
        return Ragged(array(side, "tokens"), array(side, "offsets"))

    return Pairs(
        rows("target"),
        rows("source") if with_sources else None,
        tuple(entry["unknown_targets"]),
        tuple(entry.get("unknown_sources", ())),
        array("row", "weights") if entry["weights"] else None,
    )


class _Split(TypedDict):
    """The entry of a split in meta.json."""

    unknown_targets: list[str]
    weights: bool


class _SplitOfPairs(_Split, total=False):
    unknown_sources: list[str]


class _Targets(TypedDict):
    target: list[str]


class _Words(_Targets, total=False):
    source: list[str]


class _Meta(TypedDict):
    """The content of meta.json."""

    vocabulary: _Words
    splits: dict[str, _SplitOfPairs]
    data: DataRead


def _read_meta(path: Path) -> _Meta:
    try:
        meta: _Meta = read_json(path, _Meta, _MOST_META)
    except (OSError, SchemaError) as error:
        hint = f"remove the folder {path.parent}; it will be created again"
        raise DataError(f"{path} is damaged: {error}", hint) from None
    return meta


def encode_for_model(
    paths: Sequence[Path], data: DataConfig, codec: Codec
) -> tuple[Pairs, tuple[Finding, ...]]:
    """Encode a file with the codec of a trained model; return its rows and the findings.

    Args:
        paths: the file, or two parallel files.
        data: the format of the files.
        codec: the codec of the model.

    Raises:
        DataError: the file cannot be used, or contains pairs although the model takes names, or
            names although it takes pairs.
    """
    findings = Findings()
    encoder = FileEncoder(data, codec, findings)
    encoded = encoder.encode(paths, "")
    targets, unknown_targets = _encoded(encoded.targets, encoder.targets, codec.target)
    if (codec.source is None) != (encoded.sources is None):
        takes, has = ("names", "pairs") if codec.source is None else ("pairs", "names")
        message = f"{paths[0]}: the model was trained on {takes}, but this file contains {has}"
        raise DataError(message, "give a file like the one it was trained on, or --columns")
    if codec.source is None or encoded.sources is None:
        return Pairs(targets, None, unknown_targets), findings.collect()
    sources, unknown_sources = _encoded(encoded.sources, encoder.sources, codec.source)
    return Pairs(targets, sources, unknown_targets, unknown_sources), findings.collect()


def _encoded(
    buffer: TokenBuffer, alphabet: IncrementalVocabulary, vocabulary: Vocabulary
) -> tuple[Ragged, tuple[str, ...]]:
    """Convert provisional ids to ids of the vocabulary; return the unknown tokens too."""
    texts = list(alphabet)
    table = np.array([vocabulary.ids.get(token, UNK) for token in texts], np.int32)
    chunks = [chunk.tokens for _, chunk in buffer.chunks()]
    tokens = np.concatenate(chunks)
    ids = table[tokens]
    unknown = tuple(texts[number] for number in tokens[ids == UNK].tolist())
    return Ragged(ids, offsets_of(buffer.lengths)), unknown
