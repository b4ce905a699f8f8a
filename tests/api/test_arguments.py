"""What a caller from Python hands in is taken as it is meant, or refused in one line."""

import inspect
import io
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import seqcli
from seqcli import api
from seqcli.api import arguments
from seqcli.api.arguments import CHECKS
from seqcli.config.flags import FLAGS, Flags
from seqcli.config.schema import keys
from seqcli.errors import UsageError


def test_a_text_where_a_list_is_meant_is_one_item():
    assert arguments.texts("set", "a=b") == ("a=b",)
    assert arguments.texts("set", iter(["a=b", "c=d"])) == ("a=b", "c=d")
    assert arguments.names("cells", "gru, rnn,") == ("gru", "rnn")
    assert arguments.names("cells", ["gru"]) == ("gru",)
    assert list(arguments.lines("lines", "3 1 4")) == ["3 1 4"]


def test_lines_lose_their_ends_and_nothing_else():
    file = io.StringIO("ab \r\ncd\n\nef")
    assert list(arguments.lines("lines", file)) == ["ab ", "cd", "", "ef"]


@pytest.mark.parametrize("value", [b"ab", {"a": 1}, Path("a.txt"), 3, ["ab", 3], [b"ab"]])
@pytest.mark.parametrize("check", [arguments.texts, arguments.names, arguments.lines])
def test_what_cannot_be_meant_is_refused(check, value):
    with pytest.raises(UsageError, match="must be"):
        list(check("lines", value))


@pytest.mark.parametrize("value", ["", "a\0b", b"a", 3, ["a"]])
def test_no_path_is_no_path(value):
    with pytest.raises(UsageError, match=r"^ckpt "):
        arguments.path("ckpt", value)


def test_verbs_take_one_text_for_a_list():
    made = api.plan(
        task="copy", train_rows=9, set="model.hidden=8", cells="gru,rnn", seeds=1, match="none",
        grid="train.lr=1e-3,2e-3",
    )  # fmt: skip
    assert {run.config.model.cell for run in made.runs} == {"gru", "rnn"}
    assert {run.config.train.lr for run in made.runs} == {1e-3, 2e-3}
    assert {run.config.model.hidden for run in made.runs} == {8}


ZERO = Path("no-such-run")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: seqcli.sample(ZERO, seed=-1), "seed must be a whole number from 0 to 4294967295"),
        (lambda: seqcli.sample(ZERO, seed=1.5), "seed must be"),
        (lambda: seqcli.sample(ZERO, n=0), "n must be"),
        (lambda: seqcli.sample(ZERO, max_length=10**30), "max_length must be"),
        (lambda: seqcli.gen_data("copy", "x", seed=-1), "seed must be"),
        (lambda: seqcli.predict(ZERO, "a", beam=0), "beam must be"),
        (lambda: seqcli.predict(ZERO, "a", length_penalty=1e300), "length_penalty must be"),
        (lambda: seqcli.predict(ZERO, Path("a.txt")), "lines must be lines of text"),
        (lambda: seqcli.predict(ZERO, b"ab"), "lines must be lines of text"),
        (lambda: seqcli.evaluate(ZERO, batch_size=-1), "batch_size must be"),
        (lambda: seqcli.export(ZERO, to="onnx", out="x", rows=0), "rows must be"),
        (lambda: seqcli.train(task="copy", set={"train.lr": 1}), "set must be a list of texts"),
        (lambda: seqcli.train(task="copy", out=""), "out is not a file name"),
        (lambda: seqcli.compare(task="copy", cells=["gru", 3]), "cells, item 2"),
        (lambda: seqcli.info(3), "ckpt must be a path"),
        (lambda: seqcli.next_tokens(ZERO, temperature=1e-300), "temperature"),
    ],
)
def test_every_verb_refuses_in_one_line(call, message):
    with pytest.raises(UsageError) as caught:
        call()
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_every_verb_is_checked():
    for name in api.__all__:
        verb = getattr(api, name)
        if not isinstance(verb, type) and set(inspect.signature(verb).parameters) & set(CHECKS):
            assert hasattr(verb, "__wrapped__"), name


@pytest.mark.parametrize("name", ["train", "compare", "read_data"])
def test_verbs_show_and_describe_all_of_their_settings(name):
    verb = getattr(api, name)
    shown, doc = inspect.signature(verb).parameters, inspect.getdoc(verb)
    assert set(FLAGS) <= set(shown)
    assert set(shown) <= {line.strip().partition(":")[0] for line in doc.splitlines()} | {
        *("out", "force", "backend", "jobs", "on")
    }
    for flag in FLAGS:
        assert f"\n    {flag}: " in doc, flag
    assert max(map(len, doc.splitlines())) < 100
    rows = {"compare": 4000}.get(name, 10000)
    assert f"train_rows: Training rows of a task. Default: {rows}." in doc


def test_compare_shows_the_parameters_of_its_plan():
    shown = inspect.signature(seqcli.compare).parameters
    assert shown["cells"].default == ("rnn", "gru", "lstm", "transformer")
    assert shown["attention"].default == "on"
    assert "options" not in shown


def test_the_static_types_of_the_flags_are_those_of_the_schema():
    types = get_type_hints(Flags)
    assert list(types) == list(FLAGS)
    for flag, key in FLAGS.items():
        kinds = set(get_args(types[flag]))
        assert type(None) in kinds
        assert key.startswith("task.") or keys()[key].kind in kinds, flag
