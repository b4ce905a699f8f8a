"""The shell: every error is one line, a hint and an exit code."""

import re
import shlex
import sys

import pytest
import typer

from seqcli import config
from seqcli.cli import app, shell, spelling, train
from seqcli.comparison import defaults
from seqcli.config.flags import FLAGS, spelt
from seqcli.config.recipe_choice import varying
from seqcli.errors import DataError, DivergedError, Exit, ReaderGone, StoppedBySignal

COMMANDS = typer.main.get_command(app).commands


def run(capsys, *words):
    code = shell.run(app, words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("trian", "unknown command 'trian'", "did you mean train?"),
        ("train --cel gru", "unknown option --cel", "did you mean --cell?"),
        ("train --learning-rate 1", "unknown option --learning-rate", "did you mean --lr?"),
        ("train --option kinds=x", "unknown option --option", "--set task.KEY=VALUE"),
        ("train --momentum 1", "unknown option --momentum", "--set train.momentum=..."),
        ("eval --modell x", "unknown option --modell", "see seqcli eval --help"),
        (
            "train reverse",
            "train takes no positional arguments: 'reverse'",
            "did you mean --task rev",
        ),
        ("train --epochs x", "invalid value for '--epochs'", "see seqcli train --help"),
        ("train --lr", "'--lr' requires an argument", "see seqcli"),
        ("eval --ckpt x --beam 0", "invalid value for '--beam'", "see seqcli eval --help"),
        ("predict --ckpt x --nbest 0", "invalid value for '--nbest'", "see seqcli predict --help"),
        ("eval", "nothing to evaluate", "give either RUN or --score FILE.tsv"),
        ("--verson", "unknown option --verson", "did you mean --version?"),
        ("train --task revers", "'revers'", "did you mean reverse?"),
        ("train --task reverse --cell grru", "'grru'", "did you mean gru?"),
        ("train --task reverse --attention addtive", "'addtive'", "did you mean additive?"),
        ("train --task reverse --set lr=1", "'lr'", "did you mean train.lr?"),
        ("train --config no.yaml", "no.yaml: the configuration cannot be read", ""),
        ("gen-data --task sortt --out x", "'sortt'", "did you mean sort?"),
        ("gen-data --task sort --out x --option lenght=3", "'lenght'", "did you mean length?"),
        ("gen-data --task sort --out x --option seed=3", "seed is not an option", "mean --seed?"),
    ],
)
def test_a_wrong_word_suggests_the_right_one(capsys, words, message, hint):
    code, out, err = run(capsys, *words.split())
    assert code == Exit.USAGE
    assert out == ""
    first, *rest = err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint in "".join(rest)
    assert len(rest) <= 1


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (DataError("a.tsv, line 3: one column", "use two"), 3, "error: a.tsv, line 3: one column"),
        (DivergedError("the loss is nan", ""), 5, "error: the loss is nan"),
        (StoppedBySignal("stopped", "resume", Exit.SIGTERM), 143, "stopped\nnext: resume\n"),
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device", "runs/x"), 6, "error: runs/x: no space left"),
        (OSError(13, "Permission denied", "runs/x"), 2, "error: runs/x: permission denied"),
        (MemoryError(), 6, "error: out of memory"),
        (ReaderGone(), 141, ""),
    ],
)
def test_exit_codes(capsys, monkeypatch, error, code, told):
    def fail():
        raise error

    monkeypatch.setattr("seqcli.api.tasks", fail, raising=False)
    found, out, err = run(capsys, "tasks")
    assert (found, out) == (code, "")
    assert told in err
    assert "Traceback" not in err


def test_a_bug_says_that_it_is_one(capsys, monkeypatch):
    def fail():
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("seqcli.api.tasks", fail, raising=False)
    code, _, err = run(capsys, "tasks")
    assert code == Exit.BUG
    assert "ZeroDivisionError: by zero" in err
    assert "this is a bug" in err
    assert len(err.splitlines()) < 20


def test_help_and_version(capsys):
    for words in ([], ["-h"], ["--help"], ["train", "-h"]):
        code, out, err = run(capsys, *words)
        assert (code, err) == (0, "")
        assert "Usage: seqcli" in out
        assert "  $ seqcli train --task reverse --cell gru --attention" in out.splitlines()
    assert run(capsys, "--version")[1].startswith("seqcli ")


def test_the_short_page_of_train_fits_two_screens(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, "train", "--help")
    assert (code, len(out.splitlines()) <= 46) == (0, True)
    assert [word in out for word in ("--task", "--lr", "--warmup", "--help-all")] == [
        *(True, True, False, True)
    ]
    code, out, _ = run(capsys, "train", "--help-all")
    assert code == 0
    for param in COMMANDS["train"].params:
        assert param.opts[0] in out
    assert set(train.COMMON) <= {param.name for param in COMMANDS["train"].params} | {"help"}


def test_the_short_page_has_the_defaults_of_the_configuration():
    keys = config.schema.keys()
    for name, text in train.COMMON.items():
        found = re.findall(r"\\\[(.*)\]", text)
        if found and name in FLAGS:
            key = keys[FLAGS[name]]
            expected = "by recipe" if key.name in varying() else str(key.default)
            assert found == [expected], name


def test_help_shows_no_default_that_does_not_hold():
    """A default is shown as a value only where every task, model and backend has it."""
    runs = [
        config.load({}, (), {"task": task, "cell": cell, "backend": backend})
        for task in ("reverse", "names", "copy", "patterns")
        for cell in ("rnn", "gru", "transformer")
        for backend in ("torch", "numpy")
    ]
    shown = {param.opts[0]: param.help for param in COMMANDS["train"].params}
    for name, key in FLAGS.items():
        values = re.findall(r"\[default: (.*?)\]", shown[spelt(name)])
        if values and values[0] != "by recipe":
            section, _, leaf = key.partition(".")
            found = {str(getattr(getattr(run, section), leaf)) for run in runs}
            assert found == set(values) or name in ("task", "cell", "backend"), name


def test_compare_shows_its_own_defaults():
    shown = {param.opts[0]: param.help for param in COMMANDS["compare"].params}
    assert f"[default: {defaults.SETTINGS['train.epochs']}]" in shown["--epochs"]
    assert shown["--epochs"].count("default") == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train --attention", "train --attention=additive"),
        ("train --attention --cell gru", "train --attention=additive --cell gru"),
        ("train --attention -q", "train --attention=additive -q"),
        ("train --attention dot", "train --attention dot"),
        ("train --attention addtive", "train --attention addtive"),
        ("train --attention=general", "train --attention=general"),
        ("train --cell gru", "train --cell gru"),
        ("predict --attention", "predict --attention"),
        ("", ""),
    ],
)
def test_attention_stands_bare_or_with_a_kind(words, expected):
    assert spelling.with_implied_values(words.split()) == expected.split()


def test_no_locals_in_tracebacks():
    assert app.pretty_exceptions_enable is False
    assert isinstance(app, typer.Typer)


def test_a_closed_stderr_is_no_reason_to_crash(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert shell.run(app, ["trian"]) == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("eval --ckpt x", "torchrun has started 2 processes, but eval runs in one"),
        ("train --task reverse --check", "--check reads the data in one"),
    ],
)
def test_torchrun_is_for_training_and_one_process_says_so(words, message, monkeypatch, capsys):
    place = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    for rank in ("0", "1"):
        for name, value in {**place, "RANK": rank}.items():
            monkeypatch.setenv(name, value)
        code, out, err = run(capsys, *words.split())
        assert (code, out) == (Exit.USAGE, "")
        assert (message in err) if rank == "0" else (err == "")


def test_long_examples_are_broken_before_options():
    line = "seqcli train --data 'a --b' --cell gru --attention --out runs/x"
    assert shell._broken(line, 0) == line
    assert shell._broken(line, 80) == line
    broken = shell._broken(line.replace("'a --b'", "a"), 40)
    assert max(map(len, f"  $ {broken}".splitlines())) <= 40
    assert shlex.split(broken.replace("\\\n", " ")) == shlex.split(line.replace("'a --b'", "a"))
    for command in COMMANDS.values():
        for example in command.examples.splitlines():
            assert max(map(len, f"  $ {shell._broken(example, 80)}".splitlines())) <= 80
