"""The tables of the recipes: keys and values that the schema allows."""

import pytest

from seqcli.config import recipes
from seqcli.config.recipes import PAIRS, SYNTHETIC, UPDATES, Recipe
from seqcli.config.schema import keys, read
from seqcli.registry import CELLS, TASKS

ARCHITECTURES = {name: one for name, one in vars(recipes).items() if isinstance(one, Recipe)}
TABLES = {
    "PAIRS": PAIRS,
    "NUMPY": recipes.NUMPY,
    **{f"{one.task or 'any'}-{one.cell or 'any'}": one.values for one in SYNTHETIC},
    **{
        f"{name}.{part}": getattr(one, part)
        for name, one in ARCHITECTURES.items()
        for part in ("auto", "quick", "best", "labels", "small")
    },
}


@pytest.mark.parametrize("name", TABLES)
def test_every_value_is_allowed(name):
    for key, value in TABLES[name].items():
        assert read(keys()[key], value, name) == value


def test_every_architecture_has_the_settings_that_matter_most():
    assert len(ARCHITECTURES) == 5
    needed = ("model.hidden", "model.dropout", "train.batch_size", "train.lr", "train.warmup")
    for one in ARCHITECTURES.values():
        assert set(needed) <= set(one.auto)
        assert one.updates > 0


def test_the_paces_are_ordered():
    assert UPDATES["quick"] < UPDATES["auto"] == 1.0 < UPDATES["best"]


def test_synthetic_entries_name_tasks_and_cells():
    for one in SYNTHETIC:
        assert one.task in ("", *TASKS)
        assert one.cell in ("", *CELLS)


def test_what_attention_adds_is_a_measurement():
    for gain in recipes.ATTENTION_GAINS:
        assert 0 <= gain.without <= 1
        assert 0 <= gain.with_attention <= 1
        assert gain.command.startswith("seqcli train ")
        assert gain.date.count("-") == 2
