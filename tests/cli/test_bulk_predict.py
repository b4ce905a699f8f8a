"""`predict --out FOLDER/`: real processes, really killed, and the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import seqcli
from seqcli.cli import app, shell

# Logs the process and the part of every call; the first call for part 2 kills its process.
PLUGIN = """
import functools, os, signal
from pathlib import Path
from seqcli.api import bulk_parts

plain, log = bulk_parts.answer_part, Path(__file__).with_name("answered.txt")

@functools.wraps(plain)
def answer_part(job, folder, part):
    before = log.read_text() if log.exists() else ""
    with log.open("a") as file:
        file.write(f"{os.getpid()} {part.index}\\n")
    if part.index == 2 and " 2\\n" not in before:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(job, folder, part)

bulk_parts.answer_part = answer_part
"""


def run(capsys, *words):
    code = shell.run(app, ("predict", "--ckpt", "c", *map(str, words)))
    return code, *capsys.readouterr()


def test_options_that_do_not_fit_are_refused(capsys, tmp_path):
    folder = f"{tmp_path}/out/"
    for words, message in (
        (("--input", "x", "--jobs", 2), "--jobs needs a folder of predictions"),
        (("--input", "x", "--part-size", 2, "--out", "x.txt"), "--part-size needs a folder"),
        (("ab", "--out", folder), "TEXT cannot be combined with a folder of predictions"),
        (("--input", "x", "--attention", "--out", folder), "--attention cannot be combined"),
        (("--out", folder), "predictions in a folder need --input FILE"),
        (("--input", "-", "--out", folder), "predictions in a folder need --input FILE"),
    ):
        code, out, err = run(capsys, *words)
        assert (code, out, message in err) == (2, "", True), err
    for path, message in ((tmp_path, "is a folder, not a file"), (tmp_path / "no", "not found")):
        code, out, err = run(capsys, "--input", path, "--out", folder)
        assert (code, out, message in err) == (3, "", True), err
    assert not (tmp_path / "out").exists()


def is_running(pid):
    """Return whether a process of Linux exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_killed_workers_and_commands_leave_no_trace_in_the_predictions(tmp_path):
    train = {"task": "copy", "cell": "gru", "hidden": 8, "epochs": 1, "threads": 1}
    rows = {"train_rows": 64, "val_rows": 8, "test_rows": 8}
    seqcli.train(**train, **rows, recipe="none", out=str(tmp_path / "model"))
    (tmp_path / "in.txt").write_text("".join(f"{i % 10} {i % 7}\n" for i in range(4000)))
    (tmp_path / "plugin.py").write_text(PLUGIN)
    words = [sys.executable, "-m", "seqcli", "predict", "--ckpt", "model", "--input", "in.txt"]
    words += ["--part-size", "200", "--out", "out/", "--jobs", "2"]

    def start():
        env = {**os.environ, "SEQCLI_PLUGINS": str(tmp_path / "plugin.py")}
        return subprocess.Popen(words, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)

    with start() as killed:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("out/parts/00000[3-9].json")) and time.monotonic() < until:
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        warnings = killed.communicate()[1]
    assert "part 3 (lines 401 to 600): its worker process died; retry 1 of 3" in warnings
    log = tmp_path / "answered.txt"
    workers = {int(line.split()[0]) for line in log.read_text().splitlines()}
    until = time.monotonic() + 30
    while any(map(is_running, workers)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(is_running, workers))
    with start() as again:
        assert "4,000 lines, " in again.communicate()[1]
        assert again.returncode == 0
    lines = (tmp_path / "in.txt").read_text().splitlines()
    undisturbed = seqcli.predict(tmp_path / "model", lines, backend="numpy")
    expected = "".join(f"{one.candidates[0].text}\n" for one in undisturbed)
    assert (tmp_path / "out" / "predictions.tsv").read_text() == expected
    answered = Counter(line.split()[1] for line in log.read_text().splitlines())
    assert set(answered) == {str(index) for index in range(20)}
    assert max(answered.values()) <= 3  # one more than the kills
