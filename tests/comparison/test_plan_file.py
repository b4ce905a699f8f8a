"""plan.json: what makes a comparison that one, and what is refused."""

import json
from dataclasses import replace

import pytest

from seqcli.comparison.plan_file import (
    FILE,
    StoredPlan,
    comparable,
    differing_keys,
    identity_of,
    read_plan,
    write_plan,
)
from seqcli.comparison.specification import Specification, arms, base_config, open_keys, runs
from seqcli.config import load
from seqcli.config.recipes import DataFacts
from seqcli.data.corpus import Provenance
from seqcli.errors import DataError

DATA = Provenance(path="p.tsv", sha256="1e46")


def plan(wanted=None, data=DATA, **flags):
    wanted = wanted or Specification(("gru", "transformer"), seeds=1)
    base = base_config(load(None, (), flags), wanted.recipes)
    planned = runs(arms(base, wanted, DataFacts(rows=4000, task=base.data.task)), wanted.seeds)
    identity = identity_of(planned, wanted, open_keys(base), data)
    return StoredPlan("x", identity, {run.name: run for run in planned}, ("old-s0",), ("a note",))


def test_a_plan_is_read_as_it_was_written(tmp_path):
    written = plan(task="sort", length="4:6")
    write_plan(tmp_path, written)
    assert read_plan(tmp_path) == written
    assert read_plan(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (plan(task="sort", train=500), "data.train is 1000 there, not 500"),
        (plan(task="sort", train=1000, epochs=9), "train.epochs is 8 there, not 9"),
        (plan(task="copy", train=1000), "data.task is sort there, not copy"),
        (plan(task="sort", train=1000, length=4), "task.length is not set there, not 4"),
        (plan(Specification(("gru",), match="none"), task="sort", train=1000), "it varies"),
        (
            plan(Specification(("gru",), grid={"train.lr": ["1"]}), task="sort", train=1000),
            "it varies",
        ),
        (plan(Specification(("gru",), recipes="own"), task="sort", train=1000), "it varies"),
        (plan(task="sort", train=1000, data=Provenance(sha256="2f57")), "its data differs"),
    ],
)
def test_another_comparison_is_told_by_what_its_runs_share(other, said):
    one = plan(task="sort", train=1000).identity
    assert said in one.difference(other.identity)
    assert other.identity.difference(one)


@pytest.mark.parametrize(
    "same",
    [
        plan(Specification(("rnn",), seeds=5), task="sort", train=1000),
        plan(Specification(("gru",), "both"), task="sort", train=1000, threads=2),
        plan(task="sort", train=1000, data=Provenance(path="elsewhere/p.tsv", sha256="1e46")),
    ],
)
def test_more_models_seeds_or_threads_are_the_same_comparison(same):
    one = plan(task="sort", train=1000).identity
    assert one.difference(same.identity) == ""


def test_files_are_known_by_name_wherever_they_are():
    one, other = (load(flags={"data": path}) for path in ("a/p.tsv", "/b/p.tsv"))
    assert differing_keys(one, other) == []
    assert differing_keys(one, load(flags={"data": "q.tsv"})) == ["data.path"]
    pair = load(flags={"data": "a/p.src,a/p.tgt"})
    assert comparable(pair)["data.path"] == "p.src,p.tgt"
    assert differing_keys(one, load(one, (), {"threads": 3, "lr": 1.0})) == ["train.lr"]


def damage(change):
    def apply(document):
        change(document)
        return json.dumps(document)

    return apply


def rename(old, new):
    return damage(lambda plan: plan["runs"].update({new: plan["runs"].pop(old)}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lambda plan: "[" * 100_000, "not JSON"),
        (lambda plan: "{", "not JSON"),
        (lambda plan: "[]", "not a plan"),
        (damage(lambda plan: plan.update(format=2)), "not a plan"),
        (damage(lambda plan: plan.pop("settings")), "a key is missing"),
        (damage(lambda plan: plan.update(runs=[1])), "another type"),
        (damage(lambda plan: plan.update(notes="x")), "another type"),
        (damage(lambda plan: plan.update(replaced=["../victim"])), "'../victim' cannot be"),
        (damage(lambda plan: plan["runs"]["gru-attention-s0"].update(seed=True)), "another type"),
        (damage(lambda plan: plan["runs"]["gru-attention-s0"].update(arm="a/b")), "'a/b' cannot"),
        (
            damage(lambda plan: plan["runs"]["gru-attention-s0"].update(config={"x": {"y": 1}})),
            "no configuration key",
        ),
        (rename("gru-attention-s0", "../victim"), "'../victim' cannot be the name"),
        (rename("gru-attention-s0", "/etc"), "'/etc' cannot be the name"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(tmp_path, text, said):
    write_plan(tmp_path, plan(task="sort"))
    document = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(text(document))
    with pytest.raises(DataError) as refused:
        read_plan(tmp_path)
    assert said in refused.value.message
    assert FILE in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.hint


def test_a_plan_that_is_no_regular_file_is_refused(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(DataError, match="not the plan"):
        read_plan(tmp_path)


def test_replaced_runs_are_kept_in_the_file(tmp_path):
    write_plan(tmp_path, replace(plan(task="sort"), replaced=("a-s0", "b-s1")))
    assert read_plan(tmp_path).replaced == ("a-s0", "b-s1")
