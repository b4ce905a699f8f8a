"""What a recipe chooses: valid, monotone in the data, never over what was set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.config import Config, load, to_plain
from seqcli.config.recipe_choice import attention_hint, choose, chosen_line, varying
from seqcli.config.recipes import (
    MONOTONIC_ROWS,
    RECURRENT,
    SMALL_ROWS,
    AttentionGain,
    DataFacts,
)
from seqcli.config.yaml_file import to_yaml
from seqcli.errors import UsageError

PAIRS = DataFacts(4000, length=15.0, copyable=0.1)
LABELS = dataclasses.replace(PAIRS, length=9.0, labels=True)
LANGUAGE = DataFacts(30000, length=6.0, language=True)
CELLS = ("rnn", "gru", "lstm", "transformer")
PACES = ("quick", "auto", "best")


@st.composite
def facts(draw: st.DrawFn, rows: st.SearchStrategy[int] | None = None) -> DataFacts:
    task = draw(st.sampled_from(["", "", "reverse", "copy"]))
    language = draw(st.booleans())
    return DataFacts(
        draw(st.integers(1, 10**7) if rows is None else rows),
        draw(st.floats(0.5, 1000.0)),
        copyable=draw(st.sampled_from([0.0, 0.9])),
        monotonic=draw(st.sampled_from([None, -0.5, 0.3])),
        vocabulary=draw(st.sampled_from([20, 10_000])),
        features=draw(st.booleans()),
        labels=draw(st.booleans()),
        language=language,
        task="names" if task and language else task,
    )


@st.composite
def settings(draw: st.DrawFn) -> dict[str, object]:
    """Return a few settings of a user that may be combined with any recipe."""
    some = {
        "model.cell": st.sampled_from(CELLS),
        "model.heads": st.sampled_from([1, 2, 8, 32]),
        "model.positions": st.sampled_from(["learned", "rotary"]),
        "train.recipe": st.sampled_from([*PACES, "none"]),
        "train.budget": st.floats(0.1, 1e5),
        "train.epochs": st.integers(1, 1000),
        "train.steps": st.integers(1, 10**6),
        "train.epoch_steps": st.integers(1, 1000),
        "train.batch_size": st.integers(1, 1000),
        "model.dropout": st.floats(0.0, 0.9),
        "model.layers": st.integers(1, 6),
        "decode.beam": st.integers(1, 20),
    }
    keys = draw(st.sets(st.sampled_from(sorted(some)), max_size=5))
    return {key: draw(some[key]) for key in sorted(keys)}


def value(config: Config, key: str) -> object:
    section, _, leaf = key.partition(".")
    return to_plain(config)[section][leaf]


def updates(config: Config) -> int:
    return config.train.epochs * config.train.epoch_steps


@given(settings(), facts())
def test_what_is_chosen_is_valid_and_leaves_what_was_set(given_settings, known):
    before = load(given_settings)
    after = choose(before, known)  # raises if it is not valid
    for key, wanted in given_settings.items():
        assert value(after, key) == wanted
    changed = {key for key in after.origins if key not in before.origins}
    assert changed <= varying()
    assert {after.origins[key] for key in changed} <= {f"recipe {after.train.recipe}"}
    untouched = set(before.origins) | changed
    for section, values in to_plain(after).items():
        for leaf, one in values.items():
            if f"{section}.{leaf}" not in untouched:
                assert one == to_plain(Config())[section][leaf]
    assert choose(after, known) == after
    assert len(chosen_line(after)) <= 80
    assert after.train.epochs or after.train.budget or after.train.steps


@given(facts(st.integers(SMALL_ROWS, 10**6)), st.sampled_from(CELLS), st.integers(1, 20))
def test_updates_grow_with_the_rows_and_more_slowly(known, cell, factor):
    known = dataclasses.replace(known, task="")
    more = dataclasses.replace(known, rows=factor * known.rows)
    config = load({"model.cell": cell})
    few, many = updates(choose(config, known)), updates(choose(config, more))
    slack = choose(config, more).train.epoch_steps  # rounded to whole epochs
    assert few - slack <= many <= max(1, factor) * few + slack
    assert choose(config, known).train.epochs <= 60


@given(facts(), st.sampled_from(CELLS))
def test_quick_is_shorter_than_auto_which_is_shorter_than_best(known, cell):
    made = [choose(load({"model.cell": cell, "train.recipe": pace}), known) for pace in PACES]
    lengths = [updates(one) or one.train.epochs for one in made]
    assert lengths == sorted(lengths)
    assert made[0].model.hidden <= made[1].model.hidden <= made[2].model.hidden


@pytest.mark.parametrize("rows", [1000, 4000, 10_000])
def test_auto_does_several_thousand_updates_on_files(rows):
    found = choose(Config(), dataclasses.replace(PAIRS, rows=rows))
    assert 2000 <= updates(found) <= 10_000
    assert found.train.warmup == RECURRENT.auto["train.warmup"]


def test_the_warm_up_is_a_tenth_of_the_updates_at_most():
    found = choose(load({"model.cell": "transformer", "train.steps": 300}), PAIRS)
    assert found.train.warmup == 30
    short = load({"model.cell": "transformer", "train.epochs": 2, "train.batch_size": 40})
    assert choose(short, PAIRS).train.warmup == 20


@pytest.mark.parametrize(
    ("set_", "known", "attention"),
    [
        ({}, PAIRS, "additive"),
        ({}, dataclasses.replace(PAIRS, task="sort"), "additive"),
        ({}, LANGUAGE, "none"),
        ({"model.cell": "gru"}, PAIRS, "none"),
        ({"model.cell": "transformer"}, PAIRS, "none"),
        ({"model.attention": "none"}, PAIRS, "none"),
        ({"model.attention": "dot"}, PAIRS, "dot"),
        ({"train.recipe": "none"}, PAIRS, "none"),
        ({"train.recipe": "quick"}, PAIRS, "additive"),
        ({"train.backend": "numpy"}, dataclasses.replace(LANGUAGE, task="names"), "none"),
    ],
)
def test_attention_is_on_for_pairs_if_neither_cell_nor_attention_is_given(set_, known, attention):
    assert choose(load(set_), known).model.attention == attention


def test_a_user_who_counts_epochs_counts_passes():
    found = choose(load({"train.epochs": 30}), PAIRS)
    assert (found.train.epochs, found.train.epoch_steps) == (30, 0)
    found = choose(load({"train.steps": 30}), PAIRS)
    assert (found.train.steps, found.train.epoch_steps) == (30, 0)


@pytest.mark.parametrize(("budget", "pace"), [(60, "quick"), (600, "auto"), (3600, "best")])
def test_a_budget_decides_the_sizes_of_auto(budget, pace):
    found = choose(load({"model.cell": "transformer", "train.budget": budget}), PAIRS)
    same = choose(load({"model.cell": "transformer", "train.recipe": pace}), PAIRS)
    assert found.model == same.model
    assert found.train.epochs == 0
    assert found.train.epoch_steps > 0


@pytest.mark.parametrize(
    ("set_", "task", "expected"),
    [
        (
            {"model.cell": "gru", "model.attention": "additive"},
            "reverse",
            {"hidden": 64, "epochs": 5, "batch_size": 32, "lr": 3e-3, "warmup": 20, "dropout": 0.1},
        ),
        ({"model.cell": "rnn"}, "reverse", {"hidden": 128, "lr": 1.5e-3, "epochs": 5}),
        (
            {"model.cell": "transformer"},
            "reverse",
            {"hidden": 64, "layers": 2, "lr": 2e-3, "warmup": 100, "epochs": 12, "dropout": 0.0},
        ),
        ({"model.cell": "gru"}, "names", {"hidden": 128, "epochs": 20, "lr": 2e-3}),
        (
            {"model.cell": "transformer"},
            "names",
            {"layers": 2, "epochs": 8, "batch_size": 32, "lr": 3e-3, "warmup": 100},
        ),
        (
            {"train.backend": "numpy"},
            "names",
            {"cell": "rnn", "hidden": 100, "dropout": 0.0, "epochs": 15, "lr": 5e-3, "warmup": 0},
        ),
    ],
)
def test_synthetic_tasks_have_settings_of_their_own(set_, task, expected):
    known = DataFacts(10_000, task=task, language=task == "names")
    found = to_plain(choose(load(set_), known))
    both = {**found["model"], **found["train"]}
    assert {key: both[key] for key in expected} == expected
    assert found["train"]["epoch_steps"] == 0
    assert found["decode"]["beam"] == 1


@pytest.mark.parametrize("known", [PAIRS, LANGUAGE, dataclasses.replace(PAIRS, task="copy")])
def test_a_width_that_was_left_open_is_rounded_to_the_heads(known):
    made = choose(load({"model.cell": "transformer", "model.heads": 6}), known).model
    assert made.hidden % 6 == 0
    assert made.hidden >= choose(load({"model.cell": "transformer"}), known).model.hidden


@pytest.mark.parametrize("set_", [{"model.hidden": 64}, {"train.recipe": "none"}])
def test_a_width_that_was_set_must_fit_the_heads(set_):
    with pytest.raises(UsageError, match=r"model\.heads, 6, does not divide"):
        load({"model.cell": "transformer", "model.heads": 6, **set_})


MONOTONIC_PAIRS = DataFacts(800, length=15.0, monotonic=0.25, vocabulary=60)


def test_little_monotonic_data_gets_monotonic_attention():
    made = choose(Config(), MONOTONIC_PAIRS)
    assert made.model.attention == "monotonic"
    assert chosen_line(made).startswith("recipe auto: GRU, monotonic attention, hidden")
    assert choose(load({"train.recipe": "quick"}), MONOTONIC_PAIRS).model.attention == "monotonic"
    assert (
        made.model.hidden < choose(load({"model.attention": "dot"}), MONOTONIC_PAIRS).model.hidden
    )


@pytest.mark.parametrize(
    "other",
    [
        {"monotonic": 0.05},
        {"copyable": 0.9},
        {"rows": MONOTONIC_ROWS},
        {"rows": SMALL_ROWS - 1},
        {"length": 200.0},
        {"vocabulary": 20_000},
    ],
)
def test_other_data_gets_additive_attention(other):
    known = dataclasses.replace(MONOTONIC_PAIRS, **other)
    assert choose(Config(), known).model.attention == "additive"


@pytest.mark.parametrize(
    ("set_", "attention"),
    [
        ({"model.cell": "gru"}, "none"),
        ({"model.attention": "dot"}, "dot"),
        ({"model.copy": True}, "additive"),
    ],
)
def test_what_was_set_goes_before_monotonic_attention(set_, attention):
    assert choose(load(set_), MONOTONIC_PAIRS).model.attention == attention


def test_monotonic_attention_does_not_copy():
    known = dataclasses.replace(PAIRS, copyable=0.9)
    assert choose(load({"model.attention": "additive"}), known).model.copy
    assert not choose(load({"model.attention": "monotonic"}), known).model.copy


def test_inflection_gets_a_transformer_unless_something_about_the_model_is_set():
    known = DataFacts(1000, length=20.0, copyable=0.8, features=True)
    made = choose(Config(), known)
    assert (made.model.cell, made.model.attention, made.model.copy) == ("transformer", "none", True)
    assert chosen_line(made).startswith("recipe auto: Transformer, 3 layers, copying")
    for set_ in ({"model.cell": "gru"}, {"model.hidden": 130}, {"train.recipe": "quick"}):
        assert choose(load(set_), known).model.cell == "gru"
    for other in ({"features": False}, {"copyable": 0.2}, {"rows": SMALL_ROWS - 1}):
        assert choose(Config(), dataclasses.replace(known, **other)).model.cell == "gru"


def test_transformers_rotate_positions_unless_the_target_continues_them():
    cell = {"model.cell": "transformer"}
    assert choose(load(cell), PAIRS).model.positions == "rotary"
    continued = choose(load({**cell, "model.continue_positions": True}), PAIRS).model
    assert continued.positions == "sinusoidal"
    narrow = choose(load({**cell, "model.heads": 64}), dataclasses.replace(PAIRS, rows=800)).model
    assert narrow.hidden % (2 * narrow.heads) == 0


def test_labels_and_small_data_get_smaller_models():
    usual = choose(Config(), PAIRS).model
    for known in (LABELS, dataclasses.replace(PAIRS, rows=SMALL_ROWS - 1)):
        assert choose(Config(), known).model.hidden < usual.hidden
    assert choose(Config(), LABELS).decode.beam == 1


def test_the_line_names_what_was_chosen_and_nothing_else():
    found = choose(Config(), PAIRS)
    assert chosen_line(found) == (
        f"recipe auto: GRU with attention, hidden {found.model.hidden}, "
        f"dropout {found.model.dropout:g}, {updates(found):,} updates"
    )
    own = load({"model.cell": "lstm", "model.hidden": 64, "train.epochs": 3})
    dropout = RECURRENT.auto["model.dropout"]
    assert chosen_line(choose(own, PAIRS)) == f"recipe auto: dropout {dropout:g}"
    timed = choose(load({"train.budget": 600, "train.recipe": "best"}), PAIRS)
    assert chosen_line(timed).endswith(", 10 minutes")
    assert chosen_line(choose(load({"train.recipe": "none"}), PAIRS)) == ""


def test_config_yaml_names_the_recipe_as_origin_and_makes_the_configuration_again():
    made = choose(load({"data.path": "p.tsv"}), PAIRS)
    file = Path("config.yaml")
    file.write_text(to_yaml(made), "utf-8")
    lines = file.read_text("utf-8").splitlines()
    dropout = next(line.split() for line in lines if line.startswith("  dropout:"))
    assert dropout == ["dropout:", str(made.model.dropout), "#", "recipe", "auto"]
    again = load(file)
    assert choose(again, dataclasses.replace(PAIRS, rows=17)) == again == made


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("recipes"))


def test_the_hint_about_attention_has_figures_only_from_the_table():
    one = AttentionGain("spelling", 0.5, 0.625, "2026-11-27", "seqcli train --data x.tsv")
    other = dataclasses.replace(one, data="sounds", without=0.7, with_attention=0.69)
    assert attention_hint(()).startswith("add --attention: ")
    assert not any(character.isdigit() for character in attention_hint(()))
    assert attention_hint((one,)) == (
        "add --attention: sequence accuracy 62.5% instead of 50.0% on spelling"
    )
    assert "-1.0 to +12.5 points of sequence accuracy on 2 data sets" in attention_hint(
        (one, other)
    )
    assert max(len(attention_hint(some)) for some in ((), (one,), (one, other))) <= 80


@pytest.mark.parametrize(
    ("set_", "copyable", "copy"),
    [
        ({}, 0.9, True),
        ({}, 0.2, False),
        ({"model.cell": "transformer"}, 0.9, True),
        ({"model.cell": "gru"}, 0.9, False),  # without attention
        ({"model.copy": False}, 0.9, False),
    ],
)
def test_models_copy_if_most_target_tokens_occur_in_their_source(set_, copyable, copy):
    known = dataclasses.replace(PAIRS, copyable=copyable)
    assert choose(load(set_), known).model.copy == copy


@pytest.mark.parametrize(
    ("set_", "known", "fed"),
    [
        ({"model.cell": "gru"}, PAIRS, True),
        ({"model.cell": "lstm", "train.recipe": "quick"}, PAIRS, True),
        ({"model.attention": "none"}, PAIRS, True),
        ({"model.cell": "gru", "model.feed_context": False}, PAIRS, False),
        ({"model.cell": "gru", "train.recipe": "none"}, PAIRS, False),
        ({}, PAIRS, False),  # with attention
        ({"model.cell": "transformer"}, PAIRS, False),
        ({"model.cell": "gru"}, dataclasses.replace(PAIRS, language=True), False),
        ({"model.cell": "gru"}, dataclasses.replace(PAIRS, task="reverse"), False),
    ],
)
def test_a_recurrent_decoder_without_attention_gets_the_context_at_every_step(set_, known, fed):
    assert choose(load(set_), known).model.feed_context == fed


def test_the_recipe_of_a_transformer_has_a_convolution_and_marked_ends():
    chosen = choose(load({"model.cell": "transformer"}), PAIRS)
    assert (chosen.model.convolution, chosen.model.mark_ends) == (3, True)
    assert choose(load({"model.cell": "gru"}), PAIRS).model.convolution == 0
