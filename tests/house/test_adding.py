"""Adding from outside: one file that imports seqcli and registers, used through every command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.slow
REGISTERED = "import seqcli\nseqcli.register('cell', 'gru', 'a:b')"
OUTSIDE = Path(__file__).parent / "outside.py"


def run(*words, cwd, plugins=""):
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "SEQCLI_PLUGINS": plugins, "COLUMNS": "200"},
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Return what a program of the user's shows, and its folder."""
    folder = tmp_path_factory.mktemp("outside")
    done = run(str(OUTSIDE), "shown.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "shown.json").read_text())


def test_training_shows_and_ranks_by_a_metric_from_outside(shown):
    folder, screens = shown
    metrics = (folder / screens["run"] / "metrics.jsonl").read_text()
    rows = [json.loads(line) for line in metrics.splitlines()]
    hits = [row["val_first_token_hits"] for row in rows]
    best = [row["val_first_token_hits"] for row in rows if row["improved"]][-1]
    assert best == max(hits)
    assert f"first-token hits {best:.1%}, first-token misses {1 - best:.1%}" in screens["train"]


def test_tensorboard_has_the_metric_from_outside(shown):
    folder, screens = shown
    (events,) = (folder / screens["run"]).rglob("events.out.tfevents.*")
    accumulator = EventAccumulator(str(events.parent))
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    assert {"first_token_hits/train", "first_token_hits/val", "first_token_misses/val"} <= set(tags)


def test_an_evaluation_shows_the_best_baseline_by_the_direction_of_the_metric(shown):
    _, screens = shown
    lines = screens["eval"].splitlines()
    for label in ("first-token hits", "first-token misses"):
        row = next(line for line in lines if line.startswith(label))
        assert row.rstrip().endswith("copy of the source")  # the others hit less often


def test_a_comparison_shows_the_metric_in_table_page_and_document(shown):
    folder, screens = shown
    place = folder / screens["folder"]
    document = json.loads((place / "compare.json").read_text())
    assert [one["arm"] for one in document["arms"]] == ["minimal-scaled-attention"]
    for arm in document["arms"]:
        for metric, best in (("first_token_hits", max), ("first_token_misses", min)):
            values = [run["metrics"]["test"][metric] for run in arm["runs"]]
            assert arm["scores"][metric]["best"] == best(values)
    assert "first-token hits" in (place / "compare.md").read_text()
    assert f"first-token misses {values[0]:.1%}" in (place / "report.html").read_text()
    assert "first-token" in screens["compare"]


def test_the_command_line_loads_plugins_from_the_environment(tmp_path):
    shutil.copy(OUTSIDE, tmp_path / "mine.py")
    lines = [f"{a} {b} -> {b} {a}\n" for a in "abcdef" for b in "uvwxyz"]
    (tmp_path / "pairs.txt").write_text("".join(lines))
    words = "train --data pairs.txt --format arrows --cell minimal --attention scaled --epochs 1"
    options = "--optimizer rmsprop --set train.metric=first_token_hits --hidden 8 --threads 1"
    done = run(
        *["-m", "seqcli", *words.split(), *options.split(), "--json"],
        cwd=tmp_path,
        plugins="mine.py",
    )
    assert done.returncode == 0, done.stderr
    assert "val_first_token_misses" in json.loads(done.stdout)["best"]
    assert "val_first_token_misses=" in done.stderr
    done = run("-m", "seqcli", "train", "--help-all", cwd=tmp_path, plugins="mine.py")
    assert "minimal" in done.stdout
    done = run("-m", "seqcli", "tasks", "rotate", cwd=tmp_path, plugins="mine.py")
    assert "the first token goes last" in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot import mine.py: FileNotFoundError"),
        ("import no_such_library", "cannot import mine.py: ModuleNotFoundError: No module named"),
        (
            "import seqcli\nseqcli.register('cell', 'gru', 'a:b')",
            "cell 'gru' is registered already",
        ),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    done = run("-m", "seqcli", "tasks", cwd=tmp_path, plugins="mine.py")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    first, *hint = done.stderr.splitlines()
    assert first.startswith("error: SEQCLI_PLUGINS: ")
    assert message in first
    assert hint
