"""`sample`: texts drawn from a model; `next_symbols`: what may come next."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.api.arguments import checked
from seqcli.api.language import (
    LanguageModel,
    Trained,
    Wanted,
    encoded_prefix,
    open_language_model,
    takes_sources,
)
from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import Drawing
from seqcli.data.vocabulary import EOS
from seqcli.errors import UsageError
from seqcli.messages import count, plural
from seqcli.results import NextSymbol, Sample, Samples

DRAWN_AT_ONCE = 1000
PATIENCE = 20_000  # draws in a row that bring nothing new before it gives up


@checked
def sample(
    ckpt: str | Path,
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
    """Draw texts from a language model, or targets for the lines of a model of pairs.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        n: how many texts; 10 by default (1 for each line, 1 with ``greedy``).
        lines: sources, for a model of pairs and for no other.
        temperature, top_k, top_p: see `seqcli.config.sections.Drawing`.
        greedy, beam: the likeliest text, or the n likeliest by a search; nothing is drawn.
        prefix: what every text begins with.
        max_length: most symbols of a text, prefix counted; by default 10 more than in training.
        seed: of the draws, and of nothing else; by default another one each time.
        unique: no text twice.
        novel: no text of the data the model was trained on, in any of its splits. The checkpoint
            has their fingerprints: a new name is taken for an old one with a chance below 1e-9.
        logprob: tell the log-probability of each text.
        backend: torch or numpy, for a language model; by default the one that trained it.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: options that do not go together, or a prefix with symbols it does not know.
    """
    how = Drawing(temperature, top_k, top_p)
    _check(n, how, greedy, beam)
    pairs = takes_sources(ckpt)
    wanted = Wanted(n or _usual(pairs, greedy), prefix, max_length, unique, novel, logprob)
    if pairs:
        _check_pairs(bool(greedy or beam or prefix or novel or backend not in (None, "torch")))
        return _for_lines(ckpt, lines, wanted, how, _seed(seed))
    if lines is not None:
        raise UsageError(f"{ckpt} is a language model: it takes no input", "leave --input out")
    model = open_language_model(ckpt, backend)
    if greedy or beam:
        return _searched(model, wanted, 1 if greedy else max(beam or 1, wanted.count))
    return _drawn(model, wanted, how, _seed(seed))


@checked
def next_symbols(
    ckpt: str | Path,
    *,
    prefix: str = "",
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    backend: str | None = None,
) -> tuple[NextSymbol, ...]:
    """Return what may come after a prefix in a language model, likeliest first.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: it is a model of pairs, or the prefix has symbols it does not know.
    """
    how = Drawing(temperature, top_k, top_p)
    model = open_language_model(ckpt, backend)
    found = model.next(encoded_prefix(model.trained, prefix), how)
    vocabulary = model.trained.codec.target
    return tuple(
        NextSymbol(None if i == EOS else vocabulary.decode([i])[0], float(found[i]))
        for i in np.argsort(-found, kind="stable").tolist()
        if found[i] > 0
    )


def _check(n: int | None, how: Drawing, greedy: bool, beam: int | None) -> None:
    """Refuse what does not go together."""
    if n is not None and n < 1:
        raise UsageError(f"there cannot be {n} samples", "give --n 1 or more")
    if beam is not None and beam < 1:
        raise UsageError(f"a beam cannot be {beam} wide", "give --beam 1 or more")
    if greedy and beam:
        raise UsageError("--greedy and --beam are two ways to search", "choose one")
    if (greedy or beam) and how != Drawing():
        hint = "leave --temperature, --top-k and --top-p out"
        raise UsageError("a search draws nothing at random", hint)
    if greedy and n not in (None, 1):
        raise UsageError("there is one greedy text only", f"for the {n} likeliest: --beam {n}")


def _usual(pairs: bool, greedy: bool) -> int:
    return 1 if pairs or greedy else 10


def _for_lines(
    ckpt: str | Path, lines: Iterable[str] | None, wanted: Wanted, how: Drawing, seed: int
) -> Samples:
    """Draw targets for lines; this alone needs PyTorch."""
    from seqcli.api.pair_sampling import sample_pairs

    return sample_pairs(ckpt, lines, wanted, how, seed)


def _check_pairs(refused: bool) -> None:
    if refused:
        given = "--greedy, --beam, --prefix, --novel and --backend"
        raise UsageError(f"{given} are for language models", "see seqcli predict")


def _seed(seed: int | None) -> int:
    return secrets.randbelow(1 << 32) if seed is None else seed


def _room(trained: Trained, wanted: Wanted, prefix: Sequence[int]) -> int:
    """Return how many symbols a text may have, prefix counted.

    Raises:
        UsageError: the prefix alone has more.
    """
    usual = trained.limits.prediction(0)
    if wanted.max_length is None:
        return usual if len(prefix) < usual else len(prefix) + usual
    if wanted.max_length < max(1, len(prefix)):
        message = f"a text of at most {wanted.max_length} symbols has no room for the prefix"
        raise UsageError(message, "give a larger --max-length")
    return wanted.max_length


def _searched(model: LanguageModel, wanted: Wanted, width: int) -> Samples:
    """Return the likeliest texts."""
    prefix = encoded_prefix(model.trained, wanted.prefix)
    limit = _room(model.trained, wanted, prefix)
    found = model.best(width, width, prefix, limit)
    found = Sieve(model.trained, replace(wanted, unique=True)).sift(found)
    found = found.take(np.arange(min(wanted.count, len(found))))
    notes = []
    if len(found) < wanted.count:
        found_of = f"{count(len(found))} of {plural(wanted.count, 'text')}"
        notes = [f"only {found_of}: a wider --beam may find more"]
    return Samples(_told(model, found, wanted, limit), None, 0, tuple(notes))


def _drawn(model: LanguageModel, wanted: Wanted, how: Drawing, seed: int) -> Samples:
    """Draw until there are enough texts that will do, or it is hopeless."""
    prefix = encoded_prefix(model.trained, wanted.prefix)
    limit = _room(model.trained, wanted, prefix)
    random, sieve = np.random.default_rng(seed), Sieve(model.trained, wanted)
    kept: list[Ragged] = []
    missing, idle = wanted.count, 0
    while missing and idle < PATIENCE:
        size = DRAWN_AT_ONCE if sieve.strict else min(missing, DRAWN_AT_ONCE)
        found = sieve.sift(model.draw(size, prefix, limit, how, random))
        found = found.take(np.arange(min(missing, len(found))))
        idle = 0 if len(found) else idle + size
        missing -= len(found)
        kept.append(found)
    told = tuple(text for part in kept for text in _told(model, part, wanted, limit))
    return Samples(told, seed, sieve.drawn, sieve.excuse(missing))


class Sieve:
    """Lets through what will do, and counts what will not."""

    def __init__(self, trained: Trained, wanted: Wanted) -> None:
        self.trained, self.wanted = trained, wanted
        self.strict = wanted.unique or wanted.novel
        self.drawn = self.repeated = self.old = 0
        self._had: Hashes = np.zeros(0, np.uint64)

    def sift(self, names: Ragged) -> Ragged:
        """Return those of the names (N rows) that will do, in order."""
        self.drawn += len(names)
        good = names.lengths > 0 if self.strict else np.ones(len(names), np.bool_)
        if self.wanted.novel:
            old = self.trained.seen(names)
            self.old += int(old.sum())
            good &= ~old
        if self.wanted.unique:
            again = self._repeats(names)
            self.repeated += int((again & good).sum())
            good &= ~again
        return names.take(np.flatnonzero(good))

    def _repeats(self, names: Ragged) -> NDArray[np.bool_]:
        """Say (N,) which names came before, in this call or an earlier one."""
        hashes = row_hashes(names)
        every, firsts = np.unique(np.concatenate([self._had, hashes]), return_index=True)
        again = np.ones(len(self._had) + len(hashes), np.bool_)
        again[firsts] = False
        again = again[len(self._had) :]
        self._had = every
        return again

    def excuse(self, missing: int) -> tuple[str, ...]:
        """Say why there are fewer texts than asked for, if there are."""
        if not missing:
            return ()
        wanted = self.wanted
        reasons = [f"{count(self.old)} were in the training data"] if wanted.novel else []
        reasons += [f"{count(self.repeated)} repeated an earlier one"] if wanted.unique else []
        return (
            f"only {count(wanted.count - missing)} of {plural(wanted.count, 'text')}: "
            f"of {count(self.drawn)} drawn "
            f"{' and '.join(reasons)}; a higher --temperature or a shorter --prefix may give more",
        )


def _told(model: LanguageModel, names: Ragged, wanted: Wanted, limit: int) -> tuple[Sample, ...]:
    """Return names as texts, with their log-probabilities where asked for."""
    codec, scores = model.trained.codec, [None] * len(names)
    if wanted.log_probability and len(names):
        scores = model.log_probabilities(names).tolist()
    return tuple(
        Sample(codec.target_text(names[i].tolist()), bool(names.lengths[i] < limit), scores[i])
        for i in range(len(names))
    )
