"""Add the predictions of a teacher to the training rows: sequence-level knowledge distillation.

The student is trained on the targets that the teacher, a model or an ensemble, finds by beam search
(Kim and Rush 2016, arXiv:1606.07947). Its training rows are the gold rows once, and the teacher's
row once for each distinct source of training and each unlabelled source; a prediction that equals a
gold row is not repeated. Validation and test rows stay as they are.

The predictions are stored in the run folder, so that a run resumes with the same rows even if the
teacher is gone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from seqcli.api.members import difference
from seqcli.api.predicting import HYPOTHESES_AT_ONCE
from seqcli.api.trained_model import PairModel, open_model
from seqcli.arrays.ragged import Ragged
from seqcli.config import Config
from seqcli.data.corpus import Codec, Corpus, Distillation, Pairs
from seqcli.data.files.opening import TextFile, text_files
from seqcli.data.files.rows import text_records
from seqcli.data.token_rows import decoded
from seqcli.errors import CheckpointError, DataError, UsageError, blamed
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import read_json
from seqcli.messages import count, note, plural
from seqcli.runs import RunFolder

BEAM = 5  # the least beam width of the teacher, as in the paper
_MOST_BYTES = 1 << 32  # of the stored rows
_REASONS = {  # why an unlabelled source is not used -> the text about it
    "leak": "in validation or test data",
    "unknown": "with tokens that are not in the training data",
    "long": "too long for the teacher",
    "bytes": "not UTF-8 text",
    "unfinished": "whose prediction reached the maximum length or is empty",
}


@dataclass(frozen=True)
class DistilledRows:
    """The rows of the teacher, and what they are made from."""

    pairs: Pairs
    facts: Distillation


def open_teacher(settings: Config, corpus: Corpus) -> PairModel | None:
    """Open the model of ``train.distill`` and check that it suits the data; None without one.

    Raises:
        CheckpointError: a checkpoint of the teacher cannot be used.
        UsageError: the teacher has other inputs or outputs, or is not needed.
    """
    if not settings.train.distill:
        if settings.train.unlabelled:
            hint = "add --distill RUN, the model that predicts their targets"
            raise UsageError("--unlabelled needs a teacher", hint)
        return None
    teacher = open_model(settings.train.distill)
    names = (f"the teacher {teacher.name}", "the data")
    problem = difference(teacher.codec, corpus.codec, names)
    if problem or not isinstance(teacher, PairModel):
        message = f"--distill {settings.train.distill}: {problem or 'is a language model'}"
        raise UsageError(message, "give a teacher that was trained on the same data")
    return teacher


def with_distilled_rows(folder: RunFolder, settings: Config, corpus: Corpus) -> Corpus:
    """Add the rows of the teacher to the training rows, if the run has one.

    Args:
        folder: the locked run folder; the rows are stored there when the run starts.
        settings: the configuration of the run.
        corpus: its gold rows.

    Raises:
        CheckpointError: the teacher or the stored rows cannot be read.
        DataError: the file of unlabelled sources cannot be read.
    """
    if not settings.train.distill:
        return corpus
    path = folder.current.distilled
    if path.exists():
        rows = _load(path, corpus.codec)
    else:
        teacher = open_teacher(settings, corpus)
        assert teacher is not None
        rows = _distill(teacher, settings, corpus)
        write_atomically(path, lambda file: file.write(_to_bytes(rows, corpus.codec)))
    train = _joined(corpus.splits["train"], rows.pairs)
    return replace(
        corpus,
        splits={**corpus.splits, "train": train},
        distillation=rows.facts,
        notes=(*corpus.notes, *_notes(rows.facts)),
    )


def _distill(teacher: PairModel, settings: Config, corpus: Corpus) -> DistilledRows:
    """Predict targets for all sources; return the rows that are not gold rows."""
    train, codec = corpus.splits["train"], corpus.codec
    gold = list(zip(_sources(codec, train), decoded(train.targets, codec.target), strict=True))
    sources = list(dict.fromkeys(tuple(source) for source, _ in gold))
    own, left_out = len(sources), Counter[str]()
    sha256 = None
    if settings.train.unlabelled:
        with text_files([Path(settings.train.unlabelled)]) as (file,):
            sources += _unlabelled(file, teacher, corpus, set(sources), left_out)
            sha256 = file.sha256
    note(f"predicting {plural(len(sources), 'target')} with {teacher.name}")
    rows, places = _predictions(teacher, sources, left_out)
    repeated = {(tuple(source), tuple(target)) for source, target in gold}
    kept = [place for place, row in enumerate(rows) if row not in repeated]
    new = sum(places[place] >= own for place in kept)
    facts = Distillation(
        settings.train.distill,
        settings.train.unlabelled or None,
        sha256,
        {"gold": len(gold), "train": len(kept) - new, "unlabelled": new},
        dict(left_out),
        not corpus.provenance.has_same_rows(teacher.checkpoint.record),
    )
    return DistilledRows(_encoded(codec, [rows[place] for place in kept]), facts)


Tokens = tuple[str, ...]


def _sources(codec: Codec, pairs: Pairs) -> list[list[str]]:
    assert codec.source is not None
    assert pairs.sources is not None
    return decoded(pairs.sources, codec.source, pairs.unknown_sources)


def _held_out(corpus: Corpus) -> set[Tokens]:
    """Return the sources of validation and test."""
    held_out = (pairs for split, pairs in corpus.splits.items() if split != "train")
    return {tuple(source) for pairs in held_out for source in _sources(corpus.codec, pairs)}


@blamed(DataError)
def _unlabelled(
    file: TextFile, teacher: PairModel, corpus: Corpus, known: set[Tokens], left_out: Counter[str]
) -> list[Tokens]:
    """Read the new sources of a file, one per line as for `seqcli.predict`.

    Args:
        file: the file, possibly compressed with gzip.
        teacher: the teacher, which limits the length.
        corpus: the gold rows.
        known: the sources of training.
        left_out: counts the sources that are not used, by reason.
    """
    vocabulary, held_out = corpus.codec.source, _held_out(corpus)
    assert vocabulary is not None
    sources: dict[Tokens, None] = {}
    for record in text_records(file):
        tokens = tuple(corpus.codec.tokenize_source(record.cells[0]))
        if record.problem == "blank" or not (tokens or record.problem):
            continue
        if record.problem:
            left_out["bytes"] += 1
        elif tokens in held_out:
            left_out["leak"] += 1
        elif tokens in known or tokens in sources:
            continue
        elif vocabulary.unknown(tokens):
            left_out["unknown"] += 1
        elif teacher.length_problem(tokens):
            left_out["long"] += 1
        else:
            sources[tokens] = None
    return list(sources)


def _predictions(
    teacher: PairModel, sources: Sequence[Tokens], left_out: Counter[str]
) -> tuple[list[tuple[Tokens, Tokens]], list[int]]:
    """Return the rows of the teacher, and the number of the source of each."""
    codec = teacher.codec
    assert codec.source is not None
    own = teacher.search()
    search = replace(own, beam=max(own.beam, BEAM))
    encoded = Ragged.from_rows([codec.source.encode(source) for source in sources])
    decodings = teacher.decode(encoded, search, max(1, HYPOTHESES_AT_ONCE // search.beam))
    rows, places = [], []
    for place, (source, hypotheses) in enumerate(zip(sources, decodings, strict=True)):
        if not hypotheses or hypotheses[0].truncated or not hypotheses[0].ids:
            left_out["unfinished"] += 1
            continue
        rows.append((source, tuple(codec.target.decode(hypotheses[0].ids))))
        places.append(place)
    return rows, places


def _encoded(codec: Codec, rows: Sequence[tuple[Tokens, Tokens]]) -> Pairs:
    assert codec.source is not None
    targets = Ragged.from_rows([codec.target.encode(target) for _, target in rows])
    return Pairs(targets, Ragged.from_rows([codec.source.encode(source) for source, _ in rows]))


def _joined(gold: Pairs, new: Pairs) -> Pairs:
    """Append rows of weight 1; the weights stay 1 on average."""
    assert gold.sources is not None
    assert new.sources is not None
    weights = None
    if gold.weights is not None:  # 1 on average
        weights = np.concatenate([gold.weights, np.ones(len(new), np.float32)])
    targets = Ragged.from_rows([*_each(gold.targets), *_each(new.targets)])
    sources = Ragged.from_rows([*_each(gold.sources), *_each(new.sources)])
    return replace(gold, targets=targets, sources=sources, weights=weights)


def _each(rows: Ragged) -> Iterable[Sequence[int]]:
    return (rows[row].tolist() for row in range(len(rows)))


def _notes(facts: Distillation) -> Iterator[str]:
    """Describe the training rows, and the unlabelled sources that are not used."""
    rows = facts.rows
    new = f" and {count(rows['unlabelled'])} for unlabelled sources" * bool(facts.unlabelled)
    yield (
        f"training rows: {count(rows['gold'])} gold rows, and predictions of {facts.teacher}: "
        f"{count(rows['train'])} for their sources (those that differ from the gold rows){new}"
    )
    for reason, number in facts.left_out.items():
        yield f"{plural(number, 'source')} left out: {_REASONS[reason]}"
    if facts.other_data:
        yield (
            f"{facts.teacher} was trained on other data, which may include validation or test rows"
        )


class _Stored(TypedDict):
    """The content of distilled.json: sources and targets, with tokens separated by NUL."""

    facts: Distillation
    sources: list[str]
    targets: list[str]


def _to_bytes(rows: DistilledRows, codec: Codec) -> bytes:
    assert codec.source is not None
    assert rows.pairs.sources is not None
    sides = ((rows.pairs.sources, codec.source), (rows.pairs.targets, codec.target))
    sources, targets = (["\0".join(row) for row in decoded(*side)] for side in sides)
    stored = {"facts": asdict(rows.facts), "sources": sources, "targets": targets}
    return json.dumps(stored).encode()


def _load(path: Path, codec: Codec) -> DistilledRows:
    """Load the stored rows.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        stored: _Stored = read_json(path, _Stored, _MOST_BYTES)
        sides = (stored["sources"], stored["targets"])
        sources, targets = ([tuple(row.split("\0")) for row in side] for side in sides)
        rows = _encoded(codec, list(zip(sources, targets, strict=True)))
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read: {error}"
        raise CheckpointError(message, "remove it; the teacher predicts again") from error
    return DistilledRows(rows, stored["facts"])
