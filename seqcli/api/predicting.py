"""`predict`: one answer (or n) to each line, in order, a block of lines at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from seqcli.api.arguments import check_counts, check_length_penalty, checked
from seqcli.api.loading import Loaded, load_model
from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.config import DecodeConfig
from seqcli.data.batches import padded_batch
from seqcli.data.corpus import Pairs
from seqcli.data.files.rows import length_problem
from seqcli.data.vocabulary import UNK
from seqcli.engine.answering import answer
from seqcli.engine.decoding import Hypothesis, attention_weights
from seqcli.errors import UsageError
from seqcli.results import AttentionMap, Candidate, Prediction

LOOK_AHEAD = 16384  # lines sorted by length together
_ANSWERS_AT_ONCE = 512  # under way in a batch, where its size is not given: they fit the cache
_USUAL_LENGTH = 64  # symbols; longer lines go in smaller batches, so that memory stays bounded


@checked
def predict(
    ckpt: str | Path,
    lines: Iterable[str],
    *,
    beam: int | None = None,
    nbest: int = 1,
    length_penalty: float | None = None,
    batch_size: int | None = None,
    attention: bool = False,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[Prediction]:
    """Answer each line, lazily and in order: one prediction for each line.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        lines: sources as text; an empty line gets a prediction without candidates, and so does
            one that cannot be answered, whose ``problem`` says why.
        beam: beam width; the run's own by default, at least ``nbest``.
        nbest: answers a line.
        length_penalty: see `seqcli.config.DecodeConfig`.
        batch_size: lines answered at a time; 512 over the beam width by default.
        attention: add where the model looked while writing its best answer.
        look_ahead: lines read before the first of them is answered.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: a number below 1, or attention is asked of a model that has none.
    """
    check_counts(look_ahead=look_ahead)
    predictor = open_predictor(
        ckpt,
        beam=beam,
        nbest=nbest,
        length_penalty=length_penalty,
        batch_size=batch_size,
        attention=attention,
    )
    return _answers(predictor, iter(lines), look_ahead)


@checked
def open_predictor(
    ckpt: str | Path,
    *,
    beam: int | None = None,
    nbest: int = 1,
    length_penalty: float | None = None,
    batch_size: int | None = None,
    attention: bool = False,
) -> Predictor:
    """Load a model once, to answer as often as you like; see `predict`."""
    check_counts(beam=beam, nbest=nbest, batch_size=batch_size)
    check_length_penalty(length_penalty)
    loaded = load_model(ckpt)
    if loaded.codec.source is None:
        raise UsageError(f"{ckpt} is a language model: it has no answers", "see seqcli sample")
    if attention:
        _check_attention(loaded)
    own = loaded.config.decode
    decode = DecodeConfig(
        max(own.beam if beam is None else beam, nbest),
        own.length_penalty if length_penalty is None else length_penalty,
    )
    size = batch_size or max(1, _ANSWERS_AT_ONCE // decode.beam)
    return Predictor(loaded, decode, nbest, size, attention)


def _check_attention(loaded: Loaded) -> None:
    model = loaded.config.model
    if model.cell != "transformer" and model.attention == "none":
        raise UsageError(
            f"{loaded.path}: this model has no attention to show",
            "train one with --attention, or a Transformer",
        )


def _answers(predictor: Predictor, lines: Iterator[str], size: int) -> Iterator[Prediction]:
    while block := list(islice(lines, size)):
        yield from predictor.answer(block)


@dataclass(frozen=True)
class Predictor:
    """A model that answers lines; made by `open_predictor`."""

    loaded: Loaded
    decode: DecodeConfig
    nbest: int
    batch_size: int
    attention: bool

    def answer(self, lines: Sequence[str]) -> Iterator[Prediction]:
        """Answer a block of lines at once; yield in their order.

        Lines are answered in batches of like lengths, and a line that stands there twice once.

        A line that is too long gets no answer, and a prediction that says why: the work on any
        line is bounded, and the lines around it are answered as usual.

        Args:
            lines: the block.
        """
        unique = list(dict.fromkeys(lines))
        sources, problems = self._encode(unique)
        answers = self._search(sources)
        predictions = self._predictions(unique, sources, answers, problems)
        found = dict(zip(unique, predictions, strict=True))
        if not self.attention:
            yield from map(found.__getitem__, lines)
            return
        best = {line: one[0].ids for line, one in zip(unique, answers, strict=True) if one}
        for line in lines:
            yield replace(found[line], attention=self._map(line, best.get(line)))

    def _encode(self, lines: Sequence[str]) -> tuple[Ragged, list[str]]:
        """Return the ids of each line, and what keeps it from being answered ("" for nothing).

        A line with a problem has no ids.
        """
        codec = self.loaded.codec
        assert codec.source is not None
        known, ids, lengths, problems = codec.source.ids, array("i"), [], []
        for line in lines:
            row = codec.tokenize_source(line)
            problem = line_problem(self.loaded, row)
            row = [] if problem else row
            ids.extend([known.get(symbol, UNK) for symbol in row])
            lengths.append(len(row))
            problems.append(problem)
        return Ragged(np.array(ids, np.int32), offsets_of(lengths)), problems

    def _predictions(
        self,
        lines: Sequence[str],
        sources: Ragged,
        answers: Sequence[Sequence[Hypothesis]],
        problems: Sequence[str],
    ) -> Iterator[Prediction]:
        """Yield the predictions for different lines."""
        codec = self.loaded.codec
        assert codec.source is not None
        strange = _rows_with_unknown(sources)
        told = zip(lines, answers, problems, strict=True)
        for row, (line, hypotheses, problem) in enumerate(told):
            candidates = tuple(
                Candidate(codec.target_text(one.ids), one.log_probability, one.score, one.truncated)
                for one in hypotheses
            )
            unknown = codec.source.unknown(codec.tokenize_source(line)) if row in strange else ()
            note = codec.columns_note(line)
            yield Prediction(line, candidates, tuple(unknown), note=note, problem=problem)

    def _search(self, sources: Ragged) -> list[list[Hypothesis]]:
        """Return the answers to each source, in order; of an empty one none."""
        loaded = self.loaded
        found: list[list[Hypothesis]] = [[] for _ in range(len(sources))]
        pairs = Pairs(Ragged.from_rows([[]] * len(sources)), sources)
        for rows in _cuts(sources, self.batch_size):
            batch = padded_batch(pairs, rows)
            answers = answer(loaded.model, batch, loaded.limits, self.decode, self.nbest)
            for row, hypotheses in zip(rows.tolist(), answers, strict=True):
                found[row] = hypotheses
        return found

    def _map(self, line: str, ids: list[int] | None) -> AttentionMap | None:
        """Return where the model looks while it writes ``ids``; the answer is written again."""
        if ids is None:
            return None
        codec, model = self.loaded.codec, self.loaded.model
        assert codec.source is not None
        symbols = codec.tokenize_source(line)
        source = torch.tensor([codec.source.encode(symbols)], device=model.device)  # (1, S)
        weights = attention_weights(model, source, ids)
        if weights is None:
            return None
        return AttentionMap(tuple(symbols), tuple(codec.target.decode(ids)), weights.numpy())


def line_problem(loaded: Loaded, tokens: Sequence[str]) -> str:
    """Return why a source cannot be answered; "" where it can.

    The limit is the one of training, ``data.max_length``, or the longest source of training where
    that is more; learned positions reach less far.
    """
    limits, model = loaded.limits, loaded.config.model
    problem = length_problem(tokens, "line", max(loaded.config.data.max_length, limits.source))
    if problem or model.cell != "transformer" or model.positions != "learned":
        return problem
    answered = limits.prediction(len(tokens)) + 1 + len(tokens) * model.continue_positions
    if max(len(tokens), answered) <= limits.positions:
        return ""
    return f"the line has {len(tokens):,} tokens, more than the model has learned positions for"


def _cuts(sources: Ragged, batch_size: int) -> Iterator[Index]:
    """Yield the rows of each batch, shortest first; empty sources are in none."""
    lengths = sources.lengths
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    while len(order):
        size = min(batch_size, len(order))
        while size > 1 and size * int(lengths[order[size - 1]]) > batch_size * _USUAL_LENGTH:
            size //= 2
        yield order[:size]
        order = order[size:]


def _rows_with_unknown(sources: Ragged) -> set[int]:
    """Return the rows that hold an unknown symbol."""
    places = np.flatnonzero(sources.tokens == UNK)
    return set((np.searchsorted(sources.offsets, places, side="right") - 1).tolist())
