"""What a command loads before it does anything: help and gen-data never wait for torch."""

import ast
import os
import subprocess
import sys

import pytest
from source import modules

HEAVY = {"torch", "pydantic", "matplotlib", "tensorboard"}
LISTING = (
    "import sys\n"
    "from seqcli.cli import app, shell\n"
    "try:\n"
    "    shell.run(app, sys.argv[1:])\n"
    "finally:\n"
    "    print('loaded:', *sys.modules, file=sys.__stderr__)\n"
)


def loaded(*words: str, cwd: object = None, **environment: str) -> tuple[set[str], str]:
    """Return the top-level modules a command loads, and its stdout."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    *_, last = done.stderr.splitlines()
    assert last.startswith("loaded:"), done.stderr
    return {name.partition(".")[0] for name in last.split()[1:]}, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("train", "--help"),
        ("--version",),
        ("train", "--task", "revers"),
        ("trian",),
    ],
    ids=" ".join,
)
def test_help_and_slips_of_the_keyboard_load_nothing_heavy(words):
    found, _ = loaded(*words)
    slips = {"numpy"} if "revers" in words else set()
    assert not found & (HEAVY | {"numpy"}) - slips


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("seqcli tr", {"train"}),
        ("seqcli train --cell g", {"gru"}),
        ("seqcli train --he", {"--heads", "--help", "--help-all"}),
    ],
)
def test_completion_knows_names_and_loads_nothing_heavy(typed, completed):
    last = str(len(typed.split()) - 1)
    found, out = loaded(_SEQCLI_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=last)
    assert set(out.split()) == completed
    assert not found & (HEAVY | {"numpy"})


def test_gen_data_and_tasks_run_without_torch(tmp_path):
    words = ("gen-data", "--task", "copy", "--out", "data", "--train", "20", "--val", "5")
    found, _ = loaded(*words, "--test", "5", cwd=tmp_path)
    assert (tmp_path / "data" / "meta.yaml").exists()
    assert "numpy" in found
    assert not found & HEAVY
    assert not loaded("tasks")[0] & HEAVY


def test_scoring_a_file_of_predictions_runs_without_torch(tmp_path):
    (tmp_path / "theirs.tsv").write_text("ab\tx y\tx\n")
    found, out = loaded("eval", "--score", "theirs.tsv", cwd=tmp_path)
    assert "sequence accuracy" in out
    assert not found & HEAVY


def test_the_package_alone_loads_nothing():
    code = "import sys, seqcli; seqcli.__version__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {name.partition(".")[0] for name in done.stdout.split()}
    assert not found & (HEAVY | {"numpy", "yaml", "typer", "rich"})


NEWER = {  # names that Python 3.10 does not have, of modules that it has
    "typing": {"Self", "Never", "LiteralString", "NotRequired", "Required", "assert_never"},
    "enum": {"StrEnum"},
    "datetime": {"UTC"},
}


def test_nothing_newer_than_python_3_10_is_imported() -> None:
    newer = [
        f"{module.name}: {node.module}.{one.name}"
        for module in modules()
        for node in module.tree.body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if one.name in NEWER.get(node.module or "", set())
    ]
    assert newer == []
