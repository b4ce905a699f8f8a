"""Completion as a shell asks for it: settings, presets, suites, comma lists and runs."""

import os
from pathlib import Path

import pytest

from seqcli.cli import app, shell
from seqcli.runs import RunPaths


@pytest.fixture
def complete(monkeypatch, capsys, tmp_path):
    """Return a function that completes the last word of a line in bash."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("runs/a", "runs/compare-x/b", "runs/none", "data")):
        Path(name).mkdir(parents=True)
        if name not in ("runs/none", "data"):
            RunPaths(Path(name)).config.write_text("")
        os.utime(name, (number, number))
    Path("names.pt").touch()

    def words_of(*words):
        monkeypatch.setenv("_SEQCLI_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(("seqcli", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert shell.run(app, ()) == 0
        return capsys.readouterr().out.split()

    return words_of


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("train --set train.opt", "train.optimizer= train.optimizer=adamw train.optimizer=adam "
         "train.optimizer=sgd"),
        ("train --set train.momen", "train.momentum= train.momentum=0.9"),
        ("train --set model.bidir", "model.bidirectional= model.bidirectional=true "
         "model.bidirectional=false"),
        ("train --set decode.", "decode.beam= decode.length_penalty="),
        ("compare --set decode.b", "decode.beam= decode.beam=1"),
        ("compare --search train.plateau_f", "train.plateau_factor= train.plateau_factor=0.5"),
        # bash cuts words at =
        ("train --set train.optimizer = ad", "adamw adam"),
        ("train --set train.optimizer =", "adamw adam sgd"),
        ("train --set train.lr = 5", ""),
        ("train --set nothing = a", ""),
        ("train --cell = g", "gru"),
        ("train --config names_n", "names_numpy"),
        ("compare --suite c", "chomsky claims core"),
        ("compare --cells l", "lstm"),
        ("compare --cells gru,lstm,r", "gru,lstm,rnn"),
        ("compare --cells gru,g", ""),
        ("compare --attention o", "on off"),
        ("compare --match p", "params"),
        ("train --track wandb,m", "wandb,mlflow"),
        ("train --freeze enc", "encoder"),
        ("eval r", "runs/compare-x/b runs/a"),
        ("eval runs/a n", "names.pt"),
        ("eval --ckpt runs/c", "runs/compare-x/b"),
        ("train --resume runs/", "runs/compare-x/b runs/a"),
        ("train --init-from runs/a", "runs/a"),
        ("predict r", "runs/compare-x/b runs/a"),
        ("predict runs/a r", ""),
        ("predict --ckpt runs/a r", ""),
        ("sample n", "names.pt"),
        ("info no-such", ""),
    ],
)  # fmt: skip
def test_the_last_word_is_completed(complete, line, completed):
    assert complete(*line.split()) == completed.split()


def test_an_empty_word_is_completed(complete):
    assert complete("eval", "") == ["runs/compare-x/b", "runs/a", "names.pt"]
    assert complete("train", "--set", "train.kernels", "=", "") == ["auto", "reference"]


def test_other_shells_pass_whole_words(monkeypatch, complete, capsys):
    complete("train", "--set", "train.optimizer", "=", "s")
    monkeypatch.setenv("_SEQCLI_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "seqcli train --set train.optimizer=s")
    assert shell.run(app, ()) == 0
    assert capsys.readouterr().out.split() == ["train.optimizer=sgd"]
