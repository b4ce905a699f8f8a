"""`predict`: the n best predictions for each line; `next_tokens`: how a text may continue."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from seqcli.api.arguments import check_counts, check_length_penalty, checked
from seqcli.api.members import Ckpt
from seqcli.api.trained_model import (
    LanguageModel,
    PairModel,
    TrainedModel,
    no_attention,
    open_model,
)
from seqcli.api.views import add_views
from seqcli.arrays.ragged import Ragged, offsets_of
from seqcli.config.sections import SamplingConfig
from seqcli.data.files.streams import line_blocks, open_stream
from seqcli.data.vocabulary import EOS, UNK
from seqcli.decoding.loop import Hypothesis
from seqcli.decoding.search import Search
from seqcli.errors import DataError, UsageError
from seqcli.results import AttentionMap, Candidate, NextToken, Prediction

add_views()

LOOK_AHEAD = 16384  # lines sorted by length together
HYPOTHESES_AT_ONCE = 512  # in a batch by default; they fit in the cache


@checked
def predict(
    ckpt: Ckpt | TrainedModel,
    lines: Iterable[str],
    *,
    beam: int | None = None,
    nbest: int = 1,
    length_penalty: float | None = None,
    batch_size: int | None = None,
    attention: bool = False,
    token_probs: bool = False,
    look_ahead: int = LOOK_AHEAD,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Iterator[Prediction]:
    """Predict a target for each line, lazily and in order.

    Args:
        ckpt: a model or an ensemble; see `open_model`.
        lines: sources as text. The prediction for an empty line has no candidates, nor has that for
            a line that cannot be decoded; its ``problem`` gives the reason.
        beam: beam width, at least ``nbest``; by default that of the run.
        nbest: predictions per line.
        length_penalty: see `seqcli.config.DecodeConfig`.
        batch_size: lines decoded at a time; 512 / the beam width by default.
        attention: add the attention weights of the best prediction.
        token_probs: add the probability of each token, and of ``<eos>``, to each candidate.
        look_ahead: lines read before the first of them is decoded.
        backend, device, threads: see `open_model`.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: a number is below 1, or the model has no ``attention``.
    """
    check_counts(look_ahead=look_ahead)
    predictor = open_predictor(
        ckpt,
        beam=beam,
        nbest=nbest,
        length_penalty=length_penalty,
        batch_size=batch_size,
        attention=attention,
        token_probs=token_probs,
        backend=backend,
        device=device,
        threads=threads,
    )
    return _predictions(predictor, iter(lines), look_ahead)


@checked
def next_tokens(
    ckpt: Ckpt | TrainedModel,
    *,
    prefix: str = "",
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    backend: str | None = None,
) -> tuple[NextToken, ...]:
    """Return the possible next tokens after a prefix in a language model, most likely first.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: the model is not a language model, or the prefix has unknown tokens.
    """
    settings = SamplingConfig(temperature, top_k, top_p)
    model = open_model(ckpt, backend)
    if not isinstance(model, LanguageModel):
        hint = "it predicts targets for sources: seqcli predict"
        raise UsageError(f"{model.name} is a model of pairs, not a language model", hint)
    distribution = model.next_token(model.encode_prefix(prefix), settings)
    vocabulary = model.codec.target
    return tuple(
        NextToken(None if i == EOS else vocabulary.decode([i])[0], float(distribution[i]))
        for i in np.argsort(-distribution, kind="stable").tolist()
        if distribution[i] > 0
    )


@checked
def open_predictor(
    ckpt: Ckpt | TrainedModel,
    *,
    beam: int | None = None,
    nbest: int = 1,
    length_penalty: float | None = None,
    batch_size: int | None = None,
    attention: bool = False,
    token_probs: bool = False,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    mass: float | None = None,
    lexicon: str | Path | None = None,
) -> Predictor:
    """Open a model for repeated predictions; see `predict`.

    Args:
        ckpt, beam, nbest, length_penalty, batch_size, attention, token_probs, backend, device,
            threads: see `predict`.
        mass: keep only as many candidates as it takes to reach this total probability.
        lexicon: a file of known answers: source, tab, target; plain or gzip.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DataError: the lexicon cannot be read.
        UsageError: a number is out of range, or the model has no ``attention``.
    """
    check_counts(beam=beam, nbest=nbest, batch_size=batch_size)
    check_length_penalty(length_penalty)
    model = open_model(ckpt, backend, device, threads)
    if not isinstance(model, PairModel):
        message = f"{model.name} is a language model: it cannot predict targets for sources"
        raise UsageError(message, "see seqcli sample")
    if attention and not model.has_attention:
        raise no_attention(model.name)
    search = model.search(beam, length_penalty, nbest)
    size = batch_size or max(1, HYPOTHESES_AT_ONCE // search.beam)
    known = {} if lexicon is None else read_lexicon(Path(lexicon))
    return Predictor(model, search, size, attention, mass, known, token_probs)


def read_lexicon(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the targets of each source in a file; the last column is the target.

    Raises:
        DataError: the file cannot be read, or a line has no tab.
    """
    known: dict[str, tuple[str, ...]] = {}
    with open_stream(path) as stream:
        for number, line in enumerate(chain.from_iterable(line_blocks(stream, str(path))), 1):
            source, tab, target = line.rpartition("\t") if isinstance(line, str) else ("", "", "")
            if line and not (tab and source and target):
                message = f"{path}, line {number}: not a source, a tab and a target"
                raise DataError(message, "correct it")
            if line and target not in known.get(source, ()):
                known[source] = (*known.get(source, ()), target)
    return known


def _predictions(predictor: Predictor, lines: Iterator[str], size: int) -> Iterator[Prediction]:
    while block := list(islice(lines, size)):
        yield from predictor.predict(block)


@dataclass(frozen=True)
class Predictor:
    """Predict blocks of lines with an open model; see `open_predictor`."""

    model: PairModel
    search: Search
    batch_size: int
    attention: bool
    mass: float | None = None
    lexicon: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    token_probs: bool = False

    def predict(self, lines: Sequence[str]) -> Iterator[Prediction]:
        """Predict a block of lines, and yield the predictions in order.

        Lines are decoded in batches of similar length; repeated lines are decoded once. A line that
        is too long is not decoded: its prediction has no candidates but a ``problem``.

        Args:
            lines: the block.
        """
        unique = [line for line in dict.fromkeys(lines) if line not in self.lexicon]
        sources, problems = self._encode(unique)
        decoded = self.model.decode(sources, self.search, self.batch_size)
        predictions = dict(
            zip(unique, self._texts(unique, sources, decoded, problems), strict=True)
        )
        predictions |= {line: self._known(line) for line in lines if line in self.lexicon}
        if not self.attention:
            yield from map(predictions.__getitem__, lines)
            return
        best = {line: some[0] for line, some in zip(unique, decoded, strict=True) if some}
        for line in lines:
            yield replace(predictions[line], attention=self._map(line, best.get(line)))

    def _known(self, line: str) -> Prediction:
        """Return the targets of the lexicon for a line; they are certain."""
        targets = self.lexicon[line][: self.search.nbest]
        return Prediction(line, tuple(Candidate(one, 0.0, 0.0) for one in targets), known=True)

    def _enough(self, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Return as many candidates as it takes to reach ``mass``; all, if they do not."""
        if self.mass is None:
            return candidates
        total = 0.0
        for number, one in enumerate(candidates, 1):
            total += math.exp(one.log_probability)
            if total >= self.mass:
                return candidates[:number]
        return candidates

    def _encode(self, lines: Sequence[str]) -> tuple[Ragged, list[str]]:
        """Return the ids of each line, and its problem ("" if it has none).

        A line with a problem has no ids.
        """
        codec = self.model.codec
        assert codec.source is not None
        known, ids, lengths, problems = codec.source.ids, array("i"), [], []
        for line in lines:
            tokens = codec.tokenize_source(line)
            problem = self.model.length_problem(tokens)
            tokens = [] if problem else tokens
            ids.extend([known.get(token, UNK) for token in tokens])
            lengths.append(len(tokens))
            problems.append(problem)
        return Ragged(np.array(ids, np.int32), offsets_of(lengths)), problems

    def _texts(
        self,
        lines: Sequence[str],
        sources: Ragged,
        decoded: Sequence[Sequence[Hypothesis]],
        problems: Sequence[str],
    ) -> Iterator[Prediction]:
        """Yield the predictions for distinct lines as texts."""
        codec = self.model.codec
        assert codec.source is not None
        with_unknown = _rows_with_unknown(sources)
        rows = enumerate(zip(lines, self._candidates(sources, decoded), problems, strict=True))
        for row, (line, candidates, problem) in rows:
            unknown = (
                codec.source.unknown(codec.tokenize_source(line)) if row in with_unknown else ()
            )
            note = codec.columns_note(line)
            kept = self._enough(candidates)
            yield Prediction(line, kept, tuple(unknown), note=note, problem=problem)

    def _candidates(
        self, sources: Ragged, decoded: Sequence[Sequence[Hypothesis]]
    ) -> Iterator[tuple[Candidate, ...]]:
        """Yield the candidates of each source, with their token probabilities if requested."""
        codec = self.model.codec
        known = None
        if self.token_probs:
            known = iter(self.model.token_probabilities(sources, decoded, self.batch_size))
        for hypotheses in decoded:
            candidates = tuple(
                Candidate(codec.target_text(one.ids), one.log_probability, one.score, one.truncated)
                for one in hypotheses
            )
            if known is not None:
                every = zip(candidates, hypotheses, next(known), strict=True)
                candidates = tuple(
                    replace(one, tokens=self._tokens(hypothesis.ids, values))
                    for one, hypothesis, values in every
                )
            yield candidates

    def _tokens(self, ids: Sequence[int], probabilities: Sequence[float]) -> tuple[NextToken, ...]:
        tokens = (*self.model.codec.target.decode(ids), None)
        return tuple(map(NextToken, tokens, probabilities))

    def _map(self, line: str, best: Hypothesis | None) -> AttentionMap | None:
        """Return the attention map of a prediction; None if there is no prediction."""
        if best is None:
            return None
        codec = self.model.codec
        assert codec.source is not None
        tokens = codec.tokenize_source(line)
        weights = self.model.attention(codec.source.encode(tokens), best.ids)
        if weights is None:
            return None
        target = tuple(codec.target.decode(best.ids))
        return AttentionMap(tuple(tokens), target, weights[: len(target) + (not best.truncated)])


def _rows_with_unknown(sources: Ragged) -> set[int]:
    """Return the indices of the rows with unknown tokens."""
    places = np.flatnonzero(sources.tokens == UNK)
    return set((np.searchsorted(sources.offsets, places, side="right") - 1).tolist())
