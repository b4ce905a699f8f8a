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
        (f"{SEQCLI} tasks | head -n 1", 0, ""),
        (f"{SEQCLI} tasks | true", 0, ""),
        (f"{SEQCLI} tasks > /dev/full", 1, "no space left"),
        (f"{SEQCLI} tasks --json > /dev/full", 1, "no space left"),
        (f"{SEQCLI} tasks >&-", 0, ""),
        (f"{SEQCLI} tasks 2>&-", 0, ""),
        (f"{SEQCLI} --help | head -n 1", 0, ""),
        (f"{SEQCLI} predict --ckpt no-such-run <&-", 2, "nothing to answer"),
    ],
)
def test_a_closed_or_full_stream_never_ends_in_a_traceback(line, code, told):
    found, _, err = shell(line)
    assert found == code, err
    assert told in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


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
