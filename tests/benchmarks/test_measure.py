"""The measuring itself: stamps, windows, reading what contenders write, the limit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import measure
import pytest
import yaml
from contender import write_config
from matrix_products import gru_flops
from ours import Seqcli
from peer_joeynmt import JoeyNMT
from peer_yoyodyne import Yoyodyne
from pronunciation import until
from work import GRU, Job, sequence_accuracy, write_head

COUNT = "import time\nfor i in range(3): print('step', i, end='\\r', flush=True); time.sleep(0.05)"


def run(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_windows_leave_the_warm_up_out() -> None:
    stamps = [(5, 1.0), (10, 9.0), (15, 10.0), (20, 11.0), (30, 13.0)]
    assert measure.window_speeds(stamps, batch=64, warmup=10, window=10) == [320.0, 320.0]


def test_windows_that_are_not_full_do_not_count() -> None:
    assert measure.window_speeds([(0, 0.0), (9, 1.0)], batch=1, warmup=0, window=10) == []


def test_every_redrawn_line_is_stamped_in_order() -> None:
    trace = measure.watch(run(COUNT), threads=1)
    assert [line.text.strip() for line in trace.lines] == ["step 0", "step 1", "step 2"]
    assert 0.04 < trace.lines[2].seconds - trace.lines[1].seconds < trace.seconds
    assert trace.cpu_seconds > 0
    assert trace.peak_mib > 1


def test_a_program_is_stopped_once_enough_is_seen() -> None:
    code = "import time\nprint('ready', flush=True)\ntime.sleep(60)"
    trace = measure.watch(run(code), 1, enough=lambda line: line.text == "ready")
    assert trace.stopped
    assert trace.seconds < 30


def test_a_program_that_fails_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="no luck"):
        measure.watch(run("raise SystemExit('no luck')"), threads=1)


def test_threads_are_told_to_the_program() -> None:
    trace = measure.watch(run("import os; print(os.environ['OMP_NUM_THREADS'])"), threads=3)
    assert trace.first(int) == 3


def test_joeynmt_lines_are_read() -> None:
    joeynmt = JoeyNMT(Path("python"))
    step = "Epoch   2, Step:      170, Batch Loss:     2.761729, Batch Acc: 0.14, Tokens per Sec: 9"
    done = "Evaluation result (greedy): sequence_accuracy:  99.10, loss:   0.05, 0.0012[sec]"
    assert joeynmt.steps(step) == 170
    assert joeynmt.accuracy(done) == 99.1
    assert joeynmt.parameters("joeynmt.model - Total params: 1623296") == 1623296
    assert joeynmt.steps(done) is joeynmt.accuracy(step) is None


def test_yoyodyne_lines_are_read() -> None:
    yoyodyne = Yoyodyne(Path("python"))
    bar = "Epoch 1:  13%|#3        | 20/157 [00:07<00:48,  2.84it/s, v_num=0, val_accuracy=0.925]"
    assert yoyodyne.steps(bar) == 157 + 20
    assert yoyodyne.accuracy(bar) == pytest.approx(92.5)
    assert yoyodyne.parameters("Trainable parameters: 1,489,947") == 1489947


def test_our_lines_are_read() -> None:
    line = (
        "epoch 3/20 train_loss=0.1 val_token_accuracy=1 val_sequence_accuracy=0.993 seconds=4 best"
    )
    assert Seqcli().accuracy(line) == pytest.approx(99.3)
    assert Seqcli().steps("step 12") == 12


def test_the_limit_counts_the_arithmetic_of_a_pair() -> None:
    assert gru_flops(GRU, source=10, target=11, vocabulary=24) == pytest.approx(94e6, rel=0.01)


def test_steps_of_an_epoch_count_the_short_last_batch() -> None:
    job = Job(Path(), Path(), GRU, threads=1, epochs=1, rows=10_000)
    assert job.steps_per_epoch == 157


def test_accuracy_wants_an_answer_for_every_row() -> None:
    assert sequence_accuracy(["1 2", "3"], ["1 2", "4"]) == 50.0
    with pytest.raises(ValueError, match="1 predictions for 2 rows"):
        sequence_accuracy(["1"], ["1", "2"])


def test_the_head_of_the_data_keeps_sides_together(tmp_path: Path) -> None:
    (tmp_path / "test.src").write_text("1 2\n3 4\n")
    (tmp_path / "test.trg").write_text("2 1\n4 3\n")
    head = write_head(tmp_path, tmp_path / "head", 1)
    assert (head / "test.src").read_text() + (head / "test.trg").read_text() == "1 2\n2 1\n"


def test_small_numbers_of_a_configuration_are_numbers_in_yaml(tmp_path: Path) -> None:
    config = {"lr_min": 0.00005, "lr": 0.001, "epochs": 3}
    assert yaml.safe_load(write_config(tmp_path / "a.yaml", config).read_text())["lr_min"] == 5e-5


def test_the_time_until_an_error_is_that_of_the_first_epoch_below_it(tmp_path: Path) -> None:
    accuracies = (0.2, 0.7, 0.6, 0.8)
    lines = [json.dumps({"seconds": 10, "val_sequence_accuracy": one}) for one in accuracies]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert until(30.0, tmp_path) == {"peer_error": 30.0, "seconds_to_it": 20, "share": 0.5}
    assert until(10.0, tmp_path)["seconds_to_it"] is None
