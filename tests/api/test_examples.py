"""The files in examples: each one trains (a little, here), and the README tells what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

import seqcli
from seqcli.cli import app, shell

ROOT = Path(seqcli.__file__).parent.parent
EXAMPLES = [
    path
    for path in sorted((ROOT / "examples").glob("*.yaml"))
    if not path.match("suite_*") and path.name != "figures.yaml"
]
LITTLE = {
    "train_rows": 40,
    "val_rows": 8,
    "test_rows": 8,
    "hidden": 8,
    "steps": 1,
    "samples": 1,
    "threads": 1,
    "device": "cpu",
}
PAIRS = "".join(f"a{i}\tb {i} c\n" for i in range(40))

each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


@each
def test_it_trains(example: Path, tmp_path: Path) -> None:
    flags = dict(LITTLE)
    if "task" not in yaml.safe_load(example.read_text("utf-8"))["data"]:
        (tmp_path / "pairs.tsv").write_text(PAIRS)
        flags |= {"data": str(tmp_path / "pairs.tsv"), "train_rows": None, "val_rows": None}
    run = seqcli.train(example, out=tmp_path / "run", **flags)
    assert len(run.history) == 1
    if run.config.train.backend == "torch":
        assert (run.path / "best.pt").exists()


@each
def test_its_commands_can_be_typed(example: Path) -> None:
    text = example.read_text("utf-8")
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("#   seqcli ")]
    assert any(f"seqcli train --config examples/{example.name}" in line for line in lines)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in lines:
        _, name, *words = shlex.split(re.split(r" {3,}", line)[0])
        commands[name].make_context(name, shell.with_implied_values([name, *words])[1:])


@each
def test_the_readme_knows_it(example: Path) -> None:
    assert f"[{example.name}](examples/{example.name})" in (ROOT / "README.md").read_text("utf-8")
