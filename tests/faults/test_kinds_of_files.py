"""What people have under the name of a data file: each kind is read rightly or refused with a hint.

A file that is read names its format and keeps or names every row. A file that is refused ends with
exit code 3, one line that says what it looks like, and the option or the step that helps.
"""

import gzip
import io
import json
import pickle
import sqlite3
import tarfile
import zipfile
from bz2 import compress as bz2
from lzma import compress as xz
from typing import NamedTuple

import numpy as np
import pytest

from seqcli.cli import app, shell
from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus
from seqcli.errors import DataError, Exit

WORDS = ["".join(chr(97 + (7 * n + 3 * k) % 26) for k in range(2 + n % 5)) for n in range(40)]
ROWS = [(f"{word}{n}", f"{word[::-1]}{n}") for n, word in enumerate(WORDS)]


def rows(between="\t", end="\n"):
    return "".join(f"{a}{between}{b}{end}" for a, b in ROWS)


def lexicon(between):
    return "".join(f"{a.upper()}{between}{' '.join(b.upper())}\n" for a, b in ROWS)


def objects(*keys):
    return [dict(zip(keys, row, strict=True)) for row in ROWS]


def lines_of(found):
    return "".join(json.dumps(one) + "\n" for one in found)


def zipped(name, content="x"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred(mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        entry = tarfile.TarInfo("a.tsv")
        entry.size = len(rows())
        archive.addfile(entry, io.BytesIO(rows().encode()))
    return buffer.getvalue()


def array(save, *given):
    buffer = io.BytesIO()
    save(buffer, *given)
    return buffer.getvalue()


def database(folder):
    path = folder / "made.db"
    with sqlite3.connect(path) as made:
        made.execute("create table words (source text, target text)")
    made.close()
    return path.read_bytes()


class Read(NamedTuple):
    """A file that is read: its format, and how many rows are kept."""

    format: str
    kept: int = len(ROWS)


class Refused(NamedTuple):
    """A file that is refused: parts of the message and of the hint."""

    message: str
    hint: str


CONLL = "".join(f"1\t{a}\t{b}\tNOUN\t_\t_\t0\troot\t_\t_\n\n" for a, b in ROWS)
UNIMORPH = "".join(f"{a}\t{b}\tN;ACC;PL\n" for a, b in ROWS)
FEATURES_SECOND = "".join(f"{a}\tN;ACC;PL\t{b}\n" for a, b in ROWS)
WIDE = "".join(f"{a:<12}{b:<12}\n" for a, b in ROWS)
PYTHON = (
    "import os\n\n\ndef main():\n    print(os.getcwd())\n    return 1\n\n\nclass A:\n    x = 1\n"
)
TABLE = f"{'|'.join(('a', 'b'))}\n" + rows("|")

KEYS = Refused("has no key 'source', only 'word', 'pron'", "source=word")
NOT_ROWS = Refused("but not like rows", "one object per line")
PAGE = Refused("an HTML page", "raw data")
TWICE = '{"source": "a", "source": "b", "target": "c"}\n' * 9
POINTER = "version https://git-lfs.github.com/spec/v1\n"
COLUMNS = json.dumps({"source": WORDS, "target": WORDS})
QUOTED = "".join(f'"{a}"\n' for a, _ in ROWS)

FILES = {
    # the same table, written in other ways
    "words.tsv": (rows(), Read("tsv")),
    "WORDS.TSV": (rows(), Read("tsv")),
    "WORDS.TSV.GZ": (gzip.compress(rows().encode()), Read("tsv")),
    "words.tab": (rows(), Read("tsv")),
    "words": (rows(), Read("tsv")),
    "words.CSV": (rows(","), Read("csv")),
    "crlf.csv": (rows(",", "\r\n"), Read("csv")),
    "crcrlf.tsv": (rows(end="\r\r\n"), Read("tsv")),
    "declared.csv": ("sep=;\n" + rows(";"), Read("csv")),
    "lines.JSONL": (lines_of(objects("source", "target")), Read("jsonl")),
    "lines.ndjson": (lines_of(objects("source", "target")), Read("jsonl")),
    "lines.json": (lines_of(objects("source", "target")), Read("jsonl")),
    "lines.txt": (lines_of(objects("source", "target")), Read("jsonl")),
    "array.json": (json.dumps(objects("source", "target")), Read("json")),
    "indented.json": (json.dumps(objects("source", "target"), indent=2), Read("json")),
    "array.jsonl": (json.dumps(objects("source", "target")), Read("json")),
    "array.txt": (json.dumps(objects("source", "target")), Read("json")),
    "comment.tsv": ("# source\ttarget\n" + rows(), Read("tsv", len(ROWS) + 1)),
    # other separators
    "semicolons.tsv": (rows(";"), Refused("';' in every line", "--separator ';'")),
    "semicolons.csv": (rows(";"), Refused("separated by ';'", "--separator ';'")),
    "both.csv": (rows(";").replace("\n", ",x\n"), Refused("or by commas", "--separator ,")),
    "tabs.csv": (rows(), Refused("separated by tabs", "--separator tab")),
    "pipes.csv": (rows("|"), Refused("separated by '|'", "--separator '|'")),
    "pipes.txt": (TABLE, Refused("'|' in every line", "--separator '|'")),
    "bars.txt": (rows(" ||| "), Refused("'|||' in every line", "--separator '|||'")),
    "arrows.txt": (rows(" -> "), Refused("'->' in every line", "--separator '->'")),
    "equals.txt": (rows(" = "), Refused("'=' in every line", "--separator =")),
    "commas.tsv": (rows(","), Refused("commas in every line", "--format csv")),
    "commas.txt": (rows(","), Refused("commas in every line", "--format csv")),
    "spaces.tsv": (rows(" "), Refused("one space in every line", "--separator space")),
    "two_spaces.txt": (rows("  "), Refused("two or more spaces", "--separator spaces")),
    "fixed_width.txt": (WIDE, Refused("two or more spaces", "--separator spaces")),
    "cmu.dict": (lexicon("  "), Refused("a word and its tokens", "--separator space")),
    "cmu.txt": (lexicon(" "), Refused("a word and its tokens", "--separator space")),
    "quoted.txt": (QUOTED, Refused("in quotes", "--format csv --columns target=1")),
    "quoted.tsv": (
        "".join(f'"{a}"\t"{b}"\n' for a, b in ROWS),
        Refused("in quotes", "--format csv --separator tab"),
    ),
    # other columns
    "unimorph.tsv": (UNIMORPH, Refused("found 3", "--columns source,target,features")),
    "features.tsv": (FEATURES_SECOND, Refused("found 3", "--columns source,features,target")),
    "counts.tsv": (rows(end="\t12\n"), Refused("found 3", "--columns source,target,count")),
    "numbered.tsv": (
        "".join(f"{n}\t{a}\t{b}\n" for n, (a, b) in enumerate(ROWS)),
        Refused("found 3", "--columns -,source,target"),
    ),
    "tree.conllu": (CONLL, Refused("found 10", "--columns -,source,target,-")),
    "keys.jsonl": (lines_of(objects("word", "pron")), KEYS),
    "keys.json": (json.dumps(objects("word", "pron")), KEYS),
    "twice.jsonl": (TWICE, Refused("appears twice", "")),
    # JSON that is no table
    "columns.json": (COLUMNS, NOT_ROWS),
    "columns.txt": (COLUMNS, NOT_ROWS),
    "mapping.json": (json.dumps(dict(ROWS), indent=1), NOT_ROWS),
    "arrays.txt": (lines_of(ROWS), Refused("looks like a JSON array", "one object per line")),
    "cut.json": (json.dumps(objects("source", "target"))[:-9], Refused("not JSON", "one object")),
    # text of another kind
    "page.txt": ("<!DOCTYPE html>\n<html><body>404</body></html>\n", PAGE),
    "page.csv": ("\n<html>\n<p>a,b</p>\n", PAGE),
    "feed.txt": ("<?xml version='1.0'?>\n<a/>\n", Refused("an XML file", "--format names")),
    "code.py": (PYTHON, Refused("Python source", "--format names")),
    "code.txt": (PYTHON, Refused("Python source", "--format names")),
    "run.txt": ("#!/bin/sh\necho a\n", Refused("a script", "--format names")),
    "notes.ipynb": (json.dumps({"cells": []}), Refused("a Jupyter notebook", "--format names")),
    "paper.txt": ("\\documentclass{article}\n", Refused("a LaTeX document", "--format names")),
    "pointer.tsv": (POINTER, Refused("Git LFS", "git lfs pull")),
    "config.yaml": ("a: b\nc: d\n", Refused("a YAML file", "--format names")),
    "gone.tsv": ("404: Not Found", Refused("a failed download", "again")),
    # encodings
    "utf16.tsv": (rows().encode("utf-16"), Refused("UTF-16 text", "iconv")),
    "utf16be.txt": (rows().encode("utf-16-be"), Refused("UTF-16 text", "iconv")),
    "utf32.tsv": (rows().encode("utf-32"), Refused("UTF-32 text", "UTF-8")),
    "latin1.tsv": ("é\tè\n".encode("latin-1") * 30, Refused("not valid UTF-8", "iconv")),
    "mac.tsv": (rows(end="\r"), Refused("CR alone", "tr")),
    # binary files
    "book.xlsx": (zipped("xl/workbook.xml"), Refused("Excel workbook", "tab-separated")),
    "text.docx": (zipped("word/document.xml"), Refused("Word document", "tab-separated")),
    "sheet.ods": (
        zipped("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        Refused("OpenDocument spreadsheet", "tab-separated"),
    ),
    "words.zip": (zipped("a.tsv"), Refused("a zip archive", "export")),
    "model.pt": (zipped("archive/data.pkl"), Refused("a PyTorch file", "export")),
    "old.xls": (b"\xd0\xcf\x11\xe0" + bytes(99), Refused("old Office", "tab-separated")),
    "paper.pdf": (b"%PDF-1.7\n%\xe2\xe3\n", Refused("a PDF", "export")),
    "text.rtf": ("{\\rtf1 a}", Refused("an RTF document", "export")),
    "rows.parquet": (b"PAR1\x15\x04\x00\xff" * 9, Refused("a Parquet file", "export")),
    "rows.arrow": (b"ARROW1\0\0\xff\xff", Refused("an Arrow file", "export")),
    "rows.h5": (b"\x89HDF\r\n\x1a\n\0", Refused("an HDF5 file", "export")),
    "words.npy": (array(np.save, np.array(WORDS)), Refused("a NumPy array", "tab-separated")),
    "words.npz": (array(np.savez, np.arange(3)), Refused("a NumPy archive", "export")),
    "words.pkl": (pickle.dumps(ROWS), Refused("a Python pickle", "tab-separated")),
    "words.tar": (tarred("w"), Refused("a tar archive", "unpack")),
    "words.tar.gz": (tarred("w:gz"), Refused("a tar archive", "unpack")),
    "twice.gz": (gzip.compress(gzip.compress(b"a")), Refused("packed with gzip twice", "unpack")),
    "words.bz2": (bz2(rows().encode()), Refused("packed with bzip2", "unpack")),
    "words.xz": (xz(rows().encode()), Refused("packed with xz", "unpack")),
    "words.zst": (b"\x28\xb5\x2f\xfd\x04\x58", Refused("packed with zstd", "unpack")),
    "words.7z": (b"7z\xbc\xaf\x27\x1c\0\4", Refused("a packed archive", "unpack")),
    "photo.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", Refused("a picture", "name the file of rows")),
    "tool.bin": (b"\x7fELF\2\1\1\0", Refused("a program", "name the file of rows")),
    "random.dat": (bytes((n * n * 31 + n) % 256 for n in range(4096)), Refused("binary", "UTF-8")),
    # next to nothing, or all at once
    "empty.tsv": (b"", Refused("is empty", "one row per line")),
    "blank.txt": (b"\n \n", Refused("is empty", "one row per line")),
    "one_line.txt": (b"x" * 3_000_000, Refused("longer than", "one row per line")),
    # lists of names that stay lists of names
    "names.txt": ("".join(f"{a}\n" for a, _ in ROWS), Read("names")),
    "full_names.txt": (rows(" "), Read("names")),
    "smith.txt": (rows(", "), Read("names")),
    "hyphens.txt": (rows("-"), Read("names")),
    "colons.txt": (rows(": "), Read("names")),
    "dates.txt": ("".join(f"2024-01-{n:02}\n" for n in range(1, 31)), Read("names", 30)),
    "riff.txt": ("RIFF\n" + "".join(f"{a}\n" for a, _ in ROWS), Read("names", len(ROWS) + 1)),
    "orc.txt": ("ORC\nID3\nGIF89\n", Read("names", 3)),
    "brackets.txt": ("[CLS]\n[SEP]\n[MASK]\n", Read("names", 3)),
    "single.tsv": ("".join(f"{a}\n" for a, _ in ROWS), Read("names")),
}  # fmt: skip


def write(name, folder):
    content, _ = FILES[name]
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", FILES)
def test_each_kind_is_read_rightly_or_refused_with_a_hint(name, tmp_path):
    path, expected = write(name, tmp_path), FILES[name][1]
    if isinstance(expected, Refused):
        with pytest.raises(DataError) as caught:
            corpus(DataConfig(train_file=str(path)), {})
        assert str(path) in caught.value.message
        assert expected.message in caught.value.message
        assert expected.hint in caught.value.hint
        assert "\n" not in caught.value.message + caught.value.hint
        assert caught.value.exit_code == Exit.DATA
        return
    (file,) = corpus(DataConfig(train_file=str(path)), {}).reading.files
    assert (file.format, file.kept) == expected


def test_a_database_is_refused(tmp_path):
    path = tmp_path / "words.db"
    path.write_bytes(database(tmp_path))
    with pytest.raises(DataError, match="an SQLite database"):
        corpus(DataConfig(train_file=str(path)), {})


def test_the_command_says_the_same_in_two_lines(tmp_path, capsys):
    for name in ("semicolons.tsv", "book.xlsx", "keys.jsonl"):
        code = shell.run(app, ["train", "--data", str(write(name, tmp_path)), "--check"])
        out, err = capsys.readouterr()
        expected = FILES[name][1]
        assert (code, out) == (Exit.DATA, "")
        first, second = err.splitlines()
        assert first.startswith("error: ")
        assert second.startswith("hint: ")
        assert expected.message in first
        assert expected.hint in second


def test_the_table_is_long():
    assert len(FILES) >= 100
