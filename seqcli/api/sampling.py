"""`sample`: sample texts or targets from a model, and filter them by what the user requests."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seqcli.api.arguments import checked
from seqcli.api.members import Ckpt
from seqcli.api.trained_model import LanguageModel, PairModel, TrainedModel, open_model
from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import SamplingConfig
from seqcli.data.corpus import Pairs
from seqcli.decoding.loop import Hypothesis
from seqcli.decoding.search import Search
from seqcli.errors import DataError, UsageError
from seqcli.messages import count, plural
from seqcli.results import Sample, Samples

DRAWN_AT_ONCE = 1000
MAX_IDLE_DRAWS = 20_000  # samples without a new text before sampling stops
LINES_AT_ONCE = 256
ROUNDS = 20  # of sampling for unique targets


@checked
def sample(
    ckpt: Ckpt | TrainedModel,
    n: int | None = None,
    *,
    lines: Iterable[str] | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    greedy: bool = False,
    beam: int | None = None,
    prefix: str = "",
    max_length: int | None = None,
    seed: int | None = None,
    unique: bool = False,
    novel: bool = False,
    logprob: bool = False,
    backend: str | None = None,
) -> Samples:
    """Sample texts from a language model, or targets from a sequence-to-sequence model.

    Args:
        ckpt: a model or an ensemble; see `open_model`.
        n: the number of texts; 10 by default (1 with ``greedy`` and for each of ``lines``).
        lines: the sources, for a sequence-to-sequence model only.
        temperature, top_k, top_p: see `seqcli.config.sections.SamplingConfig`.
        greedy, beam: return the most likely text, or the n most likely by beam search; no sampling.
        prefix: the beginning of every text.
        max_length: maximum length of a text in tokens, prefix included; by default the longest
            text of training + 10.
        seed: the random seed of sampling; by default a different one each time.
        unique, novel: no duplicates; only texts in no split of the training data, by fingerprints,
            which take a new text for a known one with a probability below 1e-9.
        logprob: add the log-probability of each text.
        backend: auto, torch or numpy; see `open_model`.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: options cannot be combined, or the prefix has unknown tokens.
    """
    settings = SamplingConfig(temperature, top_k, top_p)
    _check(n, settings, greedy, beam)
    model = open_model(ckpt, backend)
    _check_kind(model, lines, bool(greedy or beam or prefix or novel))
    n = n or (1 if greedy or isinstance(model, PairModel) else 10)
    request = SampleRequest(n, prefix, max_length, unique, novel, logprob)
    if isinstance(model, PairModel):
        return _draw_targets(model, lines, request, settings, _seed(seed))
    if greedy or beam:
        return _search_texts(model, request, 1 if greedy else max(beam or 1, n))
    return _draw_texts(model, request, settings, _seed(seed))


def _check(n: int | None, settings: SamplingConfig, greedy: bool, beam: int | None) -> None:
    """Check that the options are valid and can be combined."""
    if n is not None and n < 1:
        raise UsageError(f"--n cannot be {n}", "give --n 1 or more")
    if beam is not None and beam < 1:
        raise UsageError(f"--beam cannot be {beam}", "give --beam 1 or more")
    if greedy and beam:
        raise UsageError("--greedy and --beam cannot be combined", "choose one")
    if (greedy or beam) and settings != SamplingConfig():
        hint = "omit --temperature, --top-k and --top-p"
        raise UsageError("--greedy and --beam do not sample", hint)
    if greedy and n not in (None, 1):
        raise UsageError("--greedy gives only one text", f"for the {n} most likely: --beam {n}")


def _check_kind(model: TrainedModel, lines: object, has_text_options: bool) -> None:
    """Check that the options are those of the kind of model: of pairs, or of texts."""
    if isinstance(model, PairModel) and has_text_options:
        options = "--greedy, --beam, --prefix and --novel"
        raise UsageError(f"{options} are for language models", "see seqcli predict")
    if isinstance(model, LanguageModel) and lines is not None:
        raise UsageError(f"{model.name} is a language model: it takes no input", "omit --input")


def _seed(seed: int | None) -> int:
    return secrets.randbelow(1 << 32) if seed is None else seed


def _max_length(model: LanguageModel, request: SampleRequest, prefix: Sequence[int]) -> int:
    """Return the maximum length of a text in tokens, prefix included.

    Raises:
        UsageError: the prefix alone is longer.
    """
    usual = model.limits.prediction(0)
    if request.max_length is None:
        return usual if len(prefix) < usual else len(prefix) + usual
    if request.max_length < max(1, len(prefix)):
        message = (
            f"the prefix does not fit a maximum length of {plural(request.max_length, 'token')}"
        )
        raise UsageError(message, "give a larger --max-length")
    return request.max_length


def _search_texts(model: LanguageModel, request: SampleRequest, beam: int) -> Samples:
    """Return the most likely texts by beam search."""
    prefix = model.encode_prefix(request.prefix)
    limit = _max_length(model, request, prefix)
    texts = model.decode(Search(beam, 0.0, beam), prefix, limit)
    texts = SampleFilter(model, replace(request, unique=True)).apply(texts)
    texts = texts.take(np.arange(min(request.count, len(texts))))
    notes = []
    if len(texts) < request.count:
        share = f"{count(len(texts))} of {plural(request.count, 'text')}"
        notes = [f"only {share}: a wider --beam may find more"]
    return Samples(_samples(model, texts, request, limit), None, 0, tuple(notes))


def _draw_texts(
    model: LanguageModel, request: SampleRequest, settings: SamplingConfig, seed: int
) -> Samples:
    """Sample until enough texts meet the request, or MAX_IDLE_DRAWS samples add none."""
    prefix = model.encode_prefix(request.prefix)
    limit = _max_length(model, request, prefix)
    random, passing = np.random.default_rng(seed), SampleFilter(model, request)
    samples: list[Sample] = []
    missing, idle = request.count, 0
    while missing and idle < MAX_IDLE_DRAWS:
        size = DRAWN_AT_ONCE if passing.strict else min(missing, DRAWN_AT_ONCE)
        texts = passing.apply(model.sample(size, settings, random, prefix, limit))
        texts = texts.take(np.arange(min(missing, len(texts))))
        idle = 0 if len(texts) else idle + size
        missing -= len(texts)
        samples += _samples(model, texts, request, limit)
    return Samples(tuple(samples), seed, passing.drawn, passing.explain(missing))


def _samples(
    model: LanguageModel, texts: Ragged, request: SampleRequest, limit: int
) -> tuple[Sample, ...]:
    """Decode texts, with their log-probabilities if requested."""
    scores = [None] * len(texts)
    if request.logprob and len(texts):
        scores = model.log_likelihoods(Pairs(texts)).tolist()
    rows = [texts[i].tolist() for i in range(len(texts))]
    return tuple(
        Sample(model.codec.target_text(row), len(row) < limit, score)
        for row, score in zip(rows, scores, strict=True)
    )


def _draw_targets(
    model: PairModel,
    lines: Iterable[str] | None,
    request: SampleRequest,
    settings: SamplingConfig,
    seed: int,
) -> Samples:
    """Sample targets for each line.

    Raises:
        UsageError: ``lines`` is None.
    """
    if lines is None:
        message = f"{model.name} is a model of pairs: it needs sources"
        raise UsageError(message, "give --input FILE")
    sampler = _TargetSampler(model, request, settings, np.random.default_rng(seed))
    samples = [one for block in _blocks(lines) for one in sampler.samples(block)]
    missing = sampler.missing
    notes = (
        (f"{plural(missing, 'text')} missing: sampling only gave duplicates",) if missing else ()
    )
    return Samples(tuple(samples), seed, sampler.drawn, notes)


class _TargetSampler:
    """Sample targets for blocks of lines, and count the samples."""

    def __init__(
        self,
        model: PairModel,
        request: SampleRequest,
        settings: SamplingConfig,
        random: np.random.Generator,
    ) -> None:
        self.model, self.request, self.settings, self.random = model, request, settings, random
        self.lines = self.drawn = self.missing = 0

    def samples(self, lines: Sequence[str]) -> Iterator[Sample]:
        """Yield the samples for each line; an empty text for a blank line.

        Raises:
            DataError: a line is too long.
        """
        sources = [self._encode(number, line) for number, line in enumerate(lines, self.lines + 1)]
        for line, targets in zip(lines, self._targets(sources), strict=True):
            self.lines += 1
            if not targets:
                yield Sample("", True, None, line, self.lines)
                continue
            self.missing += self.request.count - len(targets)
            for one in targets:
                score = one.log_probability if self.request.logprob else None
                text = self.model.codec.target_text(one.ids)
                yield Sample(text, not one.truncated, score, line, self.lines)

    def _encode(self, number: int, line: str) -> list[int]:
        codec = self.model.codec
        assert codec.source is not None
        tokens = codec.tokenize_source(line)
        problem = self.model.length_problem(tokens)
        if problem:
            raise DataError(f"line {number}: {problem}", "shorten it")
        return codec.source.encode(tokens)

    def _targets(self, sources: Sequence[list[int]]) -> list[list[Hypothesis]]:
        """Return the targets for each source; none for an empty one."""
        unique = self.request.unique
        targets: list[list[Hypothesis]] = [[] for _ in sources]
        for _ in range(ROUNDS if unique else 1):
            missing = [self.request.count - len(some) for some in targets]
            rows = [i for i, row in enumerate(sources) if row for _ in range(missing[i])]
            if not rows:
                break
            for i, one in zip(rows, self._draw([sources[i] for i in rows]), strict=True):
                if not unique or all(one.ids != other.ids for other in targets[i]):
                    targets[i].append(one)
        return targets

    def _draw(self, sources: list[list[int]]) -> list[Hypothesis]:
        """Sample one target for each source."""
        self.drawn += len(sources)
        longest = self.request.max_length
        return self.model.sample(Ragged.from_rows(sources), self.settings, self.random, longest)


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(lines)
    while block := list(islice(remaining, LINES_AT_ONCE)):
        yield block


@dataclass(frozen=True)
class SampleRequest:
    """The requested texts; see `seqcli.api.sampling.sample`."""

    count: int
    prefix: str = ""
    max_length: int | None = None
    unique: bool = False
    novel: bool = False
    logprob: bool = False


class SampleFilter:
    """Keep the texts that meet a request, and count the others.

    Args:
        model: the model that samples the texts.
        request: the request; only ``unique`` and ``novel`` are used.
    """

    def __init__(self, model: LanguageModel, request: SampleRequest) -> None:
        self.model, self.request = model, request
        self.strict = request.unique or request.novel
        self.drawn = self.repeated = self.known = 0
        self._passed: Hashes = np.zeros(0, np.uint64)

    def apply(self, texts: Ragged) -> Ragged:
        """Return those of N texts that meet the request, in order."""
        self.drawn += len(texts)
        passed = texts.lengths > 0 if self.strict else np.ones(len(texts), np.bool_)
        if self.request.novel:
            known = self.model.in_training_data(texts)
            self.known += int(known.sum())
            passed &= ~known
        if self.request.unique:
            repeated = self._repeated(texts)
            self.repeated += int((repeated & passed).sum())
            passed &= ~repeated
        return texts.take(np.flatnonzero(passed))

    def _repeated(self, texts: Ragged) -> NDArray[np.bool_]:
        """Return a mask (N,) of the texts that repeat an earlier one, of this call or before."""
        hashes, before = row_hashes(texts), len(self._passed)
        distinct, firsts = np.unique(np.concatenate([self._passed, hashes]), return_index=True)
        repeated = np.ones(before + len(hashes), np.bool_)
        repeated[firsts] = False
        self._passed = distinct
        return repeated[before:]

    def explain(self, missing: int) -> tuple[str, ...]:
        """Return a note that explains missing texts; empty if none are missing."""
        if not missing:
            return ()
        request = self.request
        reasons = [f"{count(self.known)} were in the training data"] if request.novel else []
        reasons += [f"{count(self.repeated)} repeated an earlier one"] if request.unique else []
        return (
            f"only {count(request.count - missing)} of {plural(request.count, 'text')}: "
            f"of {count(self.drawn)} drawn "
            f"{' and '.join(reasons)}; a higher --temperature or a shorter --prefix may give more",
        )
