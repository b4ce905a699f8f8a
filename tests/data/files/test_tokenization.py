"""Labels, words or characters: the choice on generated data, and how a run records it."""

from __future__ import annotations

import random

import pytest
import yaml

import seqcli
from seqcli.checkpoints.numpy_file import load
from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus
from seqcli.data.files.tokenization import Choice, choose

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PHONES = [first + second for first in "ABCDEFGK" for second in ("", "H", "R", "W")]
COUNTRIES = ("Malta", "Peru", "Chad", "New Zealand", "Sri Lanka", "Costa Rica")
VERBS, WAYS = ("walk", "look", "run", "jump"), ("left", "right", "twice", "thrice", "around")
TINY = {"hidden": 4, "embedding": 4, "epochs": 1, "threads": 1}


def words(draw, count, low=3, high=9):
    return list(
        dict.fromkeys(
            "".join(draw.choices(LETTERS, k=draw.randint(low, high))) for _ in range(count)
        )
    )


def sentences(draw, rows, vocabulary):
    """Return sentences whose words are as unevenly frequent as in real text."""
    weights = [1 / rank for rank in range(1, len(vocabulary) + 1)]
    return [" ".join(draw.choices(vocabulary, weights, k=draw.randint(3, 9))) for _ in range(rows)]


def commands(draw, rows):
    sources, targets = [], []
    for _ in range(rows):
        parts = [(draw.choice(VERBS), draw.choice(WAYS)) for _ in range(draw.randint(1, 3))]
        sources.append(" and ".join(map(" ".join, parts)))
        targets.append(" ".join(f"I_{verb.upper()} I_TURN_{way.upper()}" for verb, way in parts))
    return sources, targets


def generated(kind, seed=1, rows=600):
    """Return sources and targets of a kind of data."""
    draw = random.Random(seed)
    names = words(draw, rows)
    if kind == "labels":
        return names, draw.choices(COUNTRIES, k=len(names))
    if kind == "uneven labels":
        return names, draw.choices(("no", "yes"), (0.97, 0.03), k=len(names))
    if kind == "parity":
        bits = [format(n, "b") for n in range(rows)]
        return bits, [str(one.count("1") % 2) for one in bits]
    if kind == "phones":
        return names, [" ".join(draw.choices(PHONES, k=len(name))) for name in names]
    if kind == "few phones":
        return generated("phones", seed, 60)
    if kind == "digits":
        rows_ = [draw.choices("0123456789", k=draw.randint(1, 9)) for _ in range(rows)]
        return [" ".join(row) for row in rows_], [" ".join(row[::-1]) for row in rows_]
    if kind == "commands":
        return commands(draw, rows)
    if kind == "translation":
        ours, theirs = words(draw, 3000), words(draw, 3000)
        return sentences(draw, rows, ours), sentences(draw, rows, theirs)
    if kind == "transliteration":
        return names, [name.translate({97 + n: 0x430 + n for n in range(26)}) for name in names]
    if kind == "inflection":
        return names, [name + draw.choice(("en", "s", "t", " mir")) for name in names]
    if kind == "addition":
        pairs = [(draw.randrange(100), draw.randrange(100)) for _ in range(10 * rows)]
        return [f"{a}+{b}" for a, b in pairs], [str(a + b) for a, b in pairs]
    if kind == "prefixes":
        syllables = [a + b for a in "bdgklm" for b in "aeiou"]
        names = [draw.choice(syllables) + name for name in words(draw, 10 * rows)]
        return names, [name[:2] for name in names]
    raise AssertionError(kind)


EXPECTED = {
    "labels": ("chars", "whole", "", ""),
    "uneven labels": ("chars", "whole", "", ""),
    "parity": ("chars", "whole", "", ""),
    "phones": ("chars", "words", "", ""),
    "few phones": ("chars", "words", "", ""),
    "digits": ("words", "words", "", ""),
    "commands": ("words", "words", "", ""),
    "translation": ("chars", "chars", "words", "words"),
    "transliteration": ("chars", "chars", "", ""),
    "inflection": ("chars", "chars", "", ""),
    "addition": ("chars", "chars", "", "whole"),
    "prefixes": ("chars", "chars", "", "whole"),
}


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_kind_of_data_is_cut_as_it_should_be(kind, seed):
    sources, targets = generated(kind, seed)
    sources = sources[: len(targets)]
    targets = targets[: len(sources)]
    source = choose(sources, sources, target=False)
    target = choose(targets, sources, target=True)
    found = (source.style, target.style, source.considered, target.considered)
    assert found == EXPECTED[kind]


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_other_direction_is_no_label(kind):
    sources, targets = generated(kind)
    choice = choose(sources[: len(targets)], targets[: len(sources)], target=True)
    assert choice.style != "whole"


def test_repeated_rows_are_no_evidence():
    few = [("ab", "ba"), ("cd", "dc")] * 500
    sources, targets = map(list, zip(*few, strict=True))
    assert choose(targets, sources, target=True) == Choice("chars")


def test_a_language_model_has_no_labels_and_keeps_sentences_in_characters():
    draw = random.Random(1)
    assert choose(["yes", "no"] * 500, None, target=True) == Choice("chars")
    assert choose(sentences(draw, 500, words(draw, 300)), None, target=True) == Choice("chars")
    phones = [" ".join(draw.choices(PHONES, k=5)) for _ in range(500)]
    assert choose(phones, None, target=True).style == "words"


def test_the_note_is_one_line_that_says_how_to_override():
    sources, targets = generated("labels")
    note = choose(targets, sources, target=True).note("target")
    assert note.startswith("target tokens: whole, because the targets look like labels (6 distinct")
    assert note.endswith("--target-tokens chars overrides this")
    sources, targets = generated("addition")
    note = choose(targets, sources, target=True).note("target")
    assert note.startswith("target tokens: chars; whole was considered: ")
    assert "they are numbers" in note
    assert note.endswith("--target-tokens whole chooses it")
    assert Choice("chars").note("source") == ""


def write(path, sources, targets):
    rows = zip(sources, targets, strict=False)
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return str(path)


def test_what_the_user_says_counts(tmp_path):
    path = write(tmp_path / "a.tsv", *generated("labels"))
    made = corpus(DataConfig(train_file=path, target_tokens="chars"), {})
    assert made.codec.target_tokenizer.style == "chars"
    assert made.notes == (
        "no val and no test split: no file was given; training keeps the last epoch",
    )
    assert corpus(DataConfig(train_file=path), {}).reading.tokens == ("chars", "whole")


def test_only_training_rows_decide(tmp_path):
    train = write(tmp_path / "train.tsv", *generated("transliteration"))
    labels = write(tmp_path / "val.tsv", *generated("labels"))
    made = corpus(DataConfig(train_file=train, val_file=labels), {})
    assert made.reading.tokens == ("chars", "chars")


def test_a_run_records_the_choice_and_its_origin(tmp_path):
    path = write(tmp_path / "a.tsv", *generated("labels", rows=200))
    run = seqcli.train(data=path, out=tmp_path / "run", **TINY)
    text = (tmp_path / "run" / "config.yaml").read_text("utf-8")
    assert "chosen from the training rows" in text
    told = yaml.safe_load(text)["data"]
    assert (told["source_tokens"], told["target_tokens"]) == ("chars", "whole")
    origins = load(tmp_path / "run" / "best.pt").record.origins
    assert origins["data.target_tokens"] == "chosen from the training rows"
    assert run.evaluate(split="val").metrics["sequence_accuracy"] >= 0
    more = seqcli.train(resume=run.path, set=["train.epochs=2"])
    assert len(more.finished.history) == 2
