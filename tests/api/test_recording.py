"""The commit protocol: stopped dead at any step of a commit, a run continues as one piece."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from thorough import mostly_slow

import seqcli
from seqcli.api import recording
from seqcli.api.planned_runs import cached_result
from seqcli.checkpoints import numpy_file
from seqcli.errors import CheckpointError, Exit, MachineError
from seqcli.events import EpochEnded
from seqcli.runs import RunPaths, metrics_log
from seqcli.training.progress import EpochRecord, Progress, progress_of

TINY = {
    "task": "names",
    "backend": "numpy",
    "cell": "rnn",
    "hidden": 8,
    "train_rows": 200,
    "val_rows": 40,
    "test_rows": 10,
    "samples": 0,
    "batch_size": 50,
    "schedule": "constant",
}
EPOCHS = 4


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: it is slow, and no part of a commit."""
    monkeypatch.setattr("seqcli.api.training.draw_curves", lambda *_: None)


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def train(out: Path, epochs: int = EPOCHS, **options: Any) -> seqcli.Run:
    return seqcli.train(**{**TINY, "epochs": epochs, "out": out, **options})


def resume(run: Path, epochs: int = EPOCHS, **options: Any) -> seqcli.Run:
    return seqcli.train(resume=run, epochs=epochs, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Return a run that nothing disturbed; every epoch of it is the best so far."""
    folder = tmp_path_factory.mktemp("whole")
    run = train(folder / "names.pt")
    assert run.finished.best_epoch == EPOCHS
    return RunPaths(run.path, folder / "names.pt")


def copy_of(run: RunPaths, to: Path) -> RunPaths:
    shutil.copytree(run.folder, to / run.folder.name)
    shutil.copy(run.extra_best, to)
    return RunPaths(to / run.folder.name, to / run.extra_best.name)


def rows(run: RunPaths) -> dict[int, dict[str, float]]:
    found = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return {row.pop("epoch"): row for row in found}


def check_of_one_piece(run: RunPaths) -> None:
    """Check that best, last, metrics and the published file tell one story."""
    last = numpy_file.load(run.last)
    progress, history = progress_of(last.training), rows(run)
    assert list(history) == list(range(1, progress.epoch))
    best = numpy_file.load(run.best).metrics
    number = int(best["epoch"])
    assert number == progress.best_epoch
    assert history[number]["improved"] is True
    assert {**history[number], "epoch": number} == progress.best.to_plain()
    assert {name: history[number][name] for name in best if name != "epoch"} == {
        name: value for name, value in best.items() if name != "epoch"
    }
    if run.extra_best is not None:
        assert run.extra_best.read_bytes() == run.best.read_bytes()


def save_progress(run: RunPaths, progress: Progress) -> None:
    """Put other progress into ``last.pt``."""
    last = numpy_file.load(run.last)
    training = {**last.training, "progress": progress.to_plain()}
    numpy_file.save(run.last, replace(last, training=training))


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = numpy_file.load(one).weights, numpy_file.load(other).weights
    return all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def nth(call: int, function: Callable[..., Any], after: bool) -> Callable[..., Any]:
    """Return a function that dies at one of its calls, before or after it does its work."""
    count = 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == call and not after:
            raise Killed
        found = function(*args, **options)
        if count == call:
            raise Killed
        return found

    return dying


STEPS = {
    "keep last": (recording, "keep", 3, False),  # calls: last, best, last, best ...
    "write last": (numpy_file, "write_plain", 3, True),  # written, but not put in place
    "log": (recording, "append_metrics", 2, False),
    "keep best": (recording, "keep", 4, False),
    "write best": (numpy_file, "write_plain", 4, True),
    "publish": (recording, "publish_best", 3, False),  # one call when the run begins
    "report": (recording, "publish_best", 3, True),
}


@pytest.mark.parametrize("step", mostly_slow(tuple(STEPS), 3))
def test_a_run_killed_within_a_commit_continues_bit_for_bit(
    step: str, whole: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, call, after = STEPS[step]
    run = RunPaths(tmp_path / "names", tmp_path / "names.pt")
    with monkeypatch.context() as patch:
        patch.setattr(module, name, nth(call, getattr(module, name), after))
        with pytest.raises(Killed):
            train(run.extra_best)
    resume(run.folder)
    check_of_one_piece(run)
    for ours, theirs in ((run.last, whole.last), (run.best, whole.best)):
        assert same_weights(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("step", mostly_slow(tuple(STEPS), 3))
def test_with_another_rate_the_best_is_still_of_an_epoch_of_this_history(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, call, after = STEPS[step]
    run = RunPaths(tmp_path / "names", tmp_path / "names.pt")
    with monkeypatch.context() as patch:
        patch.setattr(module, name, nth(call, getattr(module, name), after))
        with pytest.raises(Killed):
            train(run.extra_best)
    resume(run.folder, lr=0.5)  # so bad that nothing improves from here
    check_of_one_piece(run)


def test_an_epoch_is_on_the_disk_when_it_is_reported(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "names", tmp_path / "names.pt")
    reported = []

    def listen(event: object) -> None:
        if isinstance(event, EpochEnded):
            reported.append(event.epoch)
            assert list(rows(run))[-1] == event.epoch
            check_of_one_piece(run)

    train(run.extra_best, listen=listen)
    assert reported == [1, 2, 3, 4]


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_damaged_last_goes_back_with_the_best_that_belongs_to_it(
    whole: RunPaths, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path)
    damage(run.last)
    resume(run.folder, lr=0.5)
    check_of_one_piece(run)
    assert run.damaged.exists()
    assert numpy_file.load(run.best).metrics["epoch"] == EPOCHS - 1


@pytest.mark.parametrize("what", ["lost", "damaged", "another's"])
def test_a_best_that_is_lost_is_written_again_or_chosen_anew(
    what: str, whole: RunPaths, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path)
    last = numpy_file.load(run.last)
    if what == "lost":
        run.best.unlink()
    elif what == "damaged":
        damage(run.best)
    else:
        metrics = {**numpy_file.load(run.best).metrics, "val_loss": 0.1}
        numpy_file.save(run.best, replace(numpy_file.load(run.best), metrics=metrics))
    resume(run.folder)  # the last epoch is the best: its weights are there
    check_of_one_piece(run)
    run.best.unlink()
    run.best_previous.unlink()
    progress = progress_of(last.training)
    progress.best = replace(progress.last, epoch=2)
    save_progress(run, progress)
    notes: list[str] = []
    resume(run.folder, EPOCHS + 1, listen=lambda event: notes.extend(getattr(event, "notes", ())))
    assert any("best.pt is missing or damaged" in note for note in notes)
    check_of_one_piece(RunPaths(run.folder))


def test_a_published_file_that_the_user_replaced_is_left_alone(
    whole: RunPaths, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path)
    run.extra_best.write_text("thesis")
    notes: list[str] = []
    resume(run.folder, EPOCHS + 1, listen=lambda event: notes.extend(getattr(event, "notes", ())))
    assert run.extra_best.read_text() == "thesis"
    assert any("names.pt was not written by this run" in note for note in notes)


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_without_its_metrics_a_run_continues_bit_for_bit(
    how: str, whole: RunPaths, tmp_path: Path
) -> None:
    run = RunPaths(train(tmp_path / "run", EPOCHS - 1).path)
    if how == "damaged":
        run.metrics.write_bytes(b"\x00garbage\n" + run.metrics.read_bytes()[40:])
    else:
        run.metrics.unlink()
    notes: list[str] = []
    finished = resume(
        run.folder, listen=lambda event: notes.extend(getattr(event, "notes", ()))
    ).finished
    assert same_weights(run.last, whole.last)
    assert sum("metrics.jsonl lacks" in note for note in notes) == 1
    assert (finished.epochs, finished.best_epoch) == (EPOCHS, EPOCHS)
    assert len(finished.history) == EPOCHS
    assert (how == "damaged") == run.damaged_metrics.exists()
    assert list(rows(run))[-2:] == [EPOCHS - 1, EPOCHS]


def test_a_full_disk_leaves_a_run_that_continues_bit_for_bit(
    whole: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    real = numpy_file.write_plain

    def fill_the_disk(file: Any, plain: object) -> None:
        nonlocal written
        written += 1
        if written == 5:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, plain)

    run = RunPaths(tmp_path / "names", tmp_path / "names.pt")
    with monkeypatch.context() as patch:
        patch.setattr(numpy_file, "write_plain", fill_the_disk)
        with pytest.raises(MachineError, match="No space left") as caught:
            train(run.extra_best)
    assert caught.value.exit_code is Exit.MACHINE
    assert not list(tmp_path.rglob("*.tmp"))
    check_of_one_piece(run)
    resume(run.folder)
    assert same_weights(run.last, whole.last)


def test_a_full_disk_at_the_metrics_costs_nothing(
    whole: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunPaths(tmp_path / "names", tmp_path / "names.pt")

    def half(path: Path, record: Any) -> NoReturn:
        with path.open("ab") as file:
            file.write(metrics_log._line(record)[:50])
        raise MachineError("full")

    with monkeypatch.context() as patch:
        patch.setattr(recording, "append_metrics", half)
        with pytest.raises(MachineError):
            train(run.extra_best)
    resume(run.folder)
    check_of_one_piece(run)
    assert same_weights(run.last, whole.last)


def test_weights_for_use_are_nothing_to_resume_from(whole: RunPaths, tmp_path: Path) -> None:
    run = copy_of(whole, tmp_path)
    shutil.copy(run.best, run.last)
    run.previous.unlink()
    with pytest.raises(CheckpointError, match="no training state to resume from"):
        resume(run.folder)


LONG = 100_000


@pytest.mark.slow
def test_a_history_of_a_hundred_thousand_epochs_is_resumed_and_saved_at_constant_cost(
    whole: RunPaths, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path)
    last = numpy_file.load(run.last)
    row = rows(run)[EPOCHS]
    lines = (json.dumps({"epoch": n, **row, "improved": n == 7}) for n in range(1, LONG + 1))
    run.metrics.write_text("\n".join(lines) + "\n")
    scores = {name: value for name, value in row.items() if name not in ("step", "improved")}
    progress = progress_of(last.training)
    progress.epoch, progress.step = LONG + 1, LONG * 4
    progress.last = EpochRecord(LONG, LONG * 4, scores, False)
    progress.best = EpochRecord(7, 28, scores, True)
    best = replace(numpy_file.load(run.best), metrics={"epoch": 7, **scores})
    numpy_file.save(run.best, best)
    shutil.copy(run.best, run.extra_best)
    save_progress(run, progress)
    before = run.metrics.stat().st_size
    sizes = []

    def listen(event: object) -> None:
        if isinstance(event, EpochEnded):
            sizes.append((run.last.stat().st_size, run.metrics.stat().st_size))

    finished = resume(run.folder, LONG + 2, listen=listen).finished
    assert (finished.epochs, len(finished.history)) == (LONG + 2, LONG + 2)
    assert all(abs(size - whole.last.stat().st_size) < 2000 for size, _ in sizes)
    assert sizes[1][1] - before < 2 * 1000  # two lines more, and no other change
    assert cached_result(run.folder) is None


@pytest.mark.slow
def test_a_comparison_does_not_need_the_metrics_of_a_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {key: value for key, value in TINY.items() if key != "cell"}
    options = {**settings, "cells": ["rnn"], "seeds": 1, "match": "none", "epochs": 1}
    first = seqcli.compare(out=tmp_path / "c", **options)
    (result,) = first.arms[0].results
    run = RunPaths(tmp_path / "c" / result.run)
    for content in (None, "garbage\n"):
        run.metrics.unlink(missing_ok=True)
        if content:
            run.metrics.write_text(content)
        assert cached_result(run.folder) == result
    run.result.unlink()
    again = seqcli.compare(out=tmp_path / "c", **options)
    assert again.arms[0].results[0].metrics == result.metrics
