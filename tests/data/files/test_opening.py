"""The gate to data files: what is read, what is refused, and the digest of what was read."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
from pathlib import Path

import pytest
from open_files import open_files

from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus, pairs_of
from seqcli.data.files import opening
from seqcli.data.files.file_encoder import FileEncoder
from seqcli.data.files.opening import MOST_BYTES, TextFile, digest, kind_of_path
from seqcli.errors import DataError, Exit, UsageError

TEXT = b"a\tb\nc\td\n" * 50


def refused(path, message, hint):
    for use in (digest, opening.read_bytes, lambda one: list(TextFile(one).lines())):
        with pytest.raises(DataError) as caught:
            use(Path(path))
        assert message in caught.value.message
        assert hint in caught.value.hint
        assert caught.value.exit_code == Exit.DATA


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        refused(tmp_path / "socket", "is a socket", "name a file")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "pipe", "is a pipe", "save it to a file first")
    refused(tmp_path, "is a folder", "name a file in it")
    refused("/dev/zero", "is a device", "name a file")
    refused("-", "standard input", "save it to a file first")
    refused(tmp_path / "dangling", "is a link to nowhere, which does not exist", "correct the link")
    refused(tmp_path / "loop", "symbolic links", "check the path")
    refused(tmp_path / "gone", "does not exist", "check the path")
    refused(tmp_path / ("x" * 300), "name too long", "check the path")


def test_a_path_that_turns_into_a_pipe_while_it_is_opened_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.tsv"
    path.write_bytes(TEXT)
    opened = os.open

    def swapped(name, *rest):
        path.unlink()
        os.mkfifo(path)
        return opened(name, *rest)

    monkeypatch.setattr(opening.os, "open", swapped)
    with pytest.raises(DataError, match="is a pipe"):
        digest(path)


@pytest.mark.parametrize("use", ["path", "train_file", "pairs", "folder", "beside"])
def test_every_way_to_name_data_passes_the_gate(tmp_path, use):
    pipe, good = tmp_path / "train.tsv", tmp_path / "good.tsv"
    os.mkfifo(pipe)
    good.write_bytes(TEXT)
    made = corpus(DataConfig(train_file=str(good)), {})
    ways = {
        "path": lambda: corpus(DataConfig(path=str(pipe)), {}),
        "train_file": lambda: corpus(DataConfig(train_file=str(good), val_file=str(pipe)), {}),
        "pairs": lambda: pairs_of(pipe, "test", made.codec, DataConfig()),
        "folder": lambda: corpus(DataConfig(path=str(tmp_path)), {}),
        "beside": lambda: corpus(DataConfig(path=f"{good},{pipe}"), {}),
    }
    with pytest.raises(DataError, match="is a pipe"):
        ways[use]()


def test_a_file_without_permission_is_a_fault_of_the_data(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.tsv").write_bytes(TEXT)
    monkeypatch.setattr(opening.os, "open", denied)
    refused(tmp_path / "a.tsv", "permission denied", "chmod")
    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(DataError, match="permission denied"):
        kind_of_path(tmp_path / "a.tsv")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda raw: gzip.compress(raw) * 2])
@pytest.mark.parametrize("raw", [TEXT, b"", b"a\tb", b"x" * 3 * MOST_BYTES + b"\n" + TEXT])
def test_the_digest_is_of_the_bytes_that_were_parsed(tmp_path, raw, pack):
    path = tmp_path / "a.tsv"
    path.write_bytes(pack(raw))
    file = TextFile(path)
    assert sum(1 for _ in file.lines()) > 0 or not raw
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == digest(path)
    other = TextFile(path)
    other.text()
    assert other.sha256 == file.sha256


def test_carriage_returns_before_a_line_end_are_no_text(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"a\tb\r\r\nc\td\r\ne\tf\n")
    assert list(TextFile(path).lines()) == [b"a\tb", b"c\td", b"e\tf"]


@pytest.mark.parametrize("name", ["a.tsv", "a.json", "a.tsv.gz"])
def test_a_file_that_changes_while_it_is_read_is_refused_and_not_cached(
    tmp_path, monkeypatch, name
):
    monkeypatch.setenv("SEQCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("seqcli.data.files.loading.LARGE", 1)
    before, after = (
        (b'[{"source": "a", "target": "b"}]', b'[{"source": "x", "target": "y"}]')
        if name.endswith("json")
        else (TEXT, b"x\ty\n" * 50)
    )
    pack = gzip.compress if name.endswith("gz") else bytes
    path = tmp_path / name
    path.write_bytes(pack(before))
    encode = FileEncoder.encode

    def written_meanwhile(self, paths, split):
        path.write_bytes(pack(after))
        return encode(self, paths, split)

    monkeypatch.setattr(FileEncoder, "encode", written_meanwhile)
    with pytest.raises(DataError, match="changed while it was read"):
        corpus(DataConfig(train_file=str(path)), {})
    monkeypatch.setattr(FileEncoder, "encode", encode)
    made = corpus(DataConfig(train_file=str(path)), {})
    assert made.provenance.sha256 == digest(path)
    first = made.splits["train"]
    assert made.codec.source_text(first.sources[0].tolist()) == "x"


LONG = "".join(f"w{number}\tp{number}\n" for number in range(20_000))  # more than one buffer


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.tsv", LONG, {"columns": "source=wrod,target=pron"}),
        ("a.tsv.gz", LONG, {"columns": "source=wrod,target=pron"}),
        ("a.tsv", "a\tb\n\n" + LONG, {"strict": True}),
        ("a.csv", 'a,"b\n' + LONG, {}),
        ("a.jsonl", "[1]\n" * 20_000, {"columns": "source=1,target=2"}),
        ("a.tsv", "a b\n" * 20_000, {}),
    ],
)
def test_a_file_is_closed_when_reading_is_given_up(tmp_path, name, text, options):
    path, raw = tmp_path / name, text.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    with pytest.raises((DataError, UsageError)) as caught:
        corpus(DataConfig(path=str(path), **options), {})
    assert path not in open_files(), caught.tb  # which refers to the readers
