"""Every command that ``compare --plan`` prints trains the very configuration that is planned."""

from __future__ import annotations

import contextlib
import functools
import io
import shlex
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import typer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqcli import api, registry
from seqcli.cli import app, shell
from seqcli.config import load, to_plain
from seqcli.config.examples import suite_names
from seqcli.config.limits import OneOf
from seqcli.config.recipes import DataFacts
from seqcli.config.schema import Key, keys
from seqcli.data.corpus import Provenance
from seqcli.errors import UsageError


def small_corpus(data, task):
    """Stand in for the data: only its kind and its name matter to a plan."""
    source = None if data.task == "names" else object()
    return SimpleNamespace(
        codec=SimpleNamespace(source=source),
        name=data.task or "file",
        notes=(),
        reading=None,
        provenance=Provenance(),
    )


def small_facts(corpus):
    """Stand in for the facts about the rows, which choose settings for ``--recipes own``."""
    return DataFacts(rows=100, language=corpus.codec.source is None)


command_of = functools.cache(typer.main.get_command)  # building it takes longer than parsing


class Spy:
    """Keeps the plans that are made and the runs that commands would train."""

    def __init__(self) -> None:
        self.plans: list[api.Plan] = []
        self.trained: list[tuple[object, str]] = []
        self._plan = api.plan

    def plan(self, *words, **options):
        self.plans.append(self._plan(*words, **options))
        return self.plans[-1]

    def train(self, config, *, set, out, resume, force, listen, started, track, **flags):
        self.trained.append((load(config, set, flags), str(out)))
        raise UsageError("far enough")

    @contextlib.contextmanager
    def watching(self):
        with (
            mock.patch("seqcli.api.plan", self.plan),
            mock.patch("seqcli.api.suites.plan", self.plan),
            mock.patch("typer.main.get_command", command_of),
            mock.patch("seqcli.api.train", self.train),
            mock.patch("seqcli.api.comparing.build_corpus", small_corpus),
            mock.patch("seqcli.api.comparing.facts_of", small_facts),
            mock.patch("seqcli.api.comparing.remarks", return_value=()),
            mock.patch("seqcli.api.parameter_matching.match_parameters", lambda arms, corpus: arms),
        ):
            yield


@pytest.fixture(autouse=True, scope="module")
def _in_a_folder_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("plans"))
        yield


def check(words: list[str]) -> int:
    """Plan, type every command that is printed, and compare what would be trained."""
    spy, shown = Spy(), io.StringIO()
    with (
        spy.watching(),
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        if shell.run(app, ["compare", "--plan", "--quiet", *words]):
            return 0
        for line in shown.getvalue().splitlines():
            shell.run(app, shlex.split(line)[1:])
    planned = [(run, str(Path(plan.folder) / run.name)) for plan in spy.plans for run in plan.runs]
    assert len(spy.trained) == len(planned)
    for (made, out), (run, folder) in zip(spy.trained, planned, strict=True):
        assert to_plain(made) == to_plain(run.config), run.name
        assert out == folder
    return len(planned)


@pytest.mark.parametrize("name", suite_names())
def test_every_command_of_every_suite_trains_what_is_planned(name):
    assert check(["--suite", name]) > 3


def values_of(key: Key) -> st.SearchStrategy[str]:
    """Return texts that the key takes."""
    if key.kind is bool:
        return st.sampled_from(["true", "false"])
    if isinstance(key.limit, OneOf):
        return st.sampled_from([name for name in key.limit.names if name])
    if key.kind is str:
        return st.sampled_from(["a.tsv", "my data.tsv", "it's", "-x", "10"])
    if key.kind is int:
        return st.integers(1, 200).map(str)
    return st.floats(1e-6, 0.5).map(repr)


# What names the data is drawn apart; the numpy backend takes no Transformer.
APART = ("data.task", "data.path", "data.train_file", "data.val_file", "data.test_file")
KEYS = [key for key in keys().values() if key.name not in (*APART, "train.backend")]
TEXT = st.sampled_from(["a.tsv", "my data.tsv", "-x.tsv", "it's.tsv", "a=b.tsv", "$x.tsv"])
SOURCES = st.one_of(
    st.just([]),
    st.sampled_from(list(registry.TASKS)).map(lambda name: ["--task", name]),
    TEXT.map(lambda path: [f"--data={path}"]),
    st.tuples(TEXT, TEXT).map(lambda two: [f"--train={two[0]}", f"--val={two[1]}"]),
    TEXT.map(lambda path: ["--train", "a.tsv", "--set", f"data.test_file={path}"]),
)
OPTIONS = st.dictionaries(
    st.sampled_from(["task.length", "task.vocab", "task.split", "task.order", "task.new_name"]),
    st.sampled_from(["5", "5:20", "length", "true", "[a, b]", "[1, 2.5]", '"3"', "'x: y'"]),
    max_size=3,
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "--cells": st.sampled_from(["gru", "lstm,rnn", "transformer,gru"]),
        "--attention": st.sampled_from(["on", "off", "both"]),
        "--seeds": st.sampled_from(["1", "2"]),
        "--match": st.sampled_from(["params", "none"]),
        "--grid": st.sampled_from(["train.lr=1e-3,3e-3", "task.order=plain,reversed"]),
        "--lr": st.sampled_from(["1e-7", "0.01"]),
        "--threads": st.just("3"),
        "--strict": st.just(None),
        "--lower": st.just("both"),
        "--length": st.sampled_from(["7", "3:8"]),
        "--data-seed": st.just("3"),
        "--train-rows": st.just("70"),
        "--normalize": st.just("nfd"),
        "--columns": st.just("target=1,source=2"),
    },
)
BUDGETS = st.sampled_from([[], ["--epochs", "3"], ["--steps", "70"], ["--seconds", "1234567.25"]])


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    words = [*draw(SOURCES), *draw(BUDGETS)]
    chosen = draw(st.sets(st.sampled_from(KEYS), max_size=5))
    sets = {key.name: draw(values_of(key)) for key in sorted(chosen, key=lambda key: key.name)}
    for key, value in {**sets, **draw(OPTIONS)}.items():
        words += ["--set", f"{key}={value}"]
    for option, value in draw(CHOICES).items():
        words += [option] if value is None else [option, value]
    return words


@pytest.mark.slow
@settings(max_examples=50)
@given(command_lines())
def test_whatever_the_options_the_commands_train_what_is_planned(words):
    assume(check(words))
