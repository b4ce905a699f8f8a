"""Filter sampled texts by what the user requests: no duplicates, no training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcli.api.trained_model import LanguageModel
from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.messages import count, plural


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
