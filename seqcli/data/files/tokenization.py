"""Choose the tokenization of a side from its training rows: labels, words or characters.

The rule for a side whose style is ``auto`` (see `choose`):

``whole``, for targets only
    The targets are labels if a few of them are shared by many sources: at least `LABEL_SOURCES`
    distinct pairs per distinct target, at most `MOST_LABELS` distinct targets, and at least
    `FEWEST_PAIRS` pairs. Surnames by nationality have 800 pairs per label; pronunciation,
    inflection, transliteration and historical spelling have 1.0 to 1.2, SCAN has 1.9. Ratios
    between `MAYBE_SOURCES` and `LABEL_SOURCES`, numbers, targets that are part of their source, and
    targets built from a few words are ambiguous: the next rule decides.

``words``
    The texts are tokens or words separated by spaces if most texts have several words, and the
    words recur: the *open share* is the fraction of the words in every second row that do not occur
    in the other rows. It is at most 0.05 for phones in as few as 100 rows (0.00 in 8,000), 0.00 for
    SCAN, and 0.2 to 1.0 for names and the orthography of eight languages. Short tokens (mean length
    at most `SHORT`, shorter than the words of any writing system) must not exceed `OPEN_SHORT`.
    Longer words must not exceed `OPEN_WORDS`, because a model cannot produce words that are not in
    the training data, nor `MOST_WORDS` distinct words. Sentences with an open vocabulary, such as
    translations, and spaced numbers are ambiguous.

``chars``
    In every other case.

The texts of a language model are never labels, and words only if the tokens are short.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from seqcli.config.sections import DataConfig
from seqcli.data.corpus import split_rows
from seqcli.data.files.file_encoder import records_of
from seqcli.data.files.opening import TextFile, text_files
from seqcli.data.files.rows import hash_of
from seqcli.data.vocabulary import Normalizer

AUTO = "auto"
LABEL_SOURCES, MAYBE_SOURCES = 20, 8
MOST_LABELS = 1000
FEWEST_PAIRS = 50
MOST_NUMBERS = 20  # maximum number of distinct numeric targets that count as labels
PART_OF_SOURCE = (
    0.5  # fraction of targets contained in their sources, above which they are not labels
)
# distinct words per distinct target, below which targets are built from words
WORDS_PER_LABEL = 1 / 3
SEVERAL = 0.6  # minimum fraction of texts with several words
KNOWN_SINGLE = 0.9  # minimum fraction of texts with several words, or one shared word
FEWEST_TEXTS = 20
MEAN_WORDS = 1.8
SHORT, OPEN_SHORT = 2.0, 0.05
OPEN_WORDS, MOST_WORDS = 0.01, 1000
NUMERALS = 0.3  # maximum fraction of words that are numbers of several digits


@dataclass(frozen=True)
class Choice:
    """The tokenization of a side.

    Args:
        style: the chosen token style.
        reason: the reason for it, or for ``considered``; "" if there was no choice to make.
        considered: a style that nearly fits but was not chosen, or "".
    """

    style: str
    reason: str = ""
    considered: str = ""

    def note(self, side: str) -> str:
        """Describe the choice and how to override it, in one line; return "" for plain chars."""
        option = f"--{side}-tokens"
        if self.considered:
            return (
                f"{side} tokens: {self.style}; {self.considered} was considered: {self.reason}; "
                f"{option} {self.considered} chooses it"
            )
        if self.style == "chars":
            return ""
        return f"{side} tokens: {self.style}, because {self.reason}; {option} chars overrides this"


def choose(texts: Sequence[str], sources: Sequence[str] | None, *, target: bool) -> Choice:
    """Choose the tokenization of one side of the training rows.

    Args:
        texts: the texts of the side, in the order of the rows.
        sources: the corresponding sources; None for a language model.
        target: whether the side is the target.
    """
    labels = _labels(texts, sources) if target and sources is not None else None
    if labels is not None and not labels.considered:
        return labels
    words = _Words(texts).choice(language_model=sources is None)
    if words is not None and (not words.considered or labels is None):
        return words
    return labels or Choice("chars")


def _labels(texts: Sequence[str], sources: Sequence[str]) -> Choice | None:
    """Return the choice of labels, or a reason to consider them; None if they do not fit."""
    pairs = set(zip(sources, texts, strict=True))
    labels = {text.strip() for text in texts}
    if len(pairs) < FEWEST_PAIRS or len(pairs) < MAYBE_SOURCES * len(labels):
        return None
    summary = f"{_texts(len(labels), 'target')} in {len(pairs):,} distinct pairs"
    doubt = _doubt(pairs, labels)
    if doubt:
        return Choice("chars", f"{summary}, but {doubt}", "whole")
    return Choice("whole", f"the targets look like labels ({summary})")


def _doubt(pairs: set[tuple[str, str]], labels: set[str]) -> str:
    """Return why a small set of targets may not be labels; "" if nothing contradicts it."""
    if len(labels) == 1:
        return "all targets are the same"
    if len(labels) > MOST_LABELS:
        return f"more than {MOST_LABELS:,} are rarely labels"
    if len(pairs) < LABEL_SOURCES * len(labels):
        return f"fewer than {LABEL_SOURCES} for each"
    if len(labels) > MOST_NUMBERS and all(map(_is_number, labels)):
        return "they are numbers"
    inside = sum(len(target) > 1 and target in source for source, target in pairs)
    if inside >= PART_OF_SOURCE * len(pairs):
        return "most are part of their source"
    words = Counter(word for label in labels for word in label.split())
    if words.total() >= 2 * len(labels) and len(words) < WORDS_PER_LABEL * len(labels):
        return f"they are built from {len(words):,} words"
    return ""


class _Words:
    """The words of texts, separated by white space."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.rows = [text.split() for text in texts]
        self.counts = Counter(word for row in self.rows for word in row)
        self.total = self.counts.total()

    def choice(self, *, language_model: bool) -> Choice | None:
        """Return the choice of words, or a reason to consider it; None if words do not fit."""
        if not self._several or self.total < MEAN_WORDS * len(self.rows):
            return None
        if language_model and not self._short:
            return None
        kind = "tokens" if self._short else "words"
        summary = f"{kind} separated by spaces, {len(self.counts):,} distinct"
        doubt = self._doubt()
        if doubt:
            return Choice("chars", f"{summary}, but {doubt}", "words")
        return Choice("words", f"the texts are {summary}")

    def _doubt(self) -> str:
        """Return why texts with spaces may not be sequences of words, or ""."""
        if len(self.rows) < FEWEST_TEXTS:
            return f"{len(self.rows)} rows are too few to decide"
        numerals = sum(n for word, n in self.counts.items() if len(word) > 1 and _is_number(word))
        if numerals > NUMERALS * self.total:
            return "many are numbers"
        if self._open > (OPEN_SHORT if self._short else OPEN_WORDS):
            return f"{self._open:.1%} of those in every second row do not occur in other rows"
        if len(self.counts) > MOST_WORDS:
            return f"more than {MOST_WORDS:,}"
        return ""

    @cached_property
    def _several(self) -> bool:
        """Whether most texts have several words, and the others one word that also occurs there."""
        several = [row for row in self.rows if len(row) > 1]
        known = {word for row in several for word in row}
        single = sum(len(row) == 1 and row[0] in known for row in self.rows)
        agreeing = len(several) + single
        return len(several) >= SEVERAL * len(self.rows) and agreeing >= KNOWN_SINGLE * len(
            self.rows
        )

    @cached_property
    def _short(self) -> bool:
        """Whether words are short enough to be tokens, not counting combining marks."""
        return sum(_letters(word) * n for word, n in self.counts.items()) <= SHORT * self.total

    @cached_property
    def _open(self) -> float:
        """The fraction of words of every second row that are missing from the other rows."""
        known = {word for row in self.rows[::2] for word in row}
        others = [word for row in self.rows[1::2] for word in row]
        return sum(word not in known for word in others) / max(len(others), 1)


def _letters(word: str) -> int:
    return len(word) if word.isascii() else sum(not unicodedata.combining(one) for one in word)


def _is_number(text: str) -> bool:
    return text.strip("+-").replace(".", "", 1).replace(",", "").isdecimal()


def _texts(count: int, what: str) -> str:
    return f"{count:,} distinct {what}{'s' * (count != 1)}"


SAMPLE = 20_000  # rows that are examined

Texts = tuple[str | None, str]  # (source or None, target)


def chosen_tokens(
    splits: Mapping[str, Sequence[Path]], data: DataConfig
) -> tuple[DataConfig, tuple[str, ...]]:
    """Replace ``auto`` by a choice for each side; return the settings and notes.

    Args:
        splits: split -> its file (or two parallel files); "" -> one file to split by source.
        data: the format of the files.

    Raises:
        DataError: the file of training rows is missing or not text.
    """
    if AUTO not in (data.source_tokens, data.target_tokens):
        return data, ()
    rows = _training_texts(splits, data)
    targets = [target for _, target in rows]
    sources = [source for source, _ in rows if source is not None]
    pairs = len(sources) == len(targets)
    source, target = data.source_tokens, data.target_tokens
    notes = []
    if source == AUTO:
        choice = choose(sources, sources, target=False) if pairs else Choice("chars")
        source, notes = choice.style, [choice.note("source")]
    if target == AUTO:
        choice = choose(targets, sources if pairs else None, target=True)
        target, notes = choice.style, [*notes, choice.note("target")]
    data = replace(data, source_tokens=source, target_tokens=target)
    return data, tuple(filter(None, notes))


def _training_texts(splits: Mapping[str, Sequence[Path]], data: DataConfig) -> list[Texts]:
    """Return the texts of the training rows among the first rows of a file."""
    train = splits.get("train") or splits[""]
    rows = list(islice(_texts_of(train, data), SAMPLE))
    if "train" in splits or not rows:
        return rows
    groups = (source or target for source, target in rows)
    hashes = np.frombuffer(b"".join(hash_of(group, data.seed) for group in groups), np.uint64)
    return [rows[row] for row in split_rows(hashes)["train"].tolist()]


def _texts_of(paths: Sequence[Path], data: DataConfig) -> Iterator[Texts]:
    """Yield the normalized texts of the usable rows."""
    with text_files(paths) as files:
        yield from _usable_texts(files, data)


def _usable_texts(files: Sequence[TextFile], data: DataConfig) -> Iterator[Texts]:
    records, _ = records_of(files, data)
    at, form = records.layout, Normalizer(data.normalize, data.lower)
    for record in records.rows:
        cells = record.cells
        if record.problem or not cells[at.target].strip():
            continue
        target = form.target(cells[at.target])
        if at.source is None:
            yield None, target
        elif cells[at.source].strip():
            yield form.source(cells[at.source]), target
