"""--device and --threads on every command that computes."""

import pytest
import typer

from seqcli import api
from seqcli.cli import app, shell
from seqcli.errors import UsageError

COMMANDS = typer.main.get_command(app).commands
COMPUTE = ("train", "compare", "eval", "predict", "sample")


@pytest.mark.parametrize("name", COMPUTE)
def test_every_command_that_computes_has_both(name):
    known = {option for param in COMMANDS[name].params for option in param.opts}
    assert {"--device", "--threads"} <= known


def test_device_and_threads_reach_the_model(monkeypatch, capsys):
    given = []

    def opened(*arguments, **settings):
        given.append((settings.get("device"), settings.get("threads")) if settings else arguments)
        raise UsageError("opened", "")

    for verb in ("evaluate", "open_model", "open_predictor", "predict_file"):
        monkeypatch.setattr(f"seqcli.api.{verb}", opened, raising=False)
    words = ("--device", "cpu", "--threads", "2")
    for line in ("eval x", "predict x ab", "predict x --input y --out z/"):
        assert shell.run(app, (*line.split(), *words)) == 2
    assert given == [("cpu", 2)] * 3
    assert shell.run(app, ("sample", "x", *words)) == 2
    assert given[-1][2:] == ("cpu", 2)
    assert "opened" in capsys.readouterr().err


def test_a_gpu_needs_pytorch(runs):
    opened = api.open_model(runs["gru"], device="cpu")
    assert opened.backend_name(10) == "numpy"
    with pytest.raises(UsageError, match="backend numpy cannot use --device cuda"):
        api.open_model(runs["gru"], backend="numpy", device="cuda")
    with pytest.raises(UsageError, match="no device is called 'gpu'") as caught:
        api.open_model(runs["gru"], device="gpu")
    assert caught.value.hint == "did you mean cuda?"


def test_threads_are_set_for_the_backend(runs):
    from threadpoolctl import threadpool_info

    (one,) = api.predict(runs["gru"], ["1 2"], backend="numpy", threads=1)
    assert one.candidates
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
