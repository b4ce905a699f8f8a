"""The check of a GPU runs on a CPU too, so that it is known to work when there is a GPU."""

import json

import check
import pytest


@pytest.mark.parametrize("name", ["step gru-additive", "step transformer-copy"])
def test_a_check_of_correctness(name, tmp_path):
    found = check.correctness(tmp_path, "cpu")[name]()
    assert found["ok"]
    assert found["loss"] == found["gradient"] == 0  # the CPU against itself


def test_a_check_of_speed(tmp_path):
    checks = check.speed(tmp_path, "cpu", None)
    assert checks["speed lstm none hidden 16 batch 8 float32"]()["sequences_per_second"] > 0


def test_a_check_that_fails_is_reported(capsys):
    assert not check.report("broken", lambda: {"loss": 1 / 0})
    found = json.loads(capsys.readouterr().out)
    assert (found["check"], found["ok"]) == ("broken", False)
    assert "ZeroDivisionError" in found["error"]
