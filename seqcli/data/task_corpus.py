"""Generate the corpora of tasks in memory, with their baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.data import baselines
from seqcli.data.baselines import Baselines, scored_splits, with_max_lengths
from seqcli.data.corpus import Codec, Corpus, Pairs, Provenance, overlaps, repeats
from seqcli.data.vocabulary import SPECIALS, Tokenizer, Vocabulary
from seqcli.errors import UsageError
from seqcli.messages import count
from seqcli.tasks.base import Rows, Task, make, options

MOST_TOKENS = 500_000_000  # the largest corpus in memory: 2 GB of ids
_SIZE_SAMPLE = 64  # rows from which the number of tokens is estimated
_LEARN_ROWS = 20_000  # of train; more would not change the most frequent tokens


def task_corpus(task: Task, sizes: Mapping[str, int], seed: int) -> Corpus:
    """Build a corpus from the first ``sizes[split]`` rows of each split of a task.

    Raises:
        UsageError: no train rows are requested, or the task has too few rows for a split.
    """
    check_size(task, seed, nonempty_splits(sizes))
    rows = {
        split: first_rows(task, seed, split, size) for split, size in nonempty_splits(sizes).items()
    }
    hashes = {split: row_hashes(part.distinct) for split, part in rows.items()}
    codec = task_codec(task.source_tokens(), task.target_tokens())
    splits = {split: _pairs(part) for split, part in rows.items()}
    origin = replace(task_provenance(task, sizes, seed), overlap=overlaps(hashes))
    notes = repeat_notes(repeats(hashes), sizes, "names" if codec.source is None else "sources")
    scores, provenance = task_baselines(task, sizes, seed), with_max_lengths(origin, splits)
    return Corpus(task.name, codec, splits, scores, provenance, notes)


def nonempty_splits(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the splits with at least one row.

    Raises:
        UsageError: a size is negative, or no train rows are requested.
    """
    for split, size in sizes.items():
        if size < 0 or (size == 0 and split == "train"):
            raise UsageError(f"the {split} split cannot have {size} rows", "ask for more")
    return {split: size for split, size in sizes.items() if size}


def check_size(task: Task, seed: int, sizes: Mapping[str, int]) -> None:
    """Refuse more rows than fit in memory, estimated from the first rows.

    Raises:
        UsageError: the corpus has more than ``MOST_TOKENS`` tokens.
    """
    few = first_rows(task, seed, "train", min(_SIZE_SAMPLE, sizes["train"]))
    sides = [few.targets] if few.sources is None else [few.targets, few.sources]
    tokens = sum(sizes.values()) * sum(len(side.tokens) for side in sides) // len(few.targets)
    if tokens > MOST_TOKENS:
        named = " and ".join(f"{count:,} {split} rows" for split, count in sizes.items())
        message = f"{named} of {task.name} have about {tokens:.2g} tokens: too many for memory"
        raise UsageError(message, f"ask for fewer: at most {MOST_TOKENS:,} tokens")


def first_rows(task: Task, seed: int, split: str, size: int) -> Rows:
    """Return rows 0 .. size-1 of a split."""
    return task.rows(seed, split, np.arange(size))


def task_provenance(task: Task, sizes: Mapping[str, int], seed: int) -> Provenance:
    """Return everything needed to generate the same rows again."""
    made = nonempty_splits(sizes)
    return Provenance(task.name, task.version, options(task), seed=seed, sizes=made)


def task_codec(sources: tuple[str, ...] | None, targets: tuple[str, ...]) -> Codec:
    """Return the codec of a task's alphabets, with tokens separated by spaces.

    The tokens of a task without sources are characters, with no separator.
    """
    if sources is None:
        return Codec(Vocabulary(targets), Tokenizer("chars"))
    words = Tokenizer("words")
    return Codec(Vocabulary(targets), words, Vocabulary(sources), words)


def task_baselines(task: Task, sizes: Mapping[str, int], seed: int) -> dict[str, Baselines]:
    """Return the scores of chance, majority and the task's heuristics on each scored split.

    For a task without sources: the losses of n-gram counts (`language_baselines`).
    """
    train = first_rows(task, seed, "train", min(sizes["train"], _LEARN_ROWS))
    return {
        split: _baselines(task, train, first_rows(task, seed, split, sizes[split]))
        for split in scored_splits(nonempty_splits(sizes))
    }


def _baselines(task: Task, train: Rows, scored: Rows) -> Baselines:
    vocabulary = len(task.target_tokens())
    if scored.sources is None:
        return baselines.measure_language(as_ids(train.targets), as_ids(scored.targets), vocabulary)
    predictions = task.heuristics(scored.sources, scored.targets.lengths)
    return baselines.measure(train.targets, scored.targets, vocabulary, predictions)


def heuristic_predictions(provenance: Provenance, codec: Codec, pairs: Pairs) -> dict[str, Ragged]:
    """Return the predictions of a task's heuristics as ids; empty for other corpora.

    It is also empty if the codec gives the tokens of the task other ids than the task does.
    """
    if provenance.task is None or pairs.sources is None:
        return {}
    task = make(provenance.task, provenance.options or {})
    if task.version != provenance.version:  # the folder was generated by an older version
        return {}
    sides = [(codec.source, task.source_tokens()), (codec.target, task.target_tokens())]
    if any(not one or one.tokens[: len(own or ())] != own for one, own in sides):
        return {}
    first = np.int32(len(SPECIALS))
    sources = Ragged(pairs.sources.tokens - first, pairs.sources.offsets)
    predictions = task.heuristics(sources, pairs.targets.lengths)
    return {name: as_ids(prediction) for name, prediction in predictions.items()}


def repeat_notes(
    repeated: Mapping[str, int], sizes: Mapping[str, int], rows: str = "sources"
) -> tuple[str, ...]:
    """Return a note for each split in which most rows repeat an earlier one."""
    return tuple(
        f"{split}: only {count(sizes[split] - again)} of the {count(sizes[split])} {rows} "
        "are distinct"
        for split, again in repeated.items()
        if again > sizes[split] // 2
    )


def _pairs(rows: Rows) -> Pairs:
    sources = None if rows.sources is None else as_ids(rows.sources)
    return Pairs(as_ids(rows.targets), sources)


def as_ids(rows: Ragged) -> Ragged:
    """Convert indices into an alphabet to ids of its vocabulary."""
    return Ragged(rows.tokens + np.int32(len(SPECIALS)), rows.offsets)
