"""Any value for any option ends in a result or in one clear line, never in a traceback."""

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout

import command_lines
import pytest
from thorough import repeats

import seqcli
from seqcli.cli import app, shell
from seqcli.errors import Exit

# a command that fails leaves its input to the end of the process, which these tests outlive
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
LONGEST = 60  # seconds that a command line may take
CODES = set(Exit) - {Exit.BUG}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with two models and their data; home, cache and temporary files too."""
    root = tmp_path_factory.mktemp("fuzz")
    work = root / "work"
    work.mkdir()
    words = [f"{a}{b}" for a in "abcd" for b in "abcde"]
    (work / "names.txt").write_text("".join(f"{word}\n" for word in words))
    (work / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    (work / "answers.tsv").write_text("".join(f"{w}\t{w}\t{w[::-1]}\n" for w in words))
    small = {"epochs": 1, "hidden": 4, "threads": 1}
    pairs, names = str(work / "pairs.tsv"), str(work / "names.txt")
    seqcli.train(data=pairs, attention=True, embedding=4, out=work / "pairs", **small)
    seqcli.train(data=names, backend="numpy", out=work / "names", **small)
    patch = pytest.MonkeyPatch()
    patch.chdir(work)
    for name in ("HOME", "XDG_CACHE_HOME", "SEQCLI_CACHE", "TMPDIR", "MPLCONFIGDIR"):
        patch.setenv(name, str(work))
    yield root
    patch.undo()


def run(words: list[str]) -> tuple[int, str]:
    """Run a command line in this process; return its exit code and stderr."""

    def too_long(number, frame):
        raise AssertionError(f"more than {LONGEST} s")

    out, err = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(b"ab\n"))
    handler = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            return shell.run(app, words), err.getvalue()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        sys.stdin = before


def problem(words: list[str], root) -> str:
    """Return what is wrong with how a command line ends; "" if nothing is."""
    before = sorted(root.iterdir())
    code, err = run(words)
    last = err.strip().splitlines()[-4:]
    if code not in CODES or "Traceback" in err or "bug" in err:
        return f"exit {code}: {last}"
    if code and code < Exit.SIGHUP and not any(line.startswith("error: ") for line in last):
        return f"exit {code} without an error line: {last}"
    if any(not (one.isprintable() or one == "\n") for one in err):
        return f"control characters: {last}"
    if sorted(root.iterdir()) != before:
        return f"files outside the folder: {sorted(root.iterdir())}"
    return ""


def problems(lines, root):
    found = []
    for number, line in enumerate(lines):
        words = [word.replace("{out}", f"out-{number}") for word in line]
        what = problem(words, root)
        if what:
            found.append(f"{[word[:80] for word in words]}: {what}")
    return found


@pytest.mark.parametrize("name", command_lines.BASES)
def test_the_lines_that_are_varied_succeed(folder, name):
    words = [word.replace("{out}", f"base-{name}") for word in command_lines.BASES[name]]
    code, err = run(words)
    assert code == 0, err


@pytest.mark.slow
def test_some_command_lines(folder):
    assert problems(command_lines.some_lines(60, seed=1), folder) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 10))
def test_many_command_lines(folder, seed):
    assert problems(command_lines.some_lines(repeats(150, 50), seed), folder) == []
