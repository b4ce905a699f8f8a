"""Suites are read strictly; those that come along hold together."""

import pytest

from seqcli import registry
from seqcli.comparison.outcome import LENGTH_GIVEN
from seqcli.config import load
from seqcli.config.suite_file import load_suite, suite_names
from seqcli.errors import UsageError

SUITES = ("arithmetic", "chomsky", "claims", "core", "recall", "scan", "smoke")


def test_the_suites_are_there():
    assert suite_names() == list(SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_names_real_settings_and_sourced_numbers(name):
    suite = load_suite(name)
    assert suite.name == name
    assert suite.about
    for entry in suite.entries:
        config = load(None, entry.options["set"])
        assert config.data.task in registry.TASKS
        for one in entry.published:
            assert one.metric in (*registry.METRICS, LENGTH_GIVEN)
            assert one.scope in ("test", "seen", "unseen")
            assert len(one.source) > 5
            assert one.arm.partition("+")[0].partition("-")[0] in registry.CELLS


def test_what_an_entry_says_goes_before_what_all_share(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "all:\n  seeds: 2\n  set: {train.lr: 1e-3, train.epochs: 2}\n"
        "comparisons:\n  one:\n    attention: on\n    set: {data.task: sort, train.lr: 3e-3}\n"
        "    grid: {model.layers: [1, 2]}\n"
    )
    (entry,) = load_suite(str(path)).entries
    assert entry.options == {
        "seeds": 2,
        "attention": "on",
        "set": ["train.lr=3e-3", "train.epochs=2", "data.task=sort"],
        "grid": ["model.layers=1,2"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("comparisons: [1]", "comparisons must be a mapping, not ['1']"),
        ("comparison: {}", "did you mean comparisons?"),
        ("comparisons: {x: {sets: {}}}", "did you mean set?"),
        ("comparisons: {x: {seeds: two}}", "whole number, not 'two'"),
        (
            "comparisons: {x: {published: [{arm: gru}]}}",
            "comparisons.x.published[0] has no key metric",
        ),
        ("a: [", "this is no suite"),
        ("comparisons: {x: {seeds: [1, 2]}}", "comparisons.x.seeds must be text, not ['1', '2']"),
        ("comparisons: {x: {set: {train.lr: {}}}}", "comparisons.x.set.train.lr must be text or a"),
        ("comparisons: {x: {cells: gru}, x: {cells: lstm}}", "the key 'x' is given twice"),
        ("comparisons: {x: {set: {train.lr: 1, train.lr: 2}}}", "'train.lr' is given twice"),
        ("comparisons: {../victim: {}}", "must be a name of letters, digits"),
        ("comparisons: {/tmp/x: {}}", "must be a name of letters, digits"),
        ("comparisons: {.: {}}", "must be a name of letters, digits"),
        ("suite: ../../x", "suite must be a name of letters, digits"),
        ("a: &x [1]\nb: *x", "an alias is not taken here"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("seeds: 3", "no key is called 'seeds'"),
    ],
)
def test_a_wrong_suite_is_refused(tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_suite(str(path))
    assert said in f"{refused.value.message} {refused.value.hint}"
    with pytest.raises(UsageError, match="cannot be read"):
        load_suite(str(tmp_path / "none.yaml"))
    with pytest.raises(UsageError) as refused:
        load_suite("smok")
    assert refused.value.hint == "did you mean smoke?"
