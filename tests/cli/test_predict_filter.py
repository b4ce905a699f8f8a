"""`predict` as a filter: what comes in line by line goes out line by line."""

import gzip
import io
import json
import os
import sys
import threading

import pytest

from seqcli.cli import app, lines, shell
from seqcli.data.files import streams
from seqcli.errors import DataError
from seqcli.report.console import Out
from seqcli.results import Candidate, NextToken, Prediction


class Backwards:
    """Answers lines with themselves backwards; z is unknown, and 13 cannot be answered."""

    def __init__(self, nbest=1):
        self.nbest, self.blocks, self.tokens = nbest, [], ()

    def predict(self, block, first=1):
        self.blocks.append(list(block))
        for number, line in enumerate(block, first):
            if line == "13":
                raise DataError(f"line {number} has more symbols than this model")
            texts = [line[::-1] + "!" * n for n in range(self.nbest)] if line else []
            found = tuple(Candidate(text, -2.0, -0.5, tokens=self.tokens) for text in texts)
            yield Prediction(line, found, ("z",) if "z" in line else ())


@pytest.fixture
def predictor(monkeypatch):
    made = Backwards()

    def opened(ckpt, *, nbest, **options):
        made.nbest = nbest
        return made

    monkeypatch.setattr("seqcli.api.open_predictor", opened, raising=False)
    return made


def run(capsys, *words):
    code = shell.run(app, ("predict", "--ckpt", "c", *map(str, words)))
    return code, *capsys.readouterr()


def type_in(monkeypatch, raw):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))


def test_a_line_for_each_line_whatever_they_are(capsys, monkeypatch, predictor):
    type_in(monkeypatch, "\ufeffab\r\n\n \tc\nab\n\nü\x85xy\u2028".encode())
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out == "ba\n\nc\\t \nba\n\n\u2028yx\x85ü\n"


@pytest.mark.parametrize("raw", [b"", b"\n", b"\n\n", b"a", b"a\n", b"a\n\n"])
def test_as_many_lines_out_as_in(capsys, monkeypatch, predictor, raw):
    type_in(monkeypatch, raw)
    assert run(capsys)[1] == (raw if raw.endswith(b"\n") or not raw else raw + b"\n").decode()


def test_packed_in_and_out(capsys, monkeypatch, tmp_path, predictor):
    source, found = tmp_path / "in.gz", tmp_path / "out.gz"
    source.write_bytes(gzip.compress(b"ab\ncd\n"))
    code, out, err = run(capsys, "--input", source, "--out", found)
    assert (code, out) == (0, "")
    assert gzip.decompress(found.read_bytes()) == b"ba\ndc\n"
    assert f"{found}: 2 lines" in err
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in.gz", "out.gz"]
    type_in(monkeypatch, gzip.compress(b"ab\n")[:-9])
    code, out, err = run(capsys)
    assert code == 3
    assert "error: stdin: its gzip data is truncated or damaged" in err


def test_a_file_is_never_overwritten_unless_told(capsys, tmp_path, predictor):
    found = tmp_path / "out.txt"
    found.write_text("mine")
    code, _, err = run(capsys, "ab", "--out", found)
    assert (code, found.read_text()) == (2, "mine")
    assert "already exists" in err
    assert run(capsys, "ab", "--out", found, "--force")[0] == 0
    assert found.read_text() == "ba\n"
    assert run(capsys, "ab", "--out", tmp_path / "no" / "out.txt")[0] == 2
    assert run(capsys, "ab", "--out", tmp_path / "x", "--json")[0] == 2


def test_an_error_while_answering_ends_the_run_after_the_lines_before_it(
    capsys, monkeypatch, tmp_path, predictor
):
    raw = b"ab\n\ncd\n13\nef\n"
    type_in(monkeypatch, raw)
    code, out, err = run(capsys)
    assert (code, out) == (3, "ba\n\ndc\n")
    assert "line 4" in err
    type_in(monkeypatch, raw)
    found = tmp_path / "out.txt"
    code, _, err = run(capsys, "--out", found)
    assert (code, found.exists()) == (3, False)
    assert (tmp_path / "out.txt.partial").read_text() == "ba\n\ndc\n"
    assert "out.txt.partial has the first 3 predictions" in err


BAD = {
    "bad UTF-8": b"\xff",
    "a NUL": b"a\0b",
    "two megabytes": b"x" * 2_000_000,
}


@pytest.mark.parametrize("bad", BAD)
def test_a_line_that_cannot_be_answered_is_named_and_the_others_are_answered(
    capsys, monkeypatch, tmp_path, predictor, bad
):
    raw = b"ab\n\ncd\n" + BAD[bad] + b"\nef\n"
    type_in(monkeypatch, raw)
    code, out, err = run(capsys)
    assert (code, out) == (3, "ba\n\ndc\n\nfe\n")
    assert "warning: line 4 has no prediction: " in err
    assert "error: 1 of 5 lines has no prediction" in err
    type_in(monkeypatch, raw)
    found = tmp_path / "out.txt"
    assert run(capsys, "--out", found)[0] == 3
    assert found.read_text() == "ba\n\ndc\n\nfe\n"
    type_in(monkeypatch, raw)
    code, out, _ = run(capsys, "--json")
    told = json.loads(out)["predictions"]
    assert (code, len(told), bool(told[3]["problem"])) == (3, 5, True)


def test_many_lines_without_an_answer_are_counted(capsys, monkeypatch, predictor):
    type_in(monkeypatch, b"\xff\nab\n" * 30)
    code, out, err = run(capsys)
    assert (code, out) == (3, "\nba\n" * 30)
    assert err.count("has no prediction: ") == 10
    assert "30 of 60 lines have no prediction" in err


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"ab\rcd\ref", "stdin, line 1: lines end in CR alone"),
        (b"ab\rcd\r" * 400_000, "stdin, line 1: lines end in CR alone"),
        ("ab\ncd\n".encode("utf-16-le"), "stdin is UTF-16 text"),
        ("ab\ncd\n".encode("utf-16"), "stdin is UTF-16 text"),
        (b"%PDF-1.7\nab\n", "stdin is a PDF"),
        (
            gzip.compress(gzip.compress(b"ab\n", mtime=0), mtime=0),
            "stdin is packed with gzip twice",
        ),
        (b"\0" * 300_000, "stdin is binary"),
    ],
)
def test_what_training_refuses_is_refused(capsys, monkeypatch, predictor, raw, message):
    type_in(monkeypatch, raw)
    code, out, err = run(capsys)
    assert (code, out) == (3, "")
    assert message in err
    assert "hint: " in err


def test_long_lines_are_not_kept_in_memory(monkeypatch):
    piece = b"x" * (1 << 20)
    kept = []

    class Endless(io.RawIOBase):
        def __init__(self):
            self.left = 40

        def readable(self):
            return True

        def readinto(self, buffer):
            self.left -= 1
            taken = piece[: len(buffer)] if self.left > 0 else b"\nab\n" * (self.left == 0)
            buffer[: len(taken)] = taken
            return len(taken)

    monkeypatch.setattr(streams, "_decoded", lambda raw, cut: kept.append(len(raw)) or [(raw, cut)])
    list(streams.line_blocks(io.BufferedReader(Endless()), "stdin"))
    assert max(kept) < 3 * len(piece)


def test_devices_and_folders_are_no_input(capsys, tmp_path, predictor):
    for path, message in ((tmp_path, "is a folder"), ("/dev/zero", "is a device")):
        code, out, err = run(capsys, "--input", path)
        assert (code, out) == (3, "")
        assert message in err
    assert run(capsys, "--input", "/dev/null")[:2] == (0, "")
    assert run(capsys, "--input", tmp_path / ("x" * 400))[0] == 3


def test_unknown_symbols_are_told_then_counted(capsys, monkeypatch, predictor):
    type_in(monkeypatch, b"z1\nab\n" * 30)
    _, out, err = run(capsys)
    assert len(out.splitlines()) == 60
    told = err.splitlines()
    assert told[0] == "note: line 1: unknown tokens: z"
    assert told[9] == "note: line 19: unknown tokens: z"
    assert told[10:] == [
        "note: there are more such lines; they are counted",
        "note: 30 of 60 lines have unknown tokens, by number of lines: z (30)",
    ]
    type_in(monkeypatch, b"z1\n")
    assert run(capsys, "--quiet")[2] == ""


def test_log_probabilities_and_scores(capsys, predictor):
    words = ("ab", "", "--nbest", 2)
    assert run(capsys, *words)[1] == "ba\tba!\n\n"
    assert run(capsys, *words, "--logprob")[1] == "ba\t-2.0000\tba!\t-2.0000\n\n"
    assert run(capsys, *words, "--scores")[1] == "ba\t-0.5000\tba!\t-0.5000\n\n"
    assert run(capsys, "ab", "--scores", "--logprob")[1] == "ba\t-2.0000\t-0.5000\n"


def test_an_answer_cannot_break_the_line_or_the_columns(capsys, predictor):
    words = ("ab\n", "c\td", "e\r", "\u200dü")
    assert run(capsys, *words)[1] == "\\nba\nd\\tc\n\\re\nü\u200d\n"


def test_what_is_there_is_answered_without_waiting_for_more(monkeypatch):
    read, write = os.pipe()
    with os.fdopen(read, closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        blocks = lines.read_blocks([], None, Out.standard(quiet=True))
        os.write(write, b"one\ntwo\nthr")
        assert next(blocks) == ["one", "two"]
        os.write(write, b"ee\n")
        assert next(blocks) == ["three"]
        os.write(write, b"four")
        os.close(write)
        assert list(blocks) == [["four"]]
    os.close(read)


def test_many_lines_come_in_large_blocks(monkeypatch):
    read, write = os.pipe()
    raw = b"".join(b"%d\n" % i for i in range(300_000))

    def send():
        with os.fdopen(write, "wb") as file:
            file.write(raw)

    sender = threading.Thread(target=send)
    with os.fdopen(read, closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        sender.start()
        blocks = list(lines.read_blocks([], None, Out.standard(quiet=True)))
        sender.join()
    os.close(read)
    assert [line for block in blocks for line in block] == raw.decode().split()
    assert len(blocks) < 40
    assert max(map(len, blocks)) < 100_000


def test_an_interrupt_leaves_a_file_that_says_it_is_part(capsys, monkeypatch, tmp_path, predictor):
    def interrupted():
        yield ["ab"]
        raise KeyboardInterrupt

    monkeypatch.setattr("seqcli.cli.predict.read_blocks", lambda *_: interrupted())
    found = tmp_path / "out.txt"
    assert run(capsys, "--out", found)[0] == 130
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["out.txt.partial"]
    assert (tmp_path / "out.txt.partial").read_text() == "ba\n"


def test_json_is_written_as_answers_come_and_is_one_document(capsys, monkeypatch, predictor):
    out = []

    def blocks(*_):
        for line in ("ab", "cd"):
            yield [line]
            out.append(capsys.readouterr().out)

    monkeypatch.setattr("seqcli.cli.predict.read_blocks", blocks)
    code, rest, _ = run(capsys, "--json")
    assert code == 0
    assert '"ba"' in out[0]  # before the second line came
    told = json.loads("".join(out) + rest)["predictions"]
    assert [one["source"] for one in told] == ["ab", "cd"]


def test_json_is_whole_after_a_line_that_cannot_be_answered(capsys, monkeypatch, predictor):
    type_in(monkeypatch, b"ab\n13\n")
    code, out, err = run(capsys, "--json")
    assert (code, "line 2" in err) == (3, True)
    assert [one["source"] for one in json.loads(out)["predictions"]] == ["ab"]
    type_in(monkeypatch, b"")
    assert json.loads(run(capsys, "--json")[1]) == {"predictions": []}


def test_token_probabilities_are_a_column_of_lines_and_a_list_of_json(capsys, predictor):
    predictor.tokens = NextToken("b", 0.75), NextToken(None, 1.0)
    words = ("ab", "", "cd", "--token-probs", "--logprob", "--nbest", 2, "--quiet")
    cells = "\t-2.0000\t0.7500 1.0000"
    code, out, _ = run(capsys, *words)
    expected = "".join(
        f"{one}{cells}\t{one}!{cells}\n" if one else "\n" for one in ("ba", "", "dc")
    )
    assert (code, out) == (0, expected)
    documents = json.loads(run(capsys, *words, "--json")[1])["predictions"]
    tokens = [{"token": "b", "probability": 0.75}, {"token": None, "probability": 1.0}]
    assert documents[0]["candidates"][1]["tokens"] == tokens
    predictor.tokens = ()
    documents = json.loads(run(capsys, "ab", "--json")[1])["predictions"]
    assert "tokens" not in documents[0]["candidates"][0]
