"""Two-column files: what is read, what is refused and where."""

from pathlib import Path

import pytest

from seqcli.data.pairs_file import parse_pairs, read_bytes
from seqcli.errors import DataError

PATH = Path("pairs.tsv")


@pytest.mark.parametrize(
    "raw", [b"a\tb\nc\td\n", b"a\tb\r\nc\td\r\n", b"\xef\xbb\xbfa\tb\nc\td", b"a\tb\nc\td\r\n"]
)
def test_line_ends_and_byte_order_marks(raw: bytes) -> None:
    rows = parse_pairs(raw, PATH)
    assert (rows.sources, rows.targets) == (["a", "c"], ["b", "d"])


@pytest.mark.parametrize(
    "text",
    ["nan", "null", '"', '"quoted', "'", "#", "a,b", "\\t", "\u2028", "a\x0bb", "\x85x", " a ",
     "a\ufeff", "\N{COMBINING ACUTE ACCENT}", "🙂", "a\rb"],
)  # fmt: skip
def test_ordinary_data(text: str) -> None:
    if text.isspace():
        text += "."
    rows = parse_pairs(f"{text}\t{text}\nx\ty\n".encode(), PATH)
    assert (rows.sources, rows.targets) == ([text, "x"], [text, "y"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a\tb\nc\n", "pairs.tsv, line 2: expected 2 tab-separated columns, found 1"),
        (b"a\tb\tc\n", "pairs.tsv, line 1: expected 2 tab-separated columns, found 3"),
        (b"a\tb\n\tc\n", "pairs.tsv, line 2: the source is empty"),
        (b"a\tb\nc\t\n", "pairs.tsv, line 2: the target is empty"),
        (b"a\tb\n \tc\n", "pairs.tsv, line 2: the source is empty"),
        (b"a\tb\n\nc\td\n", "pairs.tsv, line 2: the line is blank"),
        (b"a\tb\r\n\r\n", "pairs.tsv, line 2: the line is blank"),
        (b"a\tb\nc\t\xff\n", "pairs.tsv, line 2: not valid UTF-8"),
        (b"a\tb\nc\x00\td\n", "pairs.tsv, line 2: a NUL character"),
        ("a\tb\n".encode("utf-16"), "pairs.tsv, line 1: a NUL character"),
        (b"", "pairs.tsv is empty"),
        (b"\xef\xbb\xbf", "pairs.tsv is empty"),
        (b"a\nb\nc\td\ne\n", "line 1: expected 2 tab-separated columns, found 1 (and 2 more such"),
    ],
)
def test_bad_rows_are_named_by_path_and_line(raw: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_pairs(raw, PATH)
    assert message in caught.value.message
    assert caught.value.hint


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_bytes(tmp_path / "none.tsv")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_bytes(tmp_path)
