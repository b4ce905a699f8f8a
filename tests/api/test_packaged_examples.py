"""The files that come with seqcli: presets train, data is reproducible, all can be copied."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from thorough import mostly_slow

import seqcli
from seqcli import api
from seqcli.cli import app, spelling
from seqcli.config.examples import Example
from seqcli.errors import UsageError

HOME = Path(seqcli.__file__).parent.parent / "examples"
PRESETS = [one for one in api.examples() if one.kind == "preset"]
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

each = pytest.mark.parametrize("preset", mostly_slow(PRESETS, 4), ids=lambda one: one.name)


@each
def test_a_preset_trains_by_name_from_anywhere(
    preset: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = dict(LITTLE)
    if "task" not in yaml.safe_load(preset.path.read_text("utf-8"))["data"]:
        (tmp_path / "pairs.tsv").write_text(PAIRS)
        flags |= {"data": str(tmp_path / "pairs.tsv"), "train_rows": None, "val_rows": None}
    run = seqcli.train(preset.name, out=tmp_path / "run", **flags)
    assert len(run.finished.history) == 1
    if run.config.train.backend == "torch":
        assert (run.path / "best.pt").exists()


@each
def test_the_commands_of_a_preset_can_be_typed(preset: Example) -> None:
    text = preset.path.read_text("utf-8")
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("#   seqcli ")]
    assert lines[0].startswith(f"seqcli train --config {preset.name}")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in lines:
        _, name, *words = shlex.split(re.split(r" {3,}", line)[0])
        commands[name].make_context(name, spelling.with_implied_values([name, *words])[1:])


def test_every_file_of_the_folder_is_an_example() -> None:
    examples = api.examples()
    files = {*HOME.glob("*.yaml"), *HOME.glob("data/*.t*")} - {HOME / "data" / "LICENSE.txt"}
    assert {one.path for one in examples} == files
    assert len({one.name for one in examples}) == len(examples)
    assert all(20 < len(one.about) < 110 for one in examples)


def test_the_data_files_are_what_the_script_writes() -> None:
    contents = runpy.run_path(str(HOME / "make_data.py"))["contents"]()
    assert {one.name for one in api.examples() if one.kind == "data"} == set(contents)
    for name, text in contents.items():
        assert (HOME / "data" / name).read_text("utf-8") == text


@pytest.mark.parametrize("name", ["pairs.tsv", "names", "core", "suite_core.yaml"])
def test_an_example_is_copied_and_never_over_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy = api.copy_example(name)
    assert (tmp_path / copy).stat().st_size > 100
    for out in (None, copy, tmp_path):
        with pytest.raises(UsageError, match="already exists"):
            api.copy_example(name, out)
    assert api.copy_example(name, "other").read_bytes() == copy.read_bytes()


def test_an_unknown_example_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        api.copy_example("pairs")
    assert caught.value.hint == "did you mean pairs.tsv?"
