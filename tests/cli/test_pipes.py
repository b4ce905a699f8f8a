"""Real processes at the end of real pipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SEQCLI = f"{sys.executable} -m seqcli"
ROOT = Path(__file__).parents[2]


def shell(line: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (f"{SEQCLI} tasks | true", 141, ""),
        (f"{SEQCLI} tasks > /dev/full", 6, "no space left"),
        (f"{SEQCLI} tasks --json > /dev/full", 6, "no space left"),
        (f"{SEQCLI} --help > /dev/full", 6, "no space left"),
        (f"{SEQCLI} tasks 2> /dev/full", 0, ""),
        (f"{SEQCLI} tasks >&-", 0, ""),
        (f"{SEQCLI} tasks 2>&-", 0, ""),
        (f"{SEQCLI} --help | true", 141, ""),
        (f"{SEQCLI} predict --ckpt no-such-run <&-", 2, "no input"),
    ],
)
def test_a_closed_or_full_stream_never_ends_in_a_traceback(line, code, told):
    found, _, err = shell(line)
    assert found == code, err
    assert told in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


WORK = """
S="{seqcli}"; TINY="--backend numpy --hidden 4 --threads 1"
printf 'abc\\nbcd\\ncda\\ndab\\nabd\\nacd\\n' > names.txt
($S train --data names.txt --epochs 3 $TINY --out a --json; echo $? > a.code) 2>&1 | true
$S train --data names.txt --epochs 3 $TINY --out c --json >/dev/full 2>c.err; echo $? > c.code
($S sample --ckpt a --n 20000; echo $? > d.code) 2>d.err | head -n 1 > d.out
($S train --data names.txt --epochs 3 $TINY --out e; echo $? > e.code) >&- 2>&-
($S gen-data --task copy --train 5 --val 2 --test 2 --out f; echo $? > f.code) 2>&1 | true
"""


@pytest.mark.slow
def test_work_goes_on_when_nobody_reads_and_ends_with_its_own_code(tmp_path):
    script = WORK.format(seqcli=SEQCLI)
    path = {"PYTHONPATH": str(ROOT)}
    subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=os.environ | path, timeout=240, check=True
    )
    codes = {name: int((tmp_path / f"{name}.code").read_text()) for name in "acdef"}
    assert codes == {"a": 0, "c": 6, "d": 141, "e": 0, "f": 0}
    for run in "ace":
        assert (tmp_path / run / "best.pt").exists()
        assert len((tmp_path / run / "metrics.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / "f" / "train.tsv").exists()
    assert (tmp_path / "d.out").read_text().count("\n") == 1
    assert (tmp_path / "d.err").read_text() == ""
    *_, error, _ = (tmp_path / "c.err").read_text().splitlines()
    assert error.startswith("error: cannot write to stdout: no space left")


def test_json_is_one_document_for_the_next_program():
    code, out, _ = shell(f"{SEQCLI} tasks --json | {sys.executable} -m json.tool")
    assert code == 0
    assert json.loads(out)["tasks"]


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "20"}])
def test_off_a_terminal_there_are_no_control_codes_and_nothing_is_cut(environment):
    code, out, err = shell(f"{SEQCLI} tasks", **environment)
    assert code == 0
    assert "\x1b" not in out + err
    assert "…" not in out
    assert "3 1 4 1 5 -> 5 1 4 1 3" in out


def test_a_narrow_encoding_is_no_reason_to_crash():
    code, out, _ = shell(f"{SEQCLI} tasks", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert code == 0
    assert out.isascii()
