"""Which runs a comparison is made of, and the commands that make them."""

import shlex
from pathlib import Path

import pytest

from seqcli import config as configuration
from seqcli.cli import app, shell
from seqcli.comparison import defaults
from seqcli.comparison.plan_file import differing_settings
from seqcli.comparison.specification import (
    Specification,
    arm_and_seed,
    arms,
    base_config,
    command,
    parse_grid,
    runs,
)
from seqcli.comparison.summary import in_distribution
from seqcli.config import load
from seqcli.config.recipe_choice import choose
from seqcli.config.recipes import DataFacts
from seqcli.errors import UsageError


def planned(specification=None, language=False, **flags):
    specification = specification or Specification()
    base = base_config(load(None, (), flags), specification.recipes)
    facts = DataFacts(rows=4000, language=language, task=base.data.task)
    return runs(arms(base, specification, facts), specification.seeds)


def test_without_options_four_models_with_attention_three_seeds_of_reverse():
    found = planned()
    assert [run.name for run in found[:4]] == [
        "rnn-attention-s0",
        "gru-attention-s0",
        "lstm-attention-s0",
        "transformer-s0",
    ]
    assert len(found) == 12
    assert {run.config.data for run in found} == {found[0].config.data}
    assert {run.config.train.epochs for run in found} == {defaults.SETTINGS["train.epochs"]}
    assert found[0].config.task == defaults.TASK_OPTIONS["reverse"]
    assert found[-1].config.train.seed == 2


def test_what_was_set_is_kept():
    found = planned(task="sort", epochs=3, length="4:6")
    assert {run.config.train.epochs for run in found} == {3}
    assert found[0].config.task == {"length": "4:6"}
    assert {run.config.train.lr for run in planned(lr=0.01)} == {0.01}


@pytest.mark.parametrize("task", ["reverse", "sort", "names"])
def test_by_default_every_model_is_trained_by_the_same_recipe(task):
    found = planned(task=task, language=task == "names")
    configs = {run.arm: run.config for run in found}
    assert differing_settings(configs) == {}
    assert {run.config.train.lr for run in found} == {defaults.RECIPE["train.lr"]}


@pytest.mark.parametrize("recipes", ["shared", "own"])
def test_training_a_planned_run_chooses_nothing(recipes):
    for run in planned(Specification(recipes=recipes)):
        facts = DataFacts(rows=4000, task="reverse")
        assert run.config.train.recipe == "none"
        assert choose(run.config, facts) is run.config


def test_a_budget_in_time_replaces_the_epochs():
    assert {run.config.train.epochs for run in planned(budget="90s")} == {0}
    assert {run.config.train.epochs for run in planned(budget="90s", epochs=3)} == {3}


def test_recipes_of_their_own_differ_and_every_difference_is_named():
    found = planned(Specification(recipes="own"))
    own = {run.config.model.cell: run.config.train.lr for run in found}
    facts = DataFacts(rows=4000, task="reverse")
    assert own["transformer"] == choose(load({"model.cell": "transformer"}), facts).train.lr
    assert own["rnn"] != own["gru"]
    differing = differing_settings({run.arm: run.config for run in found})
    assert set(differing) == {"train.lr", "train.warmup", "model.dropout"}
    assert differing["train.lr"]["rnn-attention"] == own["rnn"]
    again = planned(Specification(recipes="own"), lr=0.01)
    assert {run.config.train.lr for run in again} == {0.01}


@pytest.mark.parametrize("files", [{"data": "p.tsv"}, {"train": "a.tsv", "val": "b.tsv"}])
def test_files_stand_in_for_the_task(files):
    found = base_config(load(None, (), files))
    assert found.data.task == ""
    assert found.task == {}
    assert found.train.epochs == defaults.SETTINGS["train.epochs"]


def test_attention_both_and_a_grid_make_arms():
    specification = Specification(
        ("gru", "transformer"), "both", 1, "none", {"train.lr": ["1e-3", "2e-3"]}
    )
    assert [run.arm for run in planned(specification)] == [
        f"{name}+lr={rate}"
        for name in ("gru", "gru-attention", "transformer")
        for rate in ("1e-3", "2e-3")
    ]
    assert not any("attention" in run.arm for run in planned(Specification(), language=True))


def test_the_name_of_a_run_tells_its_arm_and_seed():
    assert arm_and_seed("gru-attention+lr=1e-3-s12") == ("gru-attention+lr=1e-3", 12)
    assert arm_and_seed("reverse-gru") is None


def test_each_command_makes_the_very_configuration(tmp_path, monkeypatch):
    given = []

    def train(config, *, set, out, resume, force, listen, started, track, **flags):
        given.append((load(config, set, flags), out))
        raise UsageError("far enough")

    monkeypatch.setattr("seqcli.api.train", train, raising=False)
    specification = Specification(
        ("gru", "transformer"), "on", 1, "none", {"model.positions": ["none"]}
    )
    for run in planned(specification, task="patterns", dropout=0.0):
        shell.run(app, shlex.split(command(run, tmp_path))[1:])
        made, out = given.pop()
        assert configuration.to_plain(made) == configuration.to_plain(run.config)
        assert Path(out) == tmp_path / run.name


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (lambda: Specification(("gruu",)), "no cell is called 'gruu'", "did you mean gru?"),
        (lambda: Specification(attention="of"), "no choice for --attention", "did you mean off?"),
        (lambda: Specification(seeds=0), "--seeds cannot be 0", "1"),
        (lambda: Specification(cells=("gru", "gru")), "each model once", ""),
        (lambda: Specification(grid={"train.seed": ["1"]}), "cannot vary train.seed", "--seeds"),
        (lambda: Specification(grid={"model.hidden": ["1"]}), "--match params", "--match none"),
        (lambda: Specification(grid={"data.task": ["sort"]}), "cannot vary data.task", "same data"),
        (lambda: Specification(recipes="mine"), "no choice for --recipes", "shared"),
        (
            lambda: planned(Specification(match="none", grid={"task.length": ["3:8", "3_8"]})),
            "make the same name",
            "differ in letters",
        ),
        (
            lambda: planned(Specification(match="none", grid={"task.length": ["a" * 200]})),
            "cannot be the name of a folder",
            "150",
        ),
        (lambda: planned(ensemble=2), "trains single models", "average its runs"),
        (lambda: parse_grid(["lr"]), "must be key=a,b,c", "train.lr"),
        (lambda: parse_grid(["a=1", "a=2"]), "given twice", ""),
    ],
)
def test_what_does_not_go_is_said(make, message, hint):
    with pytest.raises(UsageError) as refused:
        make()
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_lengths_are_seen_on_both_sides_or_not_at_all():
    trained = {"source": (3, 5), "target": (1, 9)}
    assert in_distribution([3, 5, 6, 4], [1, 9, 5, 10], trained).tolist() == [
        True,
        True,
        False,
        False,
    ]
