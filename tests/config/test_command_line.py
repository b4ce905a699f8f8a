"""The options that make a configuration make that very one, whatever is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.config import load, to_plain
from seqcli.config.flags import FLAGS, spelt
from seqcli.config.loading import dotted_values, options_of, task_options, written

FLAG = {spelt(flag): flag for flag in FLAGS}
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["012", "true", "null", "5:20", "1e-3", "[a", '"', "a, b", " x", "", "-1"]),
)


def read(words):
    """Read options the way a command does, without Typer."""
    sets, flags = [], {}
    queue = list(words)
    while queue:
        option, sign, value = queue.pop(0).partition("=")
        value = value if sign else queue.pop(0)
        if option == "--set":
            sets.append(value)
        else:
            flags[FLAG[option]] = value
    return sets, flags


@given(st.one_of(SCALARS, st.lists(SCALARS, max_size=4)))
def test_what_is_written_for_an_option_of_a_task_is_read_as_it_was(value):
    found = task_options([f"x={written('task.x', value)}"])["x"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "settings",
    [
        {"data.task": "reverse", "model.cell": "transformer", "model.hidden": 128},
        {"data.task": "scan", "task.split": "length", "task.kinds": ["a", "1"]},
        {"data.task": "sort", "task.length": "5", "task.vocab": 7, "task.test_length": [1, 2]},
        {"data.path": "-a b.tsv", "data.strict": True, "data.lower": "source"},
        {"data.train_file": "10", "data.val_file": "v.tsv", "data.columns": "target=1,source=2"},
        {"data.task": "names", "train.backend": "numpy", "model.cell": "lstm", "train.lr": 1e-7},
        {"data.task": "sort", "train.budget": 90.0},
        {"data.task": "sort", "train.budget": 1e-6},  # which --budget does not read
        {"data.task": "sort", "train.budget": 90.0, "train.epochs": 20},
    ],
)
def test_the_options_of_a_configuration_make_it_again(settings):
    config = load({**settings, "train.recipe": "none"})
    words = options_of(config)
    numbers = {"train.lr", "model.hidden", "train.epochs"}
    sets, flags = read(words)
    typed = {flag: float(value) for flag, value in flags.items() if FLAGS[flag] in numbers}
    whole = {flag: int(value) for flag, value in typed.items() if value.is_integer()}
    rest = {flag: value for flag, value in flags.items() if FLAGS[flag].startswith("task.")}
    made = load(None, sets, {**flags, **typed, **whole, **rest})
    assert to_plain(made) == to_plain(config)


def test_every_key_is_dotted():
    assert dotted_values(load({"task": {"length": 4}}))["task.length"] == 4
