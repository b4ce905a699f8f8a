"""Suites are read strictly; those that come along hold together."""

import pytest

from seqcli import registry
from seqcli.comparison.run_result import ORACLE_LENGTH
from seqcli.comparison.suites import load_suite
from seqcli.config import load
from seqcli.config.examples import suite_names
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
            assert one.metric in (*registry.METRICS, ORACLE_LENGTH)
            assert one.scope in ("test", "in_distribution", "out_of_distribution")
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
        ("comparisons: [1]", "a mapping is expected here, not a list"),
        ("suite: x", "comparisons: a mapping is expected here, not nothing"),
        ("comparisons: {}", "comparisons must not be empty"),
        ("- a", "a mapping is expected here, not a list"),
        ("", "a mapping is expected here, not nothing"),
        ("comparison: {}", "did you mean comparisons?"),
        ("comparisons: {x: {sets: {}}}", "did you mean set?"),
        ("comparisons: {x: {seeds: two}}", "whole number is expected, not 'two'"),
        ("comparisons: {x: {seeds: [1, 2]}}", "x: seeds: one value is expected here, not a list"),
        ("comparisons: {x: {seeds: -1}}", "whole number is expected, not '-1'"),
        ("comparisons: {x: {seeds: ٣}}", "whole number"),
        ("comparisons: {x: {cells: gru}}", "x: cells: a list is expected here, not one value"),
        ("comparisons: {x: {cells: [[gru]]}}", "x: cells: one value is expected here, not a list"),
        ("comparisons: {x: {match: {a: b}}}", "x: match: one value is expected here"),
        ("comparisons: {x: {grid: {train.lr: 1}}}", "grid: train.lr: a list is expected"),
        ("comparisons: {x: {grid: [1]}}", "x: grid: a mapping is expected here"),
        ("comparisons: {x: {set: {train: {lr: 1}}}}", "set: train: one value is expected here"),
        ("comparisons: {x: {set: 1}}", "x: set: a mapping is expected here"),
        ("comparisons: {x: 1}", "x: a mapping is expected here, not one value"),
        ("comparisons: {x: {published: 1}}", "x: published: a list is expected"),
        (
            "comparisons: {x: {published: [{arm: gru}]}}",
            "must also have metric, scope, value, source",
        ),
        (
            "comparisons: {x: {published: "
            "[{arm: [a], metric: m, scope: test, value: 1, source: s}]}}",
            "published: arm: one value is expected",
        ),
        ("comparisons:\n  x: {}\n  x: {}\n", "line 3: x is given twice"),
        ("comparisons: {x: {set: {a.b: 1, a.b: 2}}}", "a.b is given twice"),
        ("comparisons: {../x: {}}", "'../x' cannot be the name of a folder"),
        ("comparisons: {/tmp/x: {}}", "'/tmp/x' cannot be the name of a folder"),
        ("suite: ../y\ncomparisons: {x: {}}", "'../y' cannot be the name of a folder"),
        ("comparisons: {x: !!python/name:os.system {}}", "tag"),
        ("a: &a [*a]\ncomparisons: {x: {}}", "line 1: YAML aliases are not supported"),
        ("a: " + "[" * 50 + "]" * 50, "nested more than 8 levels deep"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: [", "line 1"),
    ],
)
def test_a_wrong_suite_is_refused(tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_suite(str(path))
    assert said in f"{refused.value.message} {refused.value.hint}"
    assert "bad.yaml" in refused.value.message
    assert "\n" not in refused.value.message


def test_a_suite_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_suite(str(tmp_path / "none.yaml"))
    with pytest.raises(UsageError) as refused:
        load_suite("smok")
    assert refused.value.hint == "did you mean smoke?"
