import dataclasses
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.config import Config, from_plain, keys, load, task_options, to_plain
from seqcli.config.limits import OneOf, Range
from seqcli.config.schema import Key
from seqcli.config.yaml_file import to_yaml
from seqcli.errors import UsageError


def values_of(key: Key) -> st.SearchStrategy[Any]:
    if isinstance(key.limit, OneOf):
        return st.sampled_from(key.limit.names)
    if key.kind is bool:
        return st.booleans()
    if key.kind is str:
        return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
    limit = key.limit
    assert isinstance(limit, Range)
    low = limit.at_least if limit.at_least is not None else limit.above
    high = limit.at_most if limit.at_most is not None else limit.below
    if key.kind is int:
        return st.integers(int(low or 0), int(high if high is not None else 10**6))
    drawn = st.floats(low, high, allow_nan=False, allow_infinity=False)
    return drawn.filter(limit.allows)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    ways = ("data.task", "data.train_file")  # besides data.path: one of them only
    chosen = draw(st.sets(st.sampled_from([k for k in keys().values() if k.name not in ways])))
    mapping: dict[str, Any] = {key.name: draw(values_of(key)) for key in chosen}
    free = st.one_of(st.booleans(), st.integers(), st.text(max_size=8))
    free = st.one_of(free, st.floats(allow_nan=False, allow_infinity=False))
    names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
    options = draw(st.dictionaries(names, st.one_of(free, st.lists(free, max_size=3)), max_size=3))
    mapping |= {f"task.{name}": value for name, value in options.items()}
    if mapping.get("train.epochs") == 0:
        mapping |= {"train.steps": 7}
    if mapping.get("model.cell") == "transformer":
        mapping |= {"model.attention": "none", "model.heads": 1}
        if mapping.get("model.hidden", 0) % 2:
            mapping |= {"model.positions": "sinusoidal"}
    return load(mapping)


@given(configs())
def test_yaml_and_plain_round_trips(config: Config) -> None:
    assert from_plain(to_plain(config)) == config
    path = pathlib.Path("round-trip.yaml")
    try:
        path.write_bytes(to_yaml(config).encode())
        assert load(path) == config
    finally:
        path.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("config"))


def test_defaults_are_the_dataclasses():
    assert load() == Config()
    assert not load().origins


def test_each_layer_goes_over_the_one_below_and_is_named():
    file = pathlib.Path("run.yaml")
    file.write_text("train:\n  lr: 1e-3\n  epochs: 5\nmodel:\n  cell: lstm\n  layers: 2\n")
    config = load(file, ["train.epochs=6", "model.layers=3"], {"layers": 4, "hidden": None})
    assert config.train.lr == 1e-3
    assert config.train.epochs == 6
    assert config.model.layers == 4
    assert config.origins == {
        "train.lr": "run.yaml",
        "train.epochs": "--set",
        "model.cell": "run.yaml",
        "model.layers": "--layers",
    }


def test_a_configuration_can_be_started_from():
    first = load(sets=["train.lr=1e-3"])
    second = load(first, flags={"epochs": 3})
    assert second == dataclasses.replace(first, train=dataclasses.replace(first.train, epochs=3))
    assert second.origins == {"train.lr": "--set", "train.epochs": "--epochs"}


def test_yaml_tells_where_each_value_came_from():
    text = to_yaml(load({"task": {"length": "5:20"}}, ["train.lr=3e-4"], {"attention": True}))
    found = {line.split(":")[0].strip(): line.split("# ")[-1] for line in text.splitlines()}
    assert found["length"] == "config"
    assert found["lr"] == "--set"
    assert found["attention"] == "--attention"
    assert found["grad_clip"] == "default"


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        ({"attention": True}, "model.attention", "additive"),
        ({"attention": False}, "model.attention", "none"),
        ({"attention": "dot"}, "model.attention", "dot"),
        ({"lr": 1}, "train.lr", 1.0),
        ({"length": 7}, "task.length", 7),
        ({"length": "7"}, "task.length", 7),
        ({"length": "5:20"}, "task.length", "5:20"),
        ({"data": pathlib.Path("a.tsv")}, "data.path", "a.tsv"),
    ],
)
def test_flags(flags, key, value):
    section, _, leaf = key.partition(".")
    found = to_plain(load(flags=flags))[section][leaf]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"sets": ["lr=1"]}, "'lr'", "did you mean train.lr?"),
        ({"sets": ["train.lrr=1"]}, "'train.lrr'", "did you mean train.lr?"),
        ({"sets": ["model.lr=1"]}, "'model.lr'", "did you mean train.lr?"),
        ({"sets": ["drpout=0"]}, "'drpout'", "did you mean model.dropout?"),
        ({"sets": ["train.learning_rate=1"]}, "learning_rate", "did you mean train.lr?"),
        ({"sets": ["seed=1"]}, "'seed'", "did you mean data.seed or train.seed?"),
        ({"sets": ["zzz=1"]}, "'zzz'", "the sections are data, model, train, decode, task"),
        ({"sets": ["train=1"]}, "train is a section", "set one of its keys, such as train."),
        ({"sets": ["train.lr"]}, "must be key=value", "for example"),
        (
            {"sets": ["train.lr="]},
            "train.lr has no value; it must be a number above 0 and at most 1000000000",
            "",
        ),
        (
            {"sets": ["train.lr=nan"]},
            "must be a number above 0 and at most 1000000000, not 'nan'",
            "",
        ),
        ({"sets": ["train.epochs=2.5"]}, "must be a whole number", ""),
        ({"sets": ["train.epochs=012"]}, "not '012'", "write 12"),
        ({"sets": ["model.bridge=maybe"]}, "must be true or false, not 'maybe'", ""),
        ({"sets": ["model.dropout=1"]}, "of at least 0 and below 1, not '1'", ""),
        ({"sets": ["model.cell=grru"]}, "--set: model.cell cannot be 'grru'", "did you mean gru?"),
        ({"flags": {"cell": "grru"}}, "--cell (model.cell) cannot be 'grru'", "did you mean gru?"),
        ({"flags": {"attention": "addtive"}}, "--attention", "did you mean additive?"),
        ({"flags": {"task": "revers"}}, "--task", "did you mean reverse?"),
        (
            {"flags": {"lr": -1}},
            "--lr (train.lr) must be a number above 0 and at most 1000000000, not -1",
            "",
        ),
        ({"flags": {"epochs": True}}, "--epochs", ""),
        ({"flags": {"epocs": 1}}, "'epocs'", "did you mean epochs?"),
        ({"flags": {"momentum": 1}}, "'momentum'", "--set train.momentum=..."),
        ({"flags": {"learning_rate": 1}}, "'learning_rate'", "did you mean --lr?"),
        ({"flags": {"hidden": 10**12}}, "from 1 to 65536", ""),
        ({"source": {"train": {"lr": "1e-3"}}}, "not '1e-3'", "write it without quotes"),
        ({"source": {"train": {"lr": None}}}, "has no value", ""),
        ({"source": {"train": {"lr": [1]}}}, "config: train.lr must be a number", ""),
        ({"source": {"task": {"x": {}}}}, "task.x must be a number, text", ""),
        ({"flags": {"task": "sort", "data": "a.tsv"}}, "are both given", "choose one"),
        ({"flags": {"cell": "transformer", "hidden": 130}}, "does not divide", "multiple"),
        ({"flags": {"cell": "transformer", "attention": True}}, "transformer", "omit"),
    ],
)
def test_what_is_wrong_is_refused_with_the_nearest_right_thing(arguments, message, hint):
    with pytest.raises(UsageError) as caught:
        load(**arguments)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_path_takes_the_place_of_the_task_below_and_of_its_options():
    below = {"data": {"task": "sort"}, "task": {"length": 6}}
    config = load(below, flags={"data": "a.tsv"})
    assert (config.data.task, config.data.path, config.task) == ("", "a.tsv", {})
    assert load(config, flags={"task": "copy"}).data.path == ""


def test_another_task_drops_the_options_of_the_one_below_the_same_task_keeps_them():
    below = {"data": {"task": "sort"}, "task": {"length": 6}}
    assert load(below, flags={"task": "copy"}).task == {}
    assert load(below, flags={"task": "sort", "vocab": 4}).task == {"length": 6, "vocab": 4}


SCAN_FILE = {"data": {"task": "scan"}, "task": {"split": "jump", "path": "a"}}


@pytest.mark.parametrize(
    ("below", "sets", "flags", "task", "options"),
    [
        (None, ["task.split=length"], {"task": "scan"}, "scan", {"split": "length"}),
        (None, ["data.task=scan", "task.split=length"], {}, "scan", {"split": "length"}),
        (None, ["task.split=length", "data.task=scan"], {}, "scan", {"split": "length"}),
        (None, ["data.task=sort", "task.vocab=3"], {"task": "copy"}, "copy", {"vocab": 3}),
        (SCAN_FILE, ["task.split=length"], {}, "scan", {"split": "length", "path": "a"}),
        (
            SCAN_FILE,
            ["task.split=length"],
            {"task": "scan"},
            "scan",
            {"split": "length", "path": "a"},
        ),
        (
            SCAN_FILE,
            ["task.order=reversed"],
            {"task": "addition"},
            "addition",
            {"order": "reversed"},
        ),
        (
            SCAN_FILE,
            ["data.task=sort", "task.length=4"],
            {"vocab": 5},
            "sort",
            {"length": 4, "vocab": 5},
        ),
        ({"task": {"vocab": 3}}, [], {"task": "copy"}, "copy", {"vocab": 3}),
        (
            {"task": {"vocab": 3}},
            ["task.length=4"],
            {"task": "copy"},
            "copy",
            {"vocab": 3, "length": 4},
        ),
    ],
)
def test_an_option_of_the_task_is_kept_beside_the_task(below, sets, flags, task, options):
    config = load(below, sets, flags)
    assert (config.data.task, config.task) == (task, options)
    assert {f"task.{name}" for name in options} <= set(config.origins)


def test_two_sources_of_data_on_one_command_line_are_refused():
    with pytest.raises(UsageError, match="a task and a data path are both given"):
        load(None, ["data.path=a.tsv"], {"task": "sort"})
    with pytest.raises(UsageError, match="a data path and a file of training rows are both given"):
        load(None, ["data.train_file=a.tsv"], {"data": "b.tsv"})


def test_files_of_validation_and_test_rows_are_kept_beside_the_training_file():
    files = load(None, ["data.val_file=v.tsv", "data.test_file=t.tsv"], {"train": "a.tsv"}).data
    assert (files.train_file, files.val_file, files.test_file) == ("a.tsv", "v.tsv", "t.tsv")
    below = {"data": {"train_file": "a.tsv", "val_file": "v.tsv", "test_file": "t.tsv"}}
    files = load(below, (), {"train": "b.tsv"}).data
    assert (files.train_file, files.val_file, files.test_file) == ("b.tsv", "v.tsv", "t.tsv")
    files = load(below, (), {"task": "sort"}).data
    assert (files.task, files.train_file, files.val_file, files.test_file) == ("sort", "", "", "")


def test_options_of_a_task_beside_files_are_not_dropped():
    assert load(None, ["task.length=4"], {"data": "a.tsv"}).task == {"length": 4}
    assert load({"task": {"length": 4}}, (), {"train": "a.tsv"}).task == {"length": 4}


def test_quoted_text_of_a_task_option_stays_text():
    config = load(None, ['task.digits="3"', "task.kinds=['1', b]", "task.order=3"])
    assert config.task == {"digits": "3", "kinds": ["1", "b"], "order": 3}


def test_what_a_checkpoint_holds_is_checked_as_strictly():
    plain = to_plain(load(flags={"cell": "lstm"}))
    assert from_plain(plain).origins["model.cell"] == "checkpoint"
    for wrong in ({"model": {"cell": "os:system"}}, {"model": {"hidden": 10**9}}, {"x": 1}, [], 3):
        with pytest.raises(UsageError, match="checkpoint"):
            from_plain(wrong)


def test_options_of_a_task():
    assert task_options(["length=5:20", "vocab=4", "kinds=[ones, zeros]", "deep=true"]) == {
        "length": "5:20",
        "vocab": 4,
        "kinds": ["ones", "zeros"],
        "deep": True,
    }
    for wrong in (["length"], ["=3"], ["a=1", "a=2"], ["a="], ["a=012"], ["a=[1, [2]]"]):
        with pytest.raises(UsageError, match="--option"):
            task_options(wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("10m", 600.0), ("1h", 3600.0), (90, 90.0)],
)
def test_a_time_may_have_a_unit(text, seconds):
    assert load(flags={"budget": text}).train.budget == seconds
    assert load(sets=[f"train.budget={text}"]).train.budget == seconds


@pytest.mark.parametrize("text", ["10x", "m", "-1", "1h30m", "1e3", "", "٣", "inf", "10 m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match=r"\(train\.budget\)") as caught:
        load(flags={"budget": text})
    assert "10m or 1h" in caught.value.message


def test_a_budget_lifts_the_limit_of_epochs_unless_there_is_another_limit():
    alone = load(flags={"budget": "10m"})
    assert alone.train.epochs == 0
    assert alone.origins["train.epochs"] == "limited by train.budget"
    assert load(flags={"budget": "10m", "epochs": 30}).train.epochs == 30
    assert load(flags={"budget": "10m", "steps": 9}).train.steps == 9
    assert load(alone, flags={"lr": 0.1}).train.epochs == 0
    with pytest.raises(UsageError, match="epochs is 0, and no other key limits training") as caught:
        load(alone, flags={"budget": "0"})
    assert "--budget" in caught.value.hint


@pytest.mark.parametrize("positions", ["rotary", "none"])
def test_only_positions_that_are_added_can_continue_those_of_the_source(positions: str) -> None:
    config = {"model.cell": "transformer", "model.continue_positions": True}
    assert load({**config, "model.positions": "learned"}).model.continue_positions
    with pytest.raises(UsageError, match=f"no effect with model.positions={positions}") as caught:
        load({**config, "model.positions": positions})
    assert "sinusoidal" in caught.value.hint


def test_a_convolution_has_a_middle_position() -> None:
    assert load({"model.cell": "transformer", "model.convolution": 5}).model.convolution == 5
    with pytest.raises(UsageError, match=r"model\.convolution is 4, which has no middle") as caught:
        load({"model.cell": "transformer", "model.convolution": 4})
    assert "odd" in caught.value.hint


def test_a_stored_configuration_may_have_removed_keys_without_effect(tmp_path):
    stored = to_plain(Config())
    stored["train"] |= {"restarts": 5, "ema": 0.0}
    assert from_plain(stored) == Config()
    assert load(stored) == Config()
    (tmp_path / "config.yaml").write_text("train:\n  restarts: 2\n  ema: 0.0\n")
    assert load(tmp_path / "config.yaml") == Config()
    stored["train"]["ema"] = 0.9
    with pytest.raises(UsageError, match=r"train\.ema was removed") as caught:
        from_plain(stored)
    assert "omit it" in caught.value.hint


def test_rotary_positions_need_heads_of_even_width() -> None:
    rotary = {"model.cell": "transformer", "model.positions": "rotary", "model.heads": 2}
    assert load({**rotary, "model.hidden": 8}).model.hidden == 8
    with pytest.raises(UsageError, match="rotary, but each head is 3 wide") as caught:
        load({**rotary, "model.hidden": 6})
    assert "even" in caught.value.hint
