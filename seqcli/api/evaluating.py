"""`evaluate`: how good a model is, beside what no model could do."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli import registry
from seqcli.api.arguments import check_counts, check_length_penalty, checked
from seqcli.api.language import open_language_model, takes_sources
from seqcli.api.language_evaluating import evaluate_language
from seqcli.api.other_rows import OtherRows, own_corpus
from seqcli.api.own_data import corpus_of_run
from seqcli.config import DecodeConfig
from seqcli.data.corpus import SPLITS, Corpus, Pairs
from seqcli.errors import SeqcliError, UsageError
from seqcli.files.atomic import check_own_output
from seqcli.metrics.predictions import PredictionTable
from seqcli.metrics.predictions_file import write_predictions
from seqcli.metrics.scores import score
from seqcli.metrics.texts import write_texts
from seqcli.results import Evaluation

if TYPE_CHECKING:
    from seqcli.api.loading import Loaded


Notes = tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """How answers are searched for; None is as in training."""

    beam: int | None = None
    length_penalty: float | None = None
    oracle_length: bool = False

    def over(self, own: DecodeConfig) -> DecodeConfig:
        """Return a model's own setting with what is asked for over it."""
        return DecodeConfig(
            own.beam if self.beam is None else self.beam,
            own.length_penalty if self.length_penalty is None else self.length_penalty,
        )


@checked
def evaluate(
    ckpt: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    beam: int | None = None,
    length_penalty: float | None = None,
    oracle_length: bool = False,
    batch_size: int = 256,
    predictions: str | Path | None = None,
    backend: str | None = None,
    format: str | None = None,
    columns: str | None = None,
    separator: str | None = None,
) -> Evaluation:
    """Score a checkpoint on a split of its own data, or on other data.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        split: train, val or test; without ``data`` the very rows that training kept apart.
        data: a folder made by gen-data (its ``split`` is taken), or a file of pairs (all of it);
            for a language model a file of names.
        beam, length_penalty: how answers are searched for; the run's own setting by default.
        oracle_length: tell the model how long each answer is.
        batch_size: rows decoded at a time.
        predictions: a TSV file for every row's prediction or loss, which `rescore` reads.
        backend: torch or numpy, for a language model; by default the one that trained it.
        format, columns, separator: how the file ``data`` is written; as in training by default.

    Raises:
        CheckpointError, DataError, UsageError: one line that says what and where.
    """
    registry.check("split", split, SPLITS)
    check_counts(beam=beam, batch_size=batch_size)
    check_length_penalty(length_penalty)
    other = _other(data, format, columns, separator)
    search = Search(beam, length_penalty, oracle_length)
    if predictions is not None:
        check_own_output(Path(predictions), _is_predictions, "choose another file name")
    if not takes_sources(ckpt):
        _check_no_search(ckpt, search != Search())
        evaluation, losses = evaluate_language(open_language_model(ckpt, backend), split, other)
        if predictions is not None:
            write_texts(Path(predictions), losses)
        return evaluation
    if backend not in (None, "torch"):
        raise UsageError(f"{ckpt} is a model of pairs: PyTorch runs those", "leave --backend out")
    evaluation, answers = _evaluate_pairs(ckpt, split, other, search, batch_size)
    if predictions is not None:
        write_predictions(Path(predictions), answers)
    return evaluation


def _other(
    data: str | Path | None, format: str | None, columns: str | None, separator: str | None
) -> OtherRows | None:
    """Return the rows of other data, None for the model's own."""
    if data is not None:
        return OtherRows(Path(data), format, columns, separator)
    if (format, columns, separator) != (None, None, None):
        given = "--format, --columns and --separator"
        raise UsageError(f"{given} say how a file is written", "give --data FILE")
    return None


def _is_predictions(begin: bytes) -> bool:
    """Return whether a file begins like one of predictions, which the next one may replace."""
    return re.match(rb"(source|text):[a-z]+\t", begin) is not None


def _check_no_search(ckpt: str | Path, asked: bool) -> None:
    if asked:
        message = f"{ckpt} is a language model: it is scored without decoding"
        hint = "leave --beam, --length-penalty and --oracle-length out"
        raise UsageError(message, hint)


def _evaluate_pairs(
    ckpt: str | Path,
    split: str,
    other: OtherRows | None,
    search: Search,
    batch_size: int,
) -> tuple[Evaluation, PredictionTable]:
    """Score a model of pairs; this alone needs PyTorch."""
    from seqcli.api.answers_of import answers_of, unknown_notes
    from seqcli.api.loading import load_model

    began, loaded = time.monotonic(), load_model(ckpt)
    pairs, corpus, notes = (
        _own_rows(loaded, split) if other is None else _other_rows(loaded, split, other)
    )
    answers = answers_of(loaded, pairs, corpus, search, batch_size, own=other is None)
    decode = search.over(loaded.config.decode)
    scores = score(answers)
    evaluation = Evaluation(
        **{**vars(scores), "notes": (*notes, *scores.notes, *unknown_notes(pairs))},
        checkpoint=str(loaded.path),
        data=str(other.path if other else loaded.checkpoint.about.get("name", "")),
        split=split if other is None or other.path.is_dir() else "",
        beam=decode.beam,
        length_penalty=decode.length_penalty,
        seconds=time.monotonic() - began,
    )
    return evaluation, answers


def _own_rows(loaded: Loaded, split: str) -> tuple[Pairs, Corpus, Notes]:
    """Return a split of the data the model was trained on, and that data."""
    corpus = own_corpus(loaded.config, loaded.codec, loaded.checkpoint.about, split)
    return corpus.splits[split], corpus, ()


def _other_rows(loaded: Loaded, split: str, other: OtherRows) -> tuple[Pairs, Corpus | None, Notes]:
    """Return rows the model has nothing to do with, its own data where that is still there, and
    what was found in reading the rows."""
    pairs, notes = other.rows(split, loaded.codec, loaded.config)
    try:
        corpus = corpus_of_run(loaded.config)
    except SeqcliError:
        return pairs, None, notes
    return pairs, corpus if corpus.codec == loaded.codec else None, notes
