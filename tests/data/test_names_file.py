"""Hostile files of names: rows in = rows kept + rows named."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus, pairs_of
from seqcli.data.names_file import LONGEST, parse_names
from seqcli.errors import DataError

PATH = Path("names.txt")
HOSTILE = {
    "byte-order mark": (b"\xef\xbb\xbfanna\nbo\n", ["anna", "bo"], 0),
    "CRLF": (b"anna\r\nbo\r\n", ["anna", "bo"], 0),
    "no end of the last line": (b"anna\nbo", ["anna", "bo"], 0),
    "blank lines": (b"anna\n\n  \nbo\n", ["anna", "bo"], 2),
    "a NUL": (b"anna\nb\0o\ncy\n", ["anna", "cy"], 1),
    "bad UTF-8": (b"anna\nb\xff\ncy\n", ["anna", "cy"], 1),
    "a cut character": (b"anna\nb\xe2\x82\ncy\n", ["anna", "cy"], 1),
    "a long line": (b"anna\n" + b"x" * 100_000 + b"\ncy\n", ["anna", "cy"], 1),
    "the longest line": (b"y" * LONGEST, ["y" * LONGEST], 0),
    "spaces around": (b" anna \n\xc2\xa0bo\n", ["anna", "bo"], 0),
    "emoji": ("👩‍🔬\nbo\n".encode(), ["👩‍🔬", "bo"], 0),
    "right to left": ("נועה\nعمر\n".encode(), ["נועה", "عمر"], 0),
    "one line": (b"anna\n", ["anna"], 0),
    "line separators inside": ("an\u2028na\nb\x0co\n".encode(), ["an\u2028na", "b\x0co"], 0),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files(kind: str) -> None:
    raw, kept, left_out = HOSTILE[kind]
    found = parse_names(raw, PATH)
    assert found.lines == kept
    named = sum(int(re.search(r"\((\d+) in all\)", note)[1]) for note in found.notes)
    assert named == left_out
    assert all(note.startswith("names.txt: line") for note in found.notes)


def test_notes_name_the_lines() -> None:
    raw = b"\n".join([b"anna"] * 30 + [b""] * 12 + [b"\xff"])
    blank, bad = parse_names(raw, PATH).notes
    assert blank == (
        "names.txt: lines 31, 32, 33, 34, 35, 36, 37, 38, 39, 40 and 2 more are left out "
        "(12 in all): blank"
    )
    assert bad == "names.txt: line 43 is left out (1 in all): not valid UTF-8"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "names.txt is empty"),
        (b"\n\n", "names.txt is empty"),
        ("anna\nbo\n".encode("utf-16"), "names.txt, line 1: "),
        (b"anna\n\0\n\0\n", "names.txt, line 2: a NUL character (and 1 more such lines)"),
        (b"anna\nb\to\n", "names.txt, line 2: has a tab"),
    ],
)
def test_what_is_no_file_of_names_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_names(raw, PATH)
    assert caught.value.message.startswith(says)
    assert caught.value.hint


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\t" not in b and b"\n" not in b)))
def test_rows_in_are_rows_kept_and_rows_named(rows: list[bytes]) -> None:
    try:
        found = parse_names(b"".join(row + b"\n" for row in rows), PATH)
    except DataError:
        return
    named = sum(int(re.search(r"\((\d+) in all\)", note)[1]) for note in found.notes)
    assert len(found.lines) + named == len(rows)


def write(path: Path, text: str) -> DataConfig:
    path.write_text(text, "utf-8")
    return DataConfig(path=str(path))


def test_a_file_without_tabs_is_a_language_corpus(tmp_path: Path) -> None:
    data = write(tmp_path / "names.txt", "".join(f"name {i % 60}\n" for i in range(90)))
    made = corpus(data, {})
    assert made.codec.source is None
    assert all(pairs.sources is None for pairs in made.splits.values())
    assert sum(map(len, made.splits.values())) == 90
    assert "30 of the 90 names repeat another; all of a name are in one split" in made.notes
    owners: dict[str, str] = {}
    for split, pairs in made.splits.items():
        for row in range(len(pairs)):
            text = made.codec.target_text(pairs.targets[row].tolist())
            assert owners.setdefault(text, split) == split
    assert len(owners) == 60
    assert (made.about["max_source"], made.about["max_target"]) == (0, 7)
    assert set(made.floors) == {"chance", "unigram", "bigram"}


@pytest.mark.parametrize(("count", "splits"), [(1, 1), (2, 2), (5, 3), (9, 3)])
def test_tiny_files_work(tmp_path: Path, count: int, splits: int) -> None:
    made = corpus(write(tmp_path / "n.txt", "".join(f"{'ab' * i}c\n" for i in range(count))), {})
    assert len(made.splits) == splits
    assert sum(map(len, made.splits.values())) == count
    assert any("split: there are only" in note for note in made.notes) == (splits < 3)


def test_a_file_of_one_name_alone_has_only_train(tmp_path: Path) -> None:
    made = corpus(write(tmp_path / "n.txt", "anna\n" * 7), {})
    assert {split: len(pairs) for split, pairs in made.splits.items()} == {"train": 7}


def test_mixed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1: expected 2 tab-separated columns, found 1"):
        corpus(write(tmp_path / "n.txt", "anna\nb\to\n"), {})


def test_rows_for_a_model_that_is_trained(tmp_path: Path) -> None:
    made = corpus(write(tmp_path / "n.txt", "anna\nbo\ncleo\n"), {})
    (tmp_path / "more.txt").write_text("anna\n\nzoe\n", "utf-8")
    pairs, notes = pairs_of(tmp_path / "more.txt", "test", made.codec)
    assert len(pairs) == 2
    assert pairs.sources is None
    assert "line 2 is left out" in notes[0]
    (tmp_path / "pairs.tsv").write_text("a\tb\n", "utf-8")
    with pytest.raises(DataError, match="has a tab"):
        pairs_of(tmp_path / "pairs.tsv", "test", made.codec)


def test_a_folder_of_plain_names(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("anna\nbo\n", "utf-8")
    (tmp_path / "test.tsv").write_text("anna\nzoe\n", "utf-8")
    made = corpus(DataConfig(path=str(tmp_path)), {})
    assert made.codec.source is None
    assert "1 of the 2 lines of test are in train too" in made.notes
    assert "test: 2 symbols never occur in train" in made.notes
