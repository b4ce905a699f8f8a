"""Drawing targets from a model of pairs, a batch of lines at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from seqcli.api.language import Wanted
from seqcli.api.loading import Loaded, load_model
from seqcli.api.predicting import line_problem
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import Drawing
from seqcli.data.batches import padded_batch
from seqcli.data.corpus import Pairs
from seqcli.engine.decoding import LABEL_STEPS, label_ends
from seqcli.engine.sampling import draw, log_probabilities
from seqcli.errors import DataError, UsageError
from seqcli.messages import plural
from seqcli.results import Sample, Samples
from seqcli.training.torch_batches import to_device

LINES_AT_ONCE = 256
TRIES = 20  # rounds of draws for texts that must not repeat


def sample_pairs(
    ckpt: str | Path, lines: Iterable[str] | None, wanted: Wanted, how: Drawing, seed: int
) -> Samples:
    """Draw some targets for each line; see `seqcli.api.sampling.sample`.

    Raises:
        UsageError: there are no lines.
    """
    if lines is None:
        raise UsageError(f"{ckpt} is a model of pairs: it needs sources", "give --input FILE")
    loaded = load_model(ckpt)
    drawer = _Drawer(loaded, how, wanted.max_length, seed)
    told: list[Sample] = []
    missing = 0
    number = 0
    for chunk in _chunks(lines):
        drawn = drawer.draw(chunk, wanted.count, wanted.unique, number + 1)
        for line, targets in zip(chunk, drawn, strict=True):
            texts = list(_samples(loaded, line, targets, drawer.limit, wanted.log_probability))
            number += 1
            texts = texts or [Sample("", True, None, line)]
            told += [replace(text, line=number) for text in texts]
            missing += wanted.count - len(targets) if targets else 0
    notes = (f"{plural(missing, 'text')} missing: only repeats were drawn",) if missing else ()
    return Samples(tuple(told), seed, drawer.drawn, notes)


class _Drawer:
    """Draws targets for lines, and counts them."""

    def __init__(self, loaded: Loaded, how: Drawing, max_length: int | None, seed: int) -> None:
        self.loaded, self.how, self.most, self.drawn = loaded, how, max_length, 0
        self.generator = torch.Generator(loaded.model.device)
        self.generator.manual_seed(seed)
        self.limit = max_length or loaded.limits.prediction(0)

    def draw(
        self, lines: Sequence[str], count: int, unique: bool, first: int
    ) -> list[list[list[int]]]:
        """Return the targets of each line, the first of which has a number; of a blank line none.

        Raises:
            DataError: a line is too long.
        """
        codec = self.loaded.codec
        assert codec.source is not None
        cut = [codec.tokenize_source(line) for line in lines]
        for number, tokens in enumerate(cut, first):
            problem = line_problem(self.loaded, tokens)
            if problem:
                raise DataError(f"line {number}: {problem}", "shorten it")
        rows = list(map(codec.source.encode, cut))
        found: list[list[list[int]]] = [[] for _ in lines]
        for _ in range(TRIES if unique else 1):
            open_ = [i for i, row in enumerate(rows) if row for _ in range(count - len(found[i]))]
            if not open_:
                break
            for i, target in zip(open_, self._once([rows[i] for i in open_]), strict=True):
                if not unique or target not in found[i]:
                    found[i].append(target)
        return found

    def _once(self, sources: list[list[int]]) -> list[list[int]]:
        """Draw one target for each source."""
        self.drawn += len(sources)
        pairs = Pairs(Ragged.from_rows([[]] * len(sources)), Ragged.from_rows(sources))
        data = to_device(padded_batch(pairs, np.arange(len(sources))), self.loaded.model.device)
        limits, model = self.loaded.limits, self.loaded.model
        self.limit = self.most or limits.prediction(data.source.shape[1])
        ends = None
        if limits.labels:
            self.limit, ends = LABEL_STEPS, label_ends(data.source)
        asked = data.source, data.source_lengths
        return draw(model, *asked, self.limit, self.how, self.generator, ends)


def _samples(
    loaded: Loaded, line: str, targets: list[list[int]], limit: int, logprob: bool
) -> Iterator[Sample]:
    """Tell the targets of a line."""
    codec, scores = loaded.codec, [None] * len(targets)
    assert codec.source is not None
    if logprob and targets:
        source = codec.source.encode(codec.tokenize_source(line))
        pairs = Pairs(Ragged.from_rows(targets), Ragged.from_rows([source] * len(targets)))
        scores = log_probabilities(loaded.model, pairs, LINES_AT_ONCE).tolist()
    for target, score in zip(targets, scores, strict=True):
        yield Sample(codec.target_text(target), len(target) < limit, score, line)


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(lines)
    while chunk := list(islice(waiting, LINES_AT_ONCE)):
        yield chunk
