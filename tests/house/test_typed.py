"""Every command line of README and guides is typed into a shell, outside the checkout."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_commands import PAGES, lines_of_page

pytestmark = pytest.mark.slow
SERVER = Path(__file__).parent / "command_server.py"
WORDS = [f"{a}{b}{c}" for a in "ptk" for b in "aeiou" for c in "mnrs"]
PAIRS = [f"{word}\t{' '.join(word.upper())}" for word in WORDS]


TYPED = [page for page in PAGES if lines_of_page(page)]
# Lines that take half a minute, or need a cluster or an extra; they have tests of their own.
LEFT_OUT = re.compile(r"--to onnx|--on |--search |--track ")
OURS = r"^xargs |(^|\| )seqcli (?!-)"


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def user_files(folder: Path) -> None:
    """Write the files that the pages suppose the reader to have."""
    thirds = [("train", PAIRS[:40]), ("dev", PAIRS[40:50]), ("test", PAIRS[50:])]
    for name in ("words.tsv", "dialect.tsv"):
        write(folder / name, PAIRS)
    for split, rows in thirds:
        for name in (f"{split}.tsv", f"folder/{split}.tsv", f"kor_{split}.tsv", f"dut_{split}.tsv"):
            write(folder / name, rows)
        swapped = ["\t".join([*reversed(row.split("\t")), "3"]) for row in rows]
        write(folder / f"ta.{split}.tsv", swapped)
        write(folder / f"inflection/{split}.tsv", [f"{row}\tN;PL" for row in rows])
    write(folder / "more_words.txt", [f"{word}a" for word in WORDS])
    (folder / "words.txt.gz").write_bytes(gzip.compress("\n".join(WORDS).encode()))


@pytest.fixture(scope="module")
def seqcli_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a program ``seqcli`` that starts at once."""
    folder = tmp_path_factory.mktemp("bin")
    command = [sys.executable, SERVER, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield folder
        server.kill()


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.stem)
def test_every_line_of_a_page_can_be_typed(
    page: Path, seqcli_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_files(tmp_path)
    monkeypatch.setenv("PATH", f"{seqcli_folder}{os.pathsep}{os.environ['PATH']}")
    for line in (line for line in lines_of_page(page, OURS) if not LEFT_OUT.search(line)):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, 141), f"{line}\n{done.stdout}\n{done.stderr}"
        assert not re.search(r"Traceback|^error:", done.stderr, re.MULTILINE), line


def test_the_program_of_the_python_guide_runs(tmp_path: Path) -> None:
    (page,) = (page for page in PAGES if page.stem == "python")
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    blocks = [block for block in blocks if "seqcli.compare(" not in block]  # workers start slowly
    program = tmp_path / "program.py"
    program.write_text("\n".join(["if __name__ == '__main__':", *map(indented, blocks)]), "utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=environment, timeout=280, check=True
    )


def indented(block: str) -> str:
    return "".join(f"    {line}\n" for line in block.splitlines())
