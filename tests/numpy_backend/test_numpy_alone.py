"""The NumPy backend from the command line: no torch in the process, from training to sampling."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from thorough import mostly_slow

from seqcli.checkpoints import torch_file

LISTING = (
    "import sys\n"
    "from seqcli.cli import app, shell\n"
    "code = shell.run(app, sys.argv[1:])\n"
    "print('loaded:', *sys.modules, file=sys.__stderr__)\n"
    "sys.exit(code)\n"
)
SMALL = (
    "--task names --train-rows 200 --val-rows 40 --test-rows 40 --hidden 8 --epochs 2 "
    "--samples 4 --set train.grad_clip_value=5 --set train.optimizer=sgd --lr 0.05"
)


def seqcli(folder, *words):
    """Run a command; return its stdout, its stderr, and the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
        check=False,
    )
    *err, last = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    return done.stdout, "\n".join(err), {name.partition(".")[0] for name in last.split()[1:]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run, ``names.pt``, trained without torch."""
    folder = tmp_path_factory.mktemp("alone")
    words = ("train", *SMALL.split(), "--backend", "numpy", "--out", "names.pt")
    out, err, loaded = seqcli(folder, *words)
    assert out == ""
    assert "torch" not in loaded
    assert "tensorboard" in loaded
    assert err.count("samples: ") == 2
    assert "in NumPy" in err
    return folder


def test_training_leaves_all_that_torch_would(folder):
    names = {path.name for path in (folder / "names").iterdir()}
    assert {"best.pt", "last.pt", "last.prev.pt", "config.yaml", "metrics.jsonl"} <= names
    assert {"curves.png", "tb"} <= names
    checkpoint = torch_file.load(folder / "names.pt")
    assert next(iter(checkpoint.weights)) == "rnn.layer.weight_ih_l0"


@pytest.mark.slow
def test_a_run_goes_on_without_torch(folder):
    _, err, loaded = seqcli(folder, "train", "--resume", "names", "--epochs", "3")
    assert "resuming after epoch 2" in err
    assert "torch" not in loaded


@pytest.mark.parametrize(
    "words",
    mostly_slow(
        [
            "sample --n 3 --logprob --seed 1 --backend numpy",
            "sample --novel --unique --n 20",
            "sample --beam 3 --n 3",
            "sample --greedy",
            "sample --next --prefix chl",
            "eval",
            "eval --split train",
        ],
        3,
    ),
)
def test_sampling_and_scoring_load_no_torch(folder, words):
    verb, *rest = words.split()
    out, _, loaded = seqcli(folder, verb, "--ckpt", "names.pt", *rest)
    assert out.strip()
    assert "torch" not in loaded


def test_the_seed_of_a_sample_decides_it(folder):
    words = ("sample", "--ckpt", "names.pt", "--n", "5", "--seed")
    first, again, other = (seqcli(folder, *words, seed)[0] for seed in ("1", "1", "2"))
    assert first == again != other
    assert len(first.splitlines()) == 5


@pytest.mark.slow
def test_the_example_runs(tmp_path):
    example = Path(__file__).parents[2] / "examples" / "names_numpy.yaml"
    fewer = "--train-rows 100 --val-rows 20 --test-rows 20 --hidden 8 --steps 10 --out run"
    _, err, loaded = seqcli(tmp_path, "train", "--config", str(example), *fewer.split())
    assert "samples: " in err
    assert "torch" not in loaded
