"""Plausible mistakes at the command line, each with the answer it gets: one line and a hint."""

from pathlib import Path

import pytest

from seqcli.cli import app, shell
from seqcli.runs import RunPaths

# command line, exit code, error, hint
MISTAKES = (
    ("trian --task reverse", 2, "unknown command 'trian'", "did you mean train?"),
    ("train reverse", 2, "train takes no positional arguments: 'reverse'",
     "did you mean --task reverse?"),
    ("train pairs.tsv", 2, "train takes no positional arguments: 'pairs.tsv'",
     "did you mean --data pairs.tsv?"),
    ("train nowhere.tsv", 2, "train takes no positional arguments: 'nowhere.tsv'",
     "name the data with --data FILE, or a task with --task NAME"),
    ("train --data nowhere.tsv", 3, "nowhere.tsv does not exist",
     "check the path"),
    ("train --task revers", 2, "--task (data.task) cannot be 'revers'", "did you mean reverse?"),
    ("train --learning-rate 1e-3", 2, "unknown option --learning-rate", "did you mean --lr?"),
    ("train --hidden-size 64", 2, "unknown option --hidden-size", "did you mean --hidden?"),
    ("train --output-dir x", 2, "unknown option --output-dir", "did you mean --out?"),
    ("train --verbose", 2, "unknown option --verbose",
     "messages are shown unless --quiet is given"),
    ("train --workers 4", 2, "unknown option --workers", "did you mean --threads?"),
    ("compare --workers 4", 2, "unknown option --workers", "did you mean --jobs?"),
    ("compare --cells GRU,LSTM", 2, "no cell is called 'GRU'", "did you mean gru?"),
    ("train --bidirectional", 2, "unknown option --bidirectional",
     "model.bidirectional has no flag; use --set model.bidirectional=..."),
    ("train --task reverse --device gpu", 2, "--device (train.device) cannot be 'gpu'",
     "did you mean cuda?"),
    ("train --task reverse --attention bahdanau", 2,
     "--attention (model.attention) cannot be 'bahdanau'", "did you mean additive?"),
    ("train --task reverse --dropout 1.5", 2,
     "--dropout (model.dropout) must be a number of at least 0 and below 1, not 1.5", ""),
    ("train --epochs ten", 2, "invalid value for '--epochs': 'ten' is not a valid int",
     "see seqcli train --help"),
    ("eval", 2, "nothing to evaluate", "give either RUN or --score FILE.tsv"),
    ("eval runs/revers", 4, "runs/revers: no such run or file", "did you mean runs/reverse?"),
    ("eval runs/reverse", 4, "runs/reverse: this run has no checkpoint",
     "it stopped before its first checkpoint: train again"),
    ("predict", 2, "no run is named", "existing runs: runs/reverse"),
    ("predict abc", 4, "abc: no such run or file", "existing runs: runs/reverse"),
    ("predict runs/reverse --checkpoint x", 2, "unknown option --checkpoint",
     "did you mean --ckpt?"),
    ("sample runs/reverse --temp 0.5", 2, "unknown option --temp", "did you mean --temperature?"),
    ("train --data pairs.tsv --sep ,", 2, "unknown option --sep", "did you mean --separator?"),
    ("train --data pairs.tsv --attention off", 2,
     "--attention (model.attention) cannot be 'off'", "did you mean none?"),
    ("train --resume", 2, "option '--resume' requires an argument", "see seqcli train --help"),
    ("train --track tensorboard --task copy", 2,
     "--track tensorboard is not needed: every run writes files for TensorBoard",
     "omit it; to see them: tensorboard --logdir runs"),
    ("eval runs/reverse --split dev", 2, "no split is called 'dev'", "did you mean val?"),
    ("test runs/reverse", 2, "unknown command 'test'", "did you mean eval?"),
    ("fit --task reverse", 2, "unknown command 'fit'", "did you mean train?"),
    ("list", 2, "unknown command 'list'", "did you mean runs?"),
    ("generate names.pt", 2, "unknown command 'generate'", "did you mean sample?"),
    ("compare gru LSTM", 2, "compare takes no positional arguments: 'gru'",
     "did you mean --cells gru,lstm?"),
    ("compare --hidden 64", 2, "unknown option --hidden",
     "model.hidden has no flag; use --set model.hidden=..."),
    ("compare --num-layers 2", 2, "unknown option --num-layers",
     "model.layers has no flag; use --set model.layers=..."),
    ("export runs/reverse --format onnx", 2, "unknown option --format", "did you mean --to?"),
    ("predict runs/reverse --topk 3", 2, "unknown option --topk", "did you mean --nbest?"),
    ("runs a b", 2, "runs takes fewer arguments: 'b'", "see seqcli runs --help"),
    ("eval pairs.tsv", 4, "pairs.tsv: is not a checkpoint, or is truncated",
     "give another file, or train again"),
)  # fmt: skip
# Other spellings, which work.
ACCEPTED = (
    ("help", "Usage: seqcli [OPTIONS] COMMAND"),
    ("version", "seqcli "),
    ("help train", "Usage: seqcli train [OPTIONS]"),
    ("train --data pairs.tsv --cell GRU --optimizer Adam --batch_size 8 --check", "pairs.tsv"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder with a data file, and a run without a checkpoint."""
    monkeypatch.chdir(tmp_path)
    Path("pairs.tsv").write_text("".join(f"a{i}\tb{i}\n" for i in range(20)))
    Path("runs/reverse").mkdir(parents=True)
    RunPaths(Path("runs/reverse")).config.write_text("")


@pytest.mark.parametrize(("line", "code", "message", "hint"), MISTAKES, ids=lambda one: str(one))
def test_a_mistake_gets_one_line_and_a_hint(capsys, line, code, message, hint):
    assert shell.run(app, line.split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    first, *rest = err.splitlines()
    assert first == f"error: {message}"
    assert "".join(rest) == (f"hint: {hint}" if hint else "")


@pytest.mark.parametrize(("line", "shown"), ACCEPTED)
def test_other_spellings_work(capsys, line, shown):
    assert shell.run(app, line.split()) == 0
    assert shown in capsys.readouterr().out
