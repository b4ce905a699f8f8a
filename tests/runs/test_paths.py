"""The file before is kept, and the best checkpoint is published, but never over a stranger's."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqcli.runs import RunPaths
from seqcli.runs.paths import digest, keep, may_publish, publish_best, write_marker


def test_the_last_is_kept_as_the_one_before(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    keep(run.last, run.previous)
    for text in ("1", "2", "3"):
        keep(run.last, run.previous)
        keep(run.last, run.previous)  # a process killed between the two left them one file
        temporary = tmp_path / "new"
        temporary.write_text(text)
        temporary.replace(run.last)
    assert (run.last.read_text(), run.previous.read_text()) == ("3", "2")
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "last.prev.pt"}


def test_a_disk_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    run = RunPaths(tmp_path)
    run.last.write_text("1")
    keep(run.last, run.previous)
    assert run.previous.read_text() == "1"
    assert not run.previous.samefile(run.last)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    made = RunPaths(tmp_path / "names", tmp_path / "names.pt")
    made.folder.mkdir()
    return made


def test_the_best_is_published_only_where_that_was_asked_for(run: RunPaths) -> None:
    assert run.extra_best is not None
    publish_best(run)
    assert not run.extra_best.exists()
    run.best.write_text("best")
    publish_best(RunPaths(run.folder))
    assert not run.extra_best.exists()
    publish_best(run)
    assert run.extra_best.read_text() == "best"
    before = run.extra_best.stat().st_ino
    publish_best(run)  # nothing to do
    assert run.extra_best.stat().st_ino == before


@pytest.mark.parametrize(
    ("there", "may"),
    [(None, True), ("best", True), ("the best before", True), ("replaced", True), ("mine", False)],
)
def test_only_files_of_the_run_are_replaced(there: str | None, may: bool, run: RunPaths) -> None:
    assert run.extra_best is not None
    run.extra_best.write_text("replaced")
    write_marker(run, digest(run.extra_best))
    run.best.write_text("best")
    run.best_previous.write_text("the best before")
    run.extra_best.unlink()
    if there is not None:
        run.extra_best.write_text(there)
    assert may_publish(run) is may


def test_a_run_from_elsewhere_does_not_replace_a_file_of_its_name(run: RunPaths) -> None:
    assert run.extra_best is not None
    run.extra_best.write_text("the user's")
    write_marker(run)
    assert not may_publish(run)
