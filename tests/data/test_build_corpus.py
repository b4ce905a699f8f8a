"""One corpus from a task, a folder or a file; encoded anew with the tokens of another model."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from thorough import mostly_slow

from seqcli import registry
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus, extended_codec, facts_of, has_all_tokens, reencoded
from seqcli.data.corpus import Codec, Corpus, Pairs, Provenance
from seqcli.data.dataset_folder import write_folder
from seqcli.data.vocabulary import UNK, Tokenizer, Vocabulary
from seqcli.errors import DataError, UsageError
from seqcli.tasks.base import make


@pytest.mark.parametrize("name", mostly_slow(tuple(registry.TASKS), 3))
def test_a_task_and_its_folder_give_the_same_corpus(name: str, tmp_path: Path) -> None:
    sizes = {"train": 500, "val": 60, "test": 70}
    streamed = corpus(DataConfig(task=name, **sizes, seed=3), {})
    write_folder(make(name, {}), tmp_path / "data", sizes, seed=3)
    stored = corpus(DataConfig(path=str(tmp_path / "data")), {})
    for one, other in ((streamed, stored), (stored, streamed)):
        for split, pairs in one.splits.items():
            twin = other.splits[split]
            assert (pairs.sources is None) == (twin.sources is None) == (name == "names")
            if pairs.sources is not None:
                assert np.array_equal(pairs.sources.tokens, twin.sources.tokens)
                assert np.array_equal(pairs.sources.offsets, twin.sources.offsets)
            assert np.array_equal(pairs.targets.tokens, twin.targets.tokens)
            assert np.array_equal(pairs.targets.offsets, twin.targets.offsets)
            assert pairs.targets.tokens.dtype == np.int32
    for part in ("name", "codec", "baselines", "provenance", "notes"):
        assert getattr(streamed, part) == getattr(stored, part)


def test_a_task_says_where_it_is_from() -> None:
    made = corpus(DataConfig(task="reverse", train=50, val=10, test=0), {"length": "4:7"})
    assert made.name == "reverse"
    assert made.provenance == Provenance(
        task="reverse",
        version=1,
        options={"length": "4:7", "test_length": "", "vocab": 20},
        seed=0,
        sizes={"train": 50, "val": 10},
        overlap={"train-val": 0},
        max_source=7,
        max_target=7,
    )
    row = made.splits["train"]
    assert row.sources is not None
    source, target = row.sources[0].tolist(), row.targets[0].tolist()
    text = made.codec.source_text(source)
    assert text.split()[::-1] == made.codec.target_text(target).split()
    assert min(source) >= 4  # specials lie apart


def test_the_facts_that_choose_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    rows = (f"{letter}{'b' * n}\tb c{' d' * n}\n" for n in range(2) for letter in "aefgh")
    path.write_text("".join(rows), "utf-8")
    made = corpus(DataConfig(path=str(path), target_tokens="words", max_bad_fraction=1.0), {})
    facts, train = facts_of(made), made.splits["train"]
    assert facts.rows == len(train)
    assert train.sources is not None
    assert facts.length == (train.source_lengths + train.targets.lengths).mean()
    copied = sum(train.source_lengths == 2)  # one b in each of these rows
    assert facts.copyable == pytest.approx(copied / train.targets.lengths.sum())
    assert facts.task == ""
    assert not any((facts.labels, facts.language))
    labels = corpus(DataConfig(path=str(path), target_tokens="whole"), {})
    assert facts_of(labels).labels
    assert facts_of(labels).monotonic is None


@pytest.mark.parametrize(("step", "is_monotonic"), [(1, True), (-1, False)])
def test_the_facts_tell_whether_letters_are_in_the_order_of_their_sounds(
    tmp_path: Path, step: int, is_monotonic: bool
) -> None:
    words = ["".join(word) for word in permutations("abcdef", 4)]
    rows = (f"{word}\t{' '.join(word.upper()[::step])}\n" for word in words)
    (tmp_path / "pairs.tsv").write_text("".join(rows), "utf-8")
    made = corpus(DataConfig(path=str(tmp_path / "pairs.tsv"), target_tokens="words"), {})
    facts = facts_of(made)
    assert facts.vocabulary == len(made.codec.target) == 4 + 6
    assert (facts.monotonic > 0.1) == is_monotonic


def test_the_facts_name_the_task_of_a_folder(tmp_path: Path) -> None:
    sizes = {"train": 50, "val": 6, "test": 7}
    write_folder(make("names", {}), tmp_path / "data", sizes, seed=3)
    facts = facts_of(corpus(DataConfig(path=str(tmp_path / "data")), {}))
    assert (facts.task, facts.language) == ("names", True)


def test_few_distinct_rows_are_noted() -> None:
    made = corpus(DataConfig(task="copy", train=100, val=5, test=5), {"vocab": 3, "length": 4})
    assert made.notes == (
        "train: only 12 of the 100 sources are distinct",
        "val: only 2 of the 5 sources are distinct",
        "test: only 2 of the 5 sources are distinct",
    )
    assert made.provenance.overlap == {"train-val": 0, "train-test": 0, "val-test": 0}


def test_a_file_is_split_by_source_and_learns_its_tokens_on_train(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    rows = [f"w{number}é\tP{number} p\n" for number in range(200)]
    path.write_text("".join(rows), encoding="utf-8")
    made = corpus(DataConfig(path=str(path), target_tokens="words"), {})
    assert made.name == "words"
    assert sum(len(pairs) for pairs in made.splits.values()) == 200
    assert made.codec.source is not None
    assert made.codec.source.tokens == tuple("0123456789wé")
    train = made.splits["train"]
    assert len(made.codec.target.tokens) == len(train) + 1
    assert (train.targets.lengths == 2).all()
    assert (made.splits["test"].targets.tokens == UNK).sum() == len(made.splits["test"])
    assert made.reading is not None
    assert made.reading.splits[2].unknown_rows == len(made.splits["test"])
    assert made.provenance.path == str(path)
    assert len(str(made.provenance.sha256)) == 64
    assert made.provenance.max_source == 5
    assert made.baselines["test"]["majority"]["token_accuracy"] == 0.5


def test_texts_come_back_from_ids(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("hæ hó\th ai\nh\tai\n" * 3, encoding="utf-8")
    made = corpus(DataConfig(path=str(path), target_tokens="words"), {})
    texts = {
        (made.codec.source_text(pairs.sources[row]), made.codec.target_text(pairs.targets[row]))
        for pairs in (made.splits["train"],)
        for row in range(len(pairs))
        if pairs.sources is not None
    }
    assert texts <= {("hæ hó", "h ai"), ("h", "ai")}
    assert made.notes[0] == "no test split: the file has only 2 distinct sources"


@pytest.mark.parametrize(
    ("data", "options", "message", "hint"),
    [
        (DataConfig(), {}, "no data", "--task NAME or --data PATH"),
        (DataConfig(task="copy", path="x"), {}, "a task and a path are both given", "one of"),
        (DataConfig(task="revers"), {}, "no task is called 'revers'", "did you mean reverse?"),
        (DataConfig(task="copy"), {"lenght": 3}, "no option of task copy", "did you mean length?"),
        (DataConfig(path="x.tsv"), {"length": 3}, r"task\.length: these options belong to", ""),
    ],
)
def test_wrong_settings_are_named(
    data: DataConfig, options: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        corpus(data, options)
    assert hint in caught.value.hint


def test_a_missing_path_is_named() -> None:
    with pytest.raises(DataError, match=r"nowhere/pairs\.tsv does not exist"):
        corpus(DataConfig(path="nowhere/pairs.tsv"), {})
    with pytest.raises(DataError) as caught:
        corpus(DataConfig(path="reverse"), {})
    assert caught.value.hint == "to use the task, give --task reverse"


CHARS = Tokenizer("chars")


def codec(source: str | None, target: str) -> Codec:
    sources = None if source is None else Vocabulary(tuple(source))
    return Codec(Vocabulary(tuple(target)), CHARS, sources, CHARS)


def texts(rows: Ragged, vocabulary: Vocabulary) -> list[str]:
    return ["".join(vocabulary.decode(row.tolist())) for row in rows]


def test_old_tokens_keep_their_ids_and_texts_stay_the_same() -> None:
    new = codec("bcx", "BX")
    sources = Ragged.from_rows([new.source.encode("xb"), new.source.encode("cz")])  # z is unknown
    targets = Ragged.from_rows([new.target.encode("XB"), new.target.encode("BA")])
    val = Pairs(targets, sources, unknown_targets=("A",), unknown_sources=("z",))
    corpus = reencoded(Corpus("new", new, {"val": val}), extended_codec(codec("abc", "AB"), new))
    assert corpus.codec.source.tokens == ("a", "b", "c", "x")
    assert corpus.codec.target.tokens == ("A", "B", "X")
    pairs = corpus.splits["val"]
    assert texts(pairs.sources, corpus.codec.source)[0] == "xb"
    assert pairs.sources[1].tolist() == [6, UNK]
    assert pairs.unknown_sources == ("z",)
    assert texts(pairs.targets, corpus.codec.target) == ["XB", "BA"]  # the model knows A
    assert pairs.unknown_targets == ()


@pytest.mark.parametrize(
    ("other", "expected"),
    [(codec("ab", "A"), True), (codec("ax", "A"), False), (codec(None, "A"), False)],
)
def test_tokens_and_sides_are_compared(other: Codec, expected: bool) -> None:
    assert has_all_tokens(codec("abc", "AB"), other) is expected
