"""Bulk prediction: parts that are missing are answered, whatever happened before."""

import gzip
import io
import json
from concurrent.futures import BrokenExecutor, Future
from contextlib import nullcontext

import pytest

import seqcli
from seqcli import api
from seqcli.api import bulk_prediction
from seqcli.api.bulk_parts import MOST_CHARACTERS, cut_parts
from seqcli.data.files.streams import Unusable
from seqcli.errors import MachineError, UsageError
from seqcli.report import remarks
from seqcli.report.console import Out, console

LINES = [" ".join(str(n % 7) for n in range(i, i + 2 + i % 4)) for i in range(23)]


class InOrder:
    """Workers that call at once, in this process; the parts in ``dies`` kill some of them."""

    size, retries = 2, 3

    def __init__(self, dies=None):
        self.dies, self.answered = dict(dies or {}), []

    def submit(self, function, job, folder, part):
        future = Future()
        if self.dies.get(part.index, 0) > 0:
            self.dies[part.index] -= 1
            future.set_exception(BrokenExecutor())
            return future
        self.answered.append(part.index)
        future.set_result(function(job, folder, part))
        return future

    def is_death(self, error):
        return isinstance(error, BrokenExecutor)


@pytest.fixture
def bulk(runs, tmp_path, monkeypatch):
    """Return a function that predicts a file with parts of 5 lines, by these workers."""
    (tmp_path / "in.txt").write_text("\n".join(LINES) + "\n")

    def predict(workers=None, **options):
        opened = nullcontext(workers or InOrder())
        monkeypatch.setattr(bulk_prediction, "open_workers", lambda jobs, on: opened)
        given = {"data": tmp_path / "in.txt", "out": tmp_path / "out", "part_size": 5, **options}
        return api.predict_file(runs["gru"], given.pop("data"), given.pop("out"), **given)

    return predict


def expected(runs, lines=LINES, **options):
    return [
        one.candidates[0].text if one.candidates else ""
        for one in seqcli.predict(runs["gru"], lines, **options)
    ]


def test_the_parts_are_joined_in_order_and_removed(bulk, runs, tmp_path):
    result = bulk(workers := InOrder())
    assert result.path == tmp_path / "out" / "predictions.tsv"
    assert result.path.read_text().splitlines() == expected(runs)
    assert (result.lines, result.remarks.lines) == (23, 23)
    assert workers.answered == [0, 1, 2, 3, 4]
    left = {one.name for one in (tmp_path / "out").iterdir()}
    assert left == {".lock", "plan.json", "predictions.tsv", "remarks.json"}


def test_the_same_call_does_only_what_is_missing(bulk, runs, tmp_path):
    with pytest.raises(MachineError, match="1 of 5 parts") as caught:
        bulk(first := InOrder({2: 4}))
    assert "part 3 (lines 11 to 15)" in caught.value.message
    assert not (tmp_path / "out" / "predictions.tsv").exists()
    assert first.answered == [0, 1, 3, 4]
    (tmp_path / "out" / "parts" / "000003.json").unlink()  # as if killed between the two files
    result = bulk(second := InOrder(), part_size=None)
    assert second.answered == [2, 3]
    assert (result.lines, result.remarks.lines) == (10, 23)
    assert result.path.read_text().splitlines() == expected(runs)
    assert bulk(third := InOrder()).lines == 0
    assert third.answered == []


def test_a_part_whose_worker_dies_is_answered_again(bulk, runs):
    told = []
    workers = InOrder({1: 3, 4: 1})
    result = bulk(workers, watch=told.append)
    assert result.path.read_text().splitlines() == expected(runs)
    assert sorted(workers.answered) == [0, 1, 2, 3, 4]
    problems = [one.problem for one in told if one.problem]
    assert problems[-1] == "part 5 (lines 21 to 23): its worker process died; retry 1 of 3"
    assert len(problems) == 4
    last = told[-1]
    assert (last.lines, last.share, last.new_share) == (23, *[pytest.approx(1.0)] * 2)


def test_other_settings_are_refused(bulk):
    bulk()
    for change, message in (
        ({"beam": 3}, "with beam 1, not 3"),
        ({"logprob": True}, "with logprob False, not True"),
        ({"part_size": 7}, "with --part-size 5, not 7"),
    ):
        with pytest.raises(UsageError, match=message):
            bulk(**change)
    assert bulk(beam=3, force=True).lines == 23


def test_another_input_or_model_is_refused(bulk, runs, tmp_path):
    bulk()
    other = tmp_path / "in.txt"
    other.write_text(other.read_text())  # the same text at another time
    assert bulk().lines == 0
    other.write_text("3 1\n")
    with pytest.raises(UsageError, match=r"predictions for another input: .*in\.txt"):
        bulk()
    other.write_text("\n".join(LINES) + "\n")
    with pytest.raises(UsageError, match="predictions of another model"):
        api.predict_file(runs["transformer"], other, tmp_path / "out")


def test_a_folder_with_other_files_is_refused(bulk, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"other files, such as mine\.txt"):
        bulk(force=True)


def test_a_damaged_plan_is_refused(bulk, tmp_path):
    bulk()
    (tmp_path / "out" / "plan.json").write_text("{")
    with pytest.raises(UsageError, match=r"plan\.json is damaged"):
        bulk()


def test_remarks_are_the_same_however_the_input_is_cut(bulk, runs, tmp_path):
    lines = ["z 1", "", "1 2", "\0", "z y", "9 " * 2000, "1\t2"] * 3
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    told = []
    for size in (2, 100):
        result = bulk(part_size=size, force=True, out=tmp_path / f"out{size}")
        told.append(shown(result.remarks))
        assert (result.remarks.lines, result.remarks.failed) == (21, 6)
    assert told[0] == told[1]
    assert "warning: line 4 has no prediction: a NUL character" in told[0]
    assert "note: line 1: unknown tokens: z" in told[0]


def shown(some):
    stream = io.StringIO()
    with pytest.raises(seqcli.errors.DataError, match="6 of 21 lines have no prediction"):
        some.show(Out(console(io.StringIO()), console(stream)))
    return stream.getvalue().splitlines()


def test_parts_are_cut_at_lines_and_know_their_share(tmp_path, monkeypatch):
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(b"a\n\xff\n\nb\r\nc"))
    parts = list(cut_parts(path, 2))
    assert [list(one.lines) for one in parts][1:] == [["", "b"], ["c"]]
    assert isinstance(parts[0].lines[1], Unusable)
    assert [(one.index, one.first) for one in parts] == [(0, 1), (1, 3), (2, 5)]
    assert parts[-1].share == 1.0
    monkeypatch.setattr("seqcli.api.bulk_parts.MOST_CHARACTERS", 3)
    path.write_bytes(b"aaaa\nbbbb\nc\n")
    assert [list(one.lines) for one in cut_parts(path, 9)] == [["aaaa"], ["bbbb"], ["c"]]
    assert MOST_CHARACTERS > 1_000_000
    path.write_bytes(b"")
    assert list(cut_parts(path, 2)) == []


def test_an_empty_input_gives_an_empty_file(bulk, tmp_path):
    (tmp_path / "in.txt").write_text("")
    assert bulk().path.read_bytes() == b""


def test_progress_says_lines_per_second_and_time_left():
    clock = iter([0.0, 5.0, 10.0, 12.0])
    stream = io.StringIO()
    out = Out(console(io.StringIO()), console(stream))
    with remarks.BulkView(out, lambda: next(clock)) as view:
        view(seqcli.events.PartsProgress(100, 0.6, 0.1))
        view(seqcli.events.PartsProgress(200, 0.7, 0.2))
        view(seqcli.events.PartsProgress(200, 0.7, 0.2, "part 1: lost"))
    first, second = stream.getvalue().splitlines()
    assert first == "70.0%, 200 lines, 20 lines/s, 15.0 s left"
    assert second == "warning: part 1: lost"


def test_a_plan_is_json_that_names_input_model_and_settings(bulk, tmp_path):
    bulk(beam=2)
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert plan["input"]["path"] == str(tmp_path / "in.txt")
    assert (plan["job"]["beam"], plan["job"]["backend"]) == (2, "numpy")
