"""Files as they come: none crashes, none loses a row in silence.

For each: the rows that are kept, and the lines that are named by kind; or the error, which names
the file and the line, and says what to do. Rows in = rows kept + rows named as left out.
"""

import gzip
import zipfile
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.cli import app, shell
from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus
from seqcli.data.files.rows import HEADER, KINDS
from seqcli.errors import DataError, Exit

GOOD = "".join(f"w{number}\tp{number}\n" for number in range(30))
NAMES = "".join(f"name{number}\n" for number in range(30))
NEXT = 31  # the line after those


@dataclass
class Case:
    """What is in the file, and what becomes of it."""

    raw: bytes | str
    kept: int = 0
    named: dict[str, tuple[int, ...]] = field(default_factory=dict)
    error: str = ""
    name: str = "a.tsv"
    settings: dict[str, object] = field(default_factory=dict)


def row(text, **named):
    """Return 30 good rows and one or more odd ones, which are left out or named."""
    found = {kind: lines if isinstance(lines, tuple) else (lines,) for kind, lines in named.items()}
    odd = text.count("\n") + (not text.endswith("\n"))
    out = sum(len(lines) for kind, lines in found.items() if KINDS[kind][0])
    return Case(GOOD + text, 30 + odd - out, found)


def zipped(tmp="a.zip"):
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.tsv", GOOD)
    return buffer.getvalue()


CSV = {"name": "a.csv"}
JSON = {"name": "a.jsonl"}
GOOD_CSV = GOOD.replace("\t", ",")
GOOD_JSON = "".join(f'{{"source": "w{n}", "target": "p{n}"}}\n' for n in range(30))
WORDS = ("nan", "NaN", "null", "NULL", "NA", "N/A", "None", "true", "False", "inf", "-", "0", "1e5")

PAIRS = {
    "an ordinary file": Case(GOOD, 30),
    "a lone quote": row('"a\tb\n'),
    "quotes around cells": row('"a"\t"b"\n'),
    "a quote inside": row('5" disk\tx"y\n'),
    "an apostrophe and a hash": row("'a\t#b\n"),
    "a byte-order mark": Case("\ufeff" + GOOD, 30),
    "a byte-order mark inside": row("\ufeffa\tb\n", unseen=NEXT),
    "CRLF": Case(GOOD.replace("\n", "\r\n"), 30),
    "CRLF and LF": row("a\tb\r\nc\td\n"),
    "CR alone as line end": Case(GOOD.replace("\n", "\r"), error="line 1: lines end in CR alone"),
    "a CR inside": row("a\rb\tc\n", unseen=NEXT),
    "a NUL": Case(GOOD.encode() + b"a\0b\tc\n", 30, {"bytes": (NEXT,)}),
    "bad UTF-8": Case(GOOD.encode() + b"a\xffb\tc\n", 30, {"bytes": (NEXT,)}),
    "a character cut in two": Case(GOOD.encode() + b"a\tb\xe2\x82\n", 30, {"bytes": (NEXT,)}),
    "Latin-1 all over": Case("é\tè\n".encode("latin-1") * 20, error="line 1: not valid UTF-8"),
    "UTF-16": Case(GOOD.encode("utf-16"), error="a.tsv is UTF-16 text"),
    "UTF-16 without its mark": Case(GOOD.encode("utf-16-le"), error="a.tsv is UTF-16 text"),
    "UTF-32": Case(GOOD.encode("utf-32"), error="a.tsv is UTF-32 text"),
    "one column in one row": row("alone\n", shape=NEXT),
    "one column in half": Case("a\tp\nw\n" * 9, error="line 2: expected 2"),
    "three columns in one row": row("a\tb\tc\n", shape=NEXT),
    "three columns in all": Case(
        "a\tb\t1\n" * 9, error="line 1: expected 2 tab-separated columns, found 3 (and 8 more of 9"
    ),
    "a trailing tab": row("a\tb\t\n", shape=NEXT),
    "an empty source": row("\tb\n", source=NEXT),
    "an empty target": row("a\t\n", target=NEXT),
    "spaces as source": row("  \tb\n", source=NEXT),
    "blank lines": row("\n\na\tb\n\n", blank=(31, 32, 34)),
    "a line of spaces": row("   \n", blank=NEXT),
    "more blank lines than rows": Case("a\tb\n" + "\n" * 9, 1, {"blank": tuple(range(2, 11))}),
    "no end of the last line": Case(GOOD + "a\tb", 31),
    "an empty file": Case(b"", error="a.tsv is empty"),
    "nothing but a mark": Case("\ufeff", error="a.tsv is empty"),
    "nothing but blank lines": Case("\n\n\n", error="a.tsv is empty"),
    "one line": Case("a\tb\n", 1),
    "nine lines": Case("".join(f"{n}\t{n}\n" for n in range(9)), 9),
    "a field of 200,000 characters": row("a" * 200_000 + "\tb\n", long=NEXT),
    "a line of 2 MB": row("a" * 2_000_000 + "\tb\nc\td\n", long=NEXT),
    "a word of 2,000 characters": Case(
        GOOD + "x" * 2000 + "\tb\n", 30, {"long": (NEXT,)}, settings={"source_tokens": "words"}
    ),
    "U+2028 and U+0085": row("a\u2028b\tc\x85d\n", unseen=NEXT),
    "NFC and NFD twins": row("é\tb\ne\u0301\tb\n", twin=32, form=32),
    "NFD alone": row("e\u0301\tb\n", form=NEXT),
    "NFC and NFD made alike": Case(
        GOOD + "é\tb\ne\u0301\tb\n", 32, {"duplicate": (32,)}, settings={"normalize": "nfc"}
    ),
    "right to left": row("שלום\tعربي\n"),
    "a direction mark": row("a\u202eb\tc\n", unseen=NEXT),
    "an emoji of several": row("👩‍🔬\t👍🏽\n"),
    "words that mean nothing elsewhere": row("".join(f"{word}\t{word}\n" for word in WORDS)),
    "a header that nobody asked for": Case("Word\tTarget\n" + GOOD, 31, {"header": (1,)}),
    "a header that was asked for": Case(
        "t\ts\n" + GOOD, 30, settings={"columns": "source=s,target=t"}
    ),
    "rows twice": row("w1\tp1\nw1\tp1\n", duplicate=(31, 32)),
    "another target": row("w1\tq\n", contradictory=NEXT),
    "commas instead of tabs": Case(GOOD_CSV, error="line 1: no tab, but commas in every line"),
    "commas in a file of another name": Case(
        GOOD_CSV, 30, name="a.txt", settings={"format": "csv"}
    ),
    "semicolons": Case(GOOD_CSV.replace(",", ";"), error="cells seem separated by ';'", **CSV),
    "gzip": Case(gzip.compress(GOOD.encode()), 30, name="a.tsv.gz"),
    "gzip by another name": Case(gzip.compress(GOOD.encode()), 30),
    "no gzip in spite of the name": Case(GOOD, 30, name="a.tsv.gz"),
    "gzip cut short": Case(
        gzip.compress(GOOD.encode())[:-20], error="is a damaged gzip file", name="a.tsv.gz"
    ),
    "a zip archive": Case(zipped(), error="is a zip archive"),
    "a picture": Case(b"\x89PNG\r\n" + bytes(range(8)) * 90, error="a.tsv is a picture"),
    "counts": Case("a\tb\t3\nc\td\t1\n", 2, settings={"columns": "source,target,count"}),
    "a count that is none": Case(
        "a\tb\t1\n" * 20 + "a\tb\tx\n", 20, {"count": (21,)},
        settings={"columns": "source,target,count"},
    ),
    "a count of nothing": Case(
        "a\tb\t1\n" * 20 + "a\tb\t0\n", 20, {"count": (21,)},
        settings={"columns": "source,target,count"},
    ),
    "a count that would be no weight": Case(
        "a\tb\t1\n" * 20 + "a\tb\t1e-300\n", 20, {"count": (21,)},
        settings={"columns": "source,target,count"},
    ),
    "a count with an underscore": Case(
        "a\tb\t1\n" * 20 + "a\tb\t1_000\n", 20, {"count": (21,)},
        settings={"columns": "source,target,count"},
    ),
    "spaces at the ends": row(" a\tb \n", edges=NEXT),
    "spaces at the ends of words": Case(
        GOOD + " a\tb \n", 31,
        settings={"source_tokens": "words", "target_tokens": "whole"},
    ),
    "a space of no width": row("a\u200bb\tc\n", unseen=NEXT),
    "a space that does not break": row("a\u00a0b\tc\n", unseen=NEXT),
    "private use and unassigned": row("a\ue000\tb\n\U000e0fff\tc\n", unseen=(31, 32)),
    "joiners of Persian": row("می\u200cخواهم\ta\n"),
    "CRCRLF": Case(GOOD.replace("\n", "\r\r\n"), 30),
    "a comment": row("# a comment\tb\n", comment=NEXT),
    "a header behind a hash": Case("#Word\tTarget\n" + GOOD, 31, {"header": (1,)}),
    "JSON with a key twice": Case(
        GOOD_JSON + '{"source": "a", "source": "b", "target": "c"}\n', 30,
        {"shape": (NEXT,)}, **JSON
    ),
    "counts without end": Case(
        "a\tb\tinf\n" * 9, error="line 1: the count is 'inf'",
        settings={"columns": "source,target,count"},
    ),
    "CSV with quotes, commas and doubled quotes": Case(GOOD_CSV + '"a,""b""",c\n', 31, **CSV),
    "CSV with a line end in a cell": Case(
        GOOD_CSV + '"a\nb",c\nd,e\n', 31, {"cells": (NEXT,)}, **CSV
    ),
    "CSV with a quote that never ends": Case(GOOD_CSV + '"a,c\n' * 3, error="line 31: ", **CSV),
    "CSV with a NUL": Case(GOOD_CSV.encode() + b"a\0,c\n", 30, {"bytes": (NEXT,)}, **CSV),
    "CSV with bad UTF-8": Case(GOOD_CSV.encode() + b"a\xff,c\n", 30, {"bytes": (NEXT,)}, **CSV),
    "CSV with a blank line": Case(GOOD_CSV + "\na,b\n", 31, {"blank": (NEXT,)}, **CSV),
    "CSV with too few columns": Case(GOOD_CSV + "a\n", 30, {"shape": (NEXT,)}, **CSV),
    "JSON that is none": Case(GOOD_JSON + "{\n", 30, {"shape": (NEXT,)}, **JSON),
    "JSON without the key": Case(GOOD_JSON + '{"a": "b"}\n', 30, {"shape": (NEXT,)}, **JSON),
    "JSON with null": Case(
        GOOD_JSON + '{"source": null, "target": "b"}\n', 30, {"shape": (NEXT,)}, **JSON
    ),
    "JSON with numbers": Case(GOOD_JSON + '{"source": 1.50, "target": 7}\n', 31, **JSON),
    "JSON with half a character": Case(
        GOOD_JSON + '{"source": "\\ud800", "target": "b"}\n', 30, {"bytes": (NEXT,)}, **JSON
    ),
    "JSON nested without end": Case(GOOD_JSON + "[" * 99999 + "\n", 30, {"shape": (NEXT,)}, **JSON),
    "JSON as one list": Case("[\n" + GOOD_JSON + "]\n", 30, {"shape": (1, 32)}, **JSON),
    "strict and a blank line": Case(
        GOOD + "\n", error="a.tsv, line 31: blank", settings={"strict": True}
    ),
    "too many bad rows": Case(GOOD + "a\n" * 4, error="line 31: expected 2 tab-separated columns"),
    "many bad rows, and it is known": Case(
        GOOD + "a\n" * 4, 30, {"shape": (31, 32, 33, 34)}, settings={"max_bad_fraction": 0.5}
    ),
}  # fmt: skip

TXT = {"name": "a.txt"}
LINES = {
    "ordinary names": Case(NAMES, 30, **TXT),
    "names with a byte-order mark": Case("\ufeff" + NAMES, 30, **TXT),
    "names with CRLF": Case(NAMES.replace("\n", "\r\n"), 30, **TXT),
    "names with a NUL": Case(NAMES + "a\0b\n", 30, {"bytes": (NEXT,)}, **TXT),
    "names with bad UTF-8": Case(NAMES.encode() + b"\xff\n", 30, {"bytes": (NEXT,)}, **TXT),
    "names with blank lines": Case(NAMES + "\n \n", 30, {"blank": (31, 32)}, **TXT),
    "a name of 100,000 characters": Case(NAMES + "x" * 100_000, 30, {"long": (NEXT,)}, **TXT),
    "a name of 1,000 characters": Case(NAMES + "x" * 1000, 31, **TXT),
    "names with spaces around": Case(NAMES + " a \n\u00a0b\n", 32, **TXT),
    "emoji": Case(NAMES + "👩‍🔬\n", 31, **TXT),
    "right to left names": Case(NAMES + "נועה\nعمر\n", 32, **TXT),
    "one name": Case("anna\n", 1, **TXT),
    "one name without a line end": Case("anna", 1, **TXT),
    "no name": Case("", error="a.txt is empty", **TXT),
    "names in UTF-16": Case(NAMES.encode("utf-16"), error="a.txt is UTF-16 text", **TXT),
    "a tab in a name": Case(
        NAMES + "a\tb\n", 30, {"shape": (NEXT,)}, settings={"format": "names"}, **TXT
    ),
    "names twice": Case(NAMES + "name1\n", 31, {"duplicate": (NEXT,)}, **TXT),
    "names with commas": Case("Smith, Anna\nJones, Bo\n", 2, **TXT),
}


@pytest.mark.parametrize("what", [*PAIRS, *LINES])
def test_every_row_is_kept_or_named(what, tmp_path):
    case = {**PAIRS, **LINES}[what]
    path = tmp_path / case.name
    path.write_bytes(case.raw.encode() if isinstance(case.raw, str) else case.raw)
    data = DataConfig(train_file=str(path), **case.settings)
    if case.error:
        with pytest.raises(DataError) as caught:
            corpus(data, {})
        assert case.error in caught.value.message
        assert str(path) in caught.value.message
        assert caught.value.hint
        assert caught.value.exit_code == Exit.DATA
        return
    made = corpus(data, {})
    read = made.reading
    assert (made.codec.source is None) == (what in LINES)
    assert len(made.splits["train"]) == case.kept == read.files[0].kept
    found = {one.kind: one.lines for one in read.findings}
    assert {kind: found.pop(kind) for kind in case.named} == case.named
    assert not found or what.startswith(("a count", "counts"))  # which repeat rows on purpose
    left_out = sum(one.count for one in read.findings if one.left_out)
    assert read.files[0].rows == case.kept + left_out
    lines = made.named_rows.decode().splitlines()
    assert lines[0] + "\n" == HEADER
    assert len(lines) - 1 == sum(one.count for one in read.findings)
    assert all(line.count("\t") == HEADER.count("\t") for line in lines)


def trained(what, folder, capsys):
    """Train a step on a file by the command line; return the exit code and what was said."""
    case = {**PAIRS, **LINES}[what]
    path = folder / case.name
    path.write_bytes(case.raw.encode() if isinstance(case.raw, str) else case.raw)
    sets = [
        word for key, value in case.settings.items() for word in ("--set", f"data.{key}={value}")
    ]
    model = [
        "--hidden",
        "4",
        "--embedding",
        "4",
        "--steps",
        "1",
        "--threads",
        "1",
        "--set",
        "train.samples=0",
    ]
    words = ["train", "--train", str(path), "--out", str(folder / "run"), *model, *sets]
    code = shell.run(app, words)
    return code, capsys.readouterr().err


SOME = ("a line of 2 MB", "another target", "UTF-16", "a name of 100,000 characters")


@pytest.mark.parametrize(
    "what",
    [one if one in SOME else pytest.param(one, marks=pytest.mark.slow) for one in (*PAIRS, *LINES)],
)
def test_the_command_trains_or_says_why_not(what, tmp_path, capsys):
    case = {**PAIRS, **LINES}[what]
    code, said = trained(what, tmp_path, capsys)
    assert "Traceback" not in said
    if case.error:
        assert code == Exit.DATA
        assert said.startswith("error: ")
        assert case.error in said
        assert not (tmp_path / "run").exists()
    else:
        assert code == Exit.DONE
        assert (tmp_path / "run" / "best.pt").exists()
        assert all(
            f"line{'s' * (len(lines) > 1)} {lines[0]}" in said for lines in case.named.values()
        )


def test_the_table_is_long():
    assert len(PAIRS) >= 60
    assert len(LINES) >= 12


ROWS = st.binary(max_size=9).filter(lambda raw: b"\n" not in raw)


@given(st.lists(ROWS, max_size=12), st.sampled_from(["a.tsv", "a.csv", "a.jsonl", "a.txt"]))
def test_rows_in_are_rows_kept_and_rows_named(tmp_path_factory, rows, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    try:
        read = corpus(DataConfig(train_file=str(path), max_bad_fraction=1.0), {}).reading
    except DataError:
        return
    left_out = sum(one.count for one in read.findings if one.left_out)
    assert read.files[0].rows == read.files[0].kept + left_out
    assert read.files[0].rows == len(rows) or name == "a.csv"


def test_files_given_apart_name_what_they_share(tmp_path):
    files = {"train": GOOD, "val": "w1\tp1\nw2\tp3\nä\tö\n", "test": "w1\tp1\nä\tp\n"}
    for split, text in files.items():
        (tmp_path / f"{split}.tsv").write_text(text, "utf-8")
    made = corpus(DataConfig(path=str(tmp_path)), {})
    found = {(one.split, one.kind): (one.lines, one.example) for one in made.reading.findings}
    assert found == {
        ("val", "shared"): ((1, 2), "in train"),
        ("val", "unknown"): ((3,), "'ä' 'ö'"),
        ("test", "shared"): ((1, 2), "in train and val"),
        ("test", "unknown"): ((2,), "'ä'"),
    }
    assert [one.shared for one in made.reading.splits] == [0, 2, 2]
