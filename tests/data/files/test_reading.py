"""Files of every format: what is read, by which columns, and how it is kept."""

from __future__ import annotations

import gzip
import json
import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus, pairs_of
from seqcli.data.files import cache, loading
from seqcli.data.files.columns import parse_columns
from seqcli.errors import DataError, UsageError

ROWS = [(f"w{number}é", f"P{number} p") for number in range(40)]


def texts(made, split="train"):
    """Return the rows of a split as a user writes them."""
    pairs = made.splits[split]
    targets = [made.codec.target_text(pairs.targets[row].tolist()) for row in range(len(pairs))]
    if pairs.sources is None:
        return targets
    sources = [made.codec.source_text(pairs.sources[row].tolist()) for row in range(len(pairs))]
    return list(zip(sources, targets, strict=True))


def write(path: Path, text: str) -> str:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def tsv(rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def as_json(rows):
    keys = ("source", "target")
    return "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)


SWAPPED = [(t, s) for s, t in ROWS]
BY_NAME = {"columns": "source=word,target=pron"}
FORMATS = {
    "a.tsv": (tsv(ROWS), {}),
    "a.tsv.gz": (tsv(ROWS), {}),
    "a.csv": ("".join(f'"{s}",{t}\r\n' for s, t in ROWS), {}),
    "a.csv.gz": ("".join(f"{s},{t}\n" for s, t in ROWS), {}),
    "a.jsonl": (as_json(ROWS), {}),
    "a.jsonl.gz": (as_json(ROWS), {}),
    "a.txt": (tsv(SWAPPED), {"columns": "target=1,source=2"}),
    "b.tsv": (tsv((9, t, s) for s, t in ROWS), {"columns": "-,target,source"}),
    "c.tsv": (tsv((t, s, "x") for s, t in ROWS), {"columns": "source=2,target=1,-"}),
    "d.tsv": ("pron\tword\n" + tsv(SWAPPED), BY_NAME),
    "e.csv": ("\ufeffpron,word\n" + "".join(f"{t},{s}\n" for s, t in ROWS), BY_NAME),
    "f.jsonl": (as_json(ROWS), {"columns": "source=target,target=source"}),
    "g.data": (tsv(ROWS), {"format": "tsv"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(name, tmp_path):
    text, given_ = FORMATS[name]
    path = write(tmp_path / name, text)
    made = corpus(DataConfig(train_file=path, **given_), {})
    rows = SWAPPED if name == "f.jsonl" else ROWS
    assert texts(made) == rows
    split = corpus(DataConfig(path=path, **given_), {})
    assert sum(map(len, split.splits.values())) == len(ROWS)
    assert split.name == name[0]


def test_two_files_side_by_side(tmp_path):
    one = write(tmp_path / "a.src", "".join(f"{s}\n" for s, _ in ROWS))
    other = write(tmp_path / "a.tgt.gz", "".join(f"{t}\r\n" for _, t in ROWS))
    made = corpus(DataConfig(train_file=f"{one},{other}"), {})
    assert texts(made) == ROWS
    pairs, notes = pairs_of(Path(f"{one},{other}"), "test", made.codec, DataConfig())
    assert (len(pairs), notes) == (40, ())
    write(tmp_path / "a.src", "a\nb\n")
    with pytest.raises(DataError, match=r"a\.src ends before line 3"):
        corpus(DataConfig(path=f"{one},{other}"), {})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("target=1,sorce=2", "unknown role 'sorce'"),
        ("source=1", "no column is the target"),
        ("target=1,target=2", "target is given twice"),
        ("target=1,source=1", "column 1 is given twice"),
        ("target=0", "counted from 1"),
        ("target=", "no column is given"),
    ],
)
def test_wrong_columns_are_named(columns, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_columns(columns)
    assert caught.value.hint


def test_a_header_is_needed_where_columns_have_names(tmp_path):
    path = write(tmp_path / "a.tsv", "word\tpron\na\tb\n")
    with pytest.raises(DataError, match=r"a\.tsv, line 1: column 'wrod' is not") as caught:
        corpus(DataConfig(path=path, columns="source=wrod,target=pron"), {})
    assert caught.value.hint == "the header has word, pron"
    path = write(tmp_path / "a.jsonl", as_json(ROWS))
    with pytest.raises(UsageError, match="JSON rows have keys"):
        corpus(DataConfig(path=path, columns="source=1,target=2"), {})


def test_features_are_marked_tokens_of_the_source(tmp_path):
    path = write(tmp_path / "a.tsv", "N\tNs\tN;PL\nV\tV\t\nN\tNx\tN;;DU\n")
    data = DataConfig(train_file=path, columns="source,target,features")
    made = corpus(data, {})
    assert texts(made) == [("N\tN;PL", "Ns"), ("V", "V"), ("N\tN;DU", "Nx")]
    assert made.codec.source.tokens == (" [DU]", " [N]", " [PL]", "N", "V")
    assert made.reading.findings == ()  # other features: another source
    assert made.codec.tokenize_source("N\tPL") == ["N", " [PL]"]


def test_features_may_be_several_columns_or_a_list(tmp_path):
    path = write(tmp_path / "a.tsv", "a\tb\tN;PL\tX\n")
    data = DataConfig(train_file=path, columns="source,target,features,features")
    assert texts(corpus(data, {})) == [("a\tN;PL;X", "b")]
    path = write(tmp_path / "a.jsonl", '{"w": "a", "t": "b", "f": ["N", "PL"]}\n')
    data = DataConfig(train_file=path, columns="source=w,target=t,features=f")
    assert texts(corpus(data, {})) == [("a\tN;PL", "b")]


def test_counts_weigh_or_repeat_training_rows(tmp_path):
    path = write(tmp_path / "a.tsv", "a\tx\t3\nb\ty\t1\n")
    given = {"train_file": path, "val_file": path, "columns": "source,target,count"}
    made = corpus(DataConfig(**given), {})
    assert made.splits["train"].weights.tolist() == [1.5, 0.5]
    assert made.splits["train"].take(np.array([1])).weights.tolist() == [0.5]
    assert made.splits["val"].weights is None
    assert made.reading.splits[0].weight == 4
    made = corpus(DataConfig(**given, counts="repeats"), {})
    assert texts(made) == [("a", "x")] * 3 + [("b", "y")]
    assert (len(made.splits["val"]), made.splits["train"].weights) == (2, None)
    assert made.reading.splits[0].rows == 2
    made = corpus(DataConfig(**given, counts="ignore"), {})
    assert (len(made.splits["train"]), made.splits["train"].weights) == (2, None)


def test_forms_are_part_of_the_codec(tmp_path):
    path = write(tmp_path / "a.tsv", "ÉA\tE\u0301\n")
    made = corpus(DataConfig(train_file=path, normalize="nfc", lower="source"), {})
    assert texts(made) == [("éa", "É")]
    assert made.codec.source.encode(made.codec.tokenize_source("E\u0301A")) == [5, 4]


def test_labels_are_targets_of_one_token(tmp_path):
    path = write(tmp_path / "a.tsv", "Noel\tNew Zealand\nAda\t Malta \n")
    made = corpus(DataConfig(train_file=path, target_tokens="whole"), {})
    assert made.codec.target.tokens == ("Malta", "New Zealand")
    assert made.provenance.max_target == 1


def test_names_in_columns_need_no_source(tmp_path):
    path = write(tmp_path / "a.csv", "id,name\n1,anna\n2,bo\n")
    made = corpus(DataConfig(train_file=path, columns="target=name"), {})
    assert made.codec.source is None
    assert texts(made) == ["anna", "bo"]


def test_val_and_test_go_with_train_and_are_of_one_kind(tmp_path):
    path = write(tmp_path / "a.tsv", tsv(ROWS))
    with pytest.raises(UsageError, match="require --train FILE"):
        corpus(DataConfig(path=path, val_file=path), {})
    names = write(tmp_path / "names.txt", "anna\nbo\n")
    with pytest.raises(DataError, match=r"holds pairs, but .* names"):
        corpus(DataConfig(train_file=path, val_file=names), {})


def test_other_rows_for_a_model_that_is_trained(tmp_path):
    data = DataConfig(train_file=write(tmp_path / "n.txt", "anna\nbo\ncleo\n"))
    made = corpus(data, {})
    more = write(tmp_path / "more.txt", "anna\n\nzoe\n")
    pairs, notes = pairs_of(Path(more), "test", made.codec, data)
    assert (len(pairs), pairs.sources, pairs.unknown_targets) == (2, None, ("z",))
    assert notes == (f"{more}: 1 row left out: blank (line 2)",)
    two = write(tmp_path / "two.tsv", tsv(ROWS))
    with pytest.raises(DataError, match="trained on names, but this file contains pairs"):
        pairs_of(Path(two), "test", made.codec, data)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\r"), min_size=1, max_size=9
).filter(lambda text: not text.isspace())  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=9))
def test_pairs_that_are_written_are_read_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("pairs")
    quoted = "".join('"{}","{}"\n'.format(*(t.replace('"', '""') for t in row)) for row in rows)
    for name, text in (("a.tsv", tsv(rows)), ("a.csv", quoted), ("a.jsonl", as_json(rows))):
        assert texts(corpus(DataConfig(train_file=write(folder / name, text)), {})) == rows


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep files of any size in a cache of the test's own."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "LARGE", 1)
    return tmp_path / "cache" / cache.SUBFOLDER


def folders(place):
    return sorted(path.name for path in place.iterdir())


def same(one, other):
    assert (one.codec, one.provenance, one.notes) == (other.codec, other.provenance, other.notes)
    assert (one.baselines, one.reading) == (other.baselines, other.reading)
    for split, pairs in one.splits.items():
        twin = other.splits[split]
        assert np.array_equal(pairs.targets.tokens, twin.targets.tokens)
        assert np.array_equal(pairs.sources.offsets, twin.sources.offsets)
        assert pairs.unknown_sources == twin.unknown_sources
    return True


def test_large_files_are_encoded_once(kept, tmp_path, monkeypatch):
    data = DataConfig(path=write(tmp_path / "a.tsv", tsv(ROWS) + "\n"))
    first = corpus(data, {})
    train = first.splits["train"]
    assert isinstance(train.targets.tokens.base.base, mmap.mmap)
    assert first.named_rows.read_text().count("\n") == 1 + sum(
        one.count for one in first.reading.findings
    )
    before = folders(kept)
    monkeypatch.setattr(loading, "_encode", None)  # not called any more
    assert same(corpus(data, {}), first)
    assert folders(kept) == before
    assert len(before) == 1


def test_other_settings_and_other_content_are_encoded_anew(kept, tmp_path):
    path = write(tmp_path / "a.tsv", tsv(ROWS))
    corpus(DataConfig(path=path), {})
    corpus(DataConfig(path=path, lower="source"), {})
    write(tmp_path / "a.tsv", tsv(ROWS[1:]))
    made = corpus(DataConfig(path=path), {})
    assert sum(map(len, made.splits.values())) == 39
    assert len(folders(kept)) == 3


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "checks"])
def test_a_broken_cache_is_made_again(kept, tmp_path, damage):
    data = DataConfig(path=write(tmp_path / "a.tsv", tsv(ROWS)))
    first = corpus(data, {})
    file = next(kept.glob("*/checks.json" if damage == "checks" else "*/val.target.tokens"))
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.unlink()  # and not in place: the first corpus is still mapped from it
    if damage != "gone":
        file.write_bytes(raw[:-4] if damage == "cut" else raw)
    assert same(corpus(data, {}), first)
    assert cache.is_intact(kept / folders(kept)[0])


def test_without_a_cache_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "LARGE", 1)
    data = DataConfig(path=write(tmp_path / "a.tsv", tsv(ROWS)))
    monkeypatch.setenv(cache.VARIABLE, "off")
    first = corpus(data, {})
    assert texts(first)  # mapped from files that are gone
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    assert same(corpus(data, {}), first)
    assert folders(tmp_path) == ["a.tsv", "file"]


@pytest.mark.parametrize("raw", [b"ab\nx\0y\ncd\n", b"ab\n\xff\ncd\n", b"a\tb\nab\ncd\n"])
def test_a_refused_file_says_how_to_leave_its_bad_rows_out(tmp_path, raw):
    path = tmp_path / "names.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError) as refused:
        corpus(DataConfig(train_file=str(path), format="names"), {})
    assert refused.value.hint.endswith("or skip such rows with --set data.max_bad_fraction=1")
    kept = corpus(DataConfig(train_file=str(path), format="names", max_bad_fraction=1.0), {})
    assert len(kept.splits["train"]) == 2
