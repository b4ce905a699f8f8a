"""Real processes, really killed while they write: gen-data, predict, export and the cache.

Kills come at random moments after a command has begun to write: 36 of them, 9 of each command. Two
of gen-data run in every test run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from thorough import repeats

import seqcli
from seqcli.data.dataset_folder import read_folder
from seqcli.data.files import cache

SEQCLI = [sys.executable, "-m", "seqcli"]
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}
PATIENCE = 120  # seconds until a command must have begun to write, or ended
TINY = {"threads": 1, "hidden": 8, "epochs": 1, "val_rows": 8, "test_rows": 8}
KILLS = repeats(9, 4)


def run(argv: list[str], folder: Path, env: dict[str, str] = ALONE) -> str:
    """Run a command to its end; return what it said."""
    done = subprocess.run(
        [*SEQCLI, *argv], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed(
    argv: list[str],
    folder: Path,
    began: Callable[[], bool],
    wait: float,
    env: dict[str, str] = ALONE,
) -> bool:
    """Kill a command some time after it began to write; return whether the kill hit it."""
    with subprocess.Popen(
        [*SEQCLI, *argv], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until = time.monotonic() + PATIENCE
        while not began() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(wait)
        process.kill()
        _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode == -signal.SIGKILL


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if ".seqcli-" in path.name}


def appears(folder: Path) -> Callable[[], bool]:
    """Return a look at whether a temporary has come since now."""
    before = hidden(folder)
    return lambda: bool(hidden(folder) - before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_data_set_is_the_old_or_the_new(tmp_path: Path) -> None:
    words = "gen-data --task reverse --out data --force --quiet --train 60000 --seed"
    argv = words.split()
    run([*argv, "0"], tmp_path)
    moments, hits = random.Random(KILLS), 0
    seed = 0
    for number in range(1, KILLS + 1):
        wait = moments.uniform(0, 0.5) * (number > 1)
        hits += killed([*argv, str(number)], tmp_path, appears(tmp_path), wait)
        found = int(str(read_folder(tmp_path / "data").provenance.seed))
        assert found in (seed, number)
        seed = found
    run([*argv, "99"], tmp_path)
    assert read_folder(tmp_path / "data").provenance.seed == 99
    assert names(tmp_path) == ["data"]
    assert hits


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    room = tmp_path_factory.mktemp("models")
    pairs = seqcli.train(
        task="copy", cell="gru", length="2:4", train_rows=64, out=str(room / "pairs"), **TINY
    )
    names_model = seqcli.train(
        task="names", backend="numpy", train_rows=64, out=str(room / "names"), **TINY
    )
    return {"pairs": pairs.path, "names": names_model.path}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_answers_are_the_old_or_the_new(models: dict[str, Path], tmp_path: Path) -> None:
    draw = random.Random(1)
    lines = (" ".join(draw.choices("123456789", k=4)) for _ in range(3000))
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    argv = ["predict", "--ckpt", str(models["pairs"]), "--input", "in.txt", "--force", "--out"]
    run([*argv, "new.txt"], tmp_path)
    new = (tmp_path / "new.txt").read_bytes()
    (tmp_path / "out.txt").write_bytes(b"old\n")
    hits = 0
    for _ in range(KILLS):
        hits += killed([*argv, "out.txt"], tmp_path, appears(tmp_path), draw.uniform(0, 1.5))
        assert (tmp_path / "out.txt").read_bytes() in (b"old\n", new)
        if (tmp_path / "out.txt.partial").exists():
            assert new.startswith((tmp_path / "out.txt.partial").read_bytes())
    run([*argv, "out.txt"], tmp_path)
    assert (tmp_path / "out.txt").read_bytes() == new
    assert names(tmp_path) == ["in.txt", "new.txt", "out.txt"]
    assert hits


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_export_is_the_old_or_the_new(models: dict[str, Path], tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    argv = ["export", str(models["names"]), "--to", "safetensors", "--force", "--out"]
    run([*argv, "new.safetensors"], tmp_path)
    new = library.load_file(tmp_path / "new.safetensors")
    (tmp_path / "out.safetensors").write_bytes(b"old")

    def is_new() -> bool:
        found = library.load_file(tmp_path / "out.safetensors")
        return all(np.array_equal(found[name], weight) for name, weight in new.items())

    draw = random.Random(1)
    for _ in range(KILLS):
        killed([*argv, "out.safetensors"], tmp_path, appears(tmp_path), draw.uniform(0, 0.005))
        assert (tmp_path / "out.safetensors").read_bytes() == b"old" or is_new()
    run([*argv, "out.safetensors"], tmp_path)
    assert is_new()
    assert names(tmp_path) == ["new.safetensors", "out.safetensors"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cache_never_gives_other_rows(tmp_path: Path) -> None:
    rows = (f"{f'{number:x} ' * 12}\t{number % 7}\n" for number in range(70_000))
    (tmp_path / "rows.tsv").write_text("".join(rows))
    room = tmp_path / "tmp"
    room.mkdir()
    off = {**ALONE, cache.VARIABLE: cache.OFF, "TMPDIR": str(room)}
    on = {**off, cache.VARIABLE: str(tmp_path / "cache")}
    argv = ["train", "--data", "rows.tsv", "--check"]
    expected = run(argv, tmp_path, off)
    place = tmp_path / "cache" / cache.SUBFOLDER
    draw, hits = random.Random(1), 0
    for number in range(KILLS):
        place.mkdir(parents=True, exist_ok=True)
        look = appears(place if number % 2 else room)
        hits += killed(argv, tmp_path, look, draw.uniform(0, 2), on if number % 2 else off)
    for _ in range(2):  # written, then read
        assert run(argv, tmp_path, on) == expected
    assert len(names(place)) == 1
    run(argv, tmp_path, off)
    assert names(room) == []
    assert hits
