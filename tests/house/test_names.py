"""Every name leads somewhere, and everything that can be set is told."""

import importlib
import inspect
from collections.abc import Mapping

import pytest
from source import modules

import seqcli
from seqcli import registry
from seqcli.config import FLAGS, keys
from seqcli.config.limits import OneOf

TABLES = {
    name: table
    for name, table in vars(registry).items()
    if name.isupper() and isinstance(table, Mapping)
}
ENTRIES = [
    (table, name)
    for table, names in TABLES.items()
    for name, target in names.items()
    if ":" in target
]


def test_the_tables_are_found():
    assert {"TASKS", "CELLS", "ATTENTIONS", "OPTIMIZERS", "SCHEDULES"} <= set(TABLES)


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_every_name_resolves_to_something_documented(table, name):
    found = registry.resolve("name", name, TABLES[table])
    assert found is not None
    if inspect.isclass(found) or inspect.isfunction(found):
        assert inspect.getdoc(found)


@pytest.mark.parametrize("key", keys().values(), ids=lambda key: key.name)
def test_every_key_says_what_it_is(key):
    assert key.doc.endswith(".")
    assert len(key.doc) > 10
    assert key.limit is None or key.default == "" or key.limit.allows(key.default)


def test_every_text_key_but_the_path_has_its_choices():
    free = [k.name for k in keys().values() if k.kind is str and not isinstance(k.limit, OneOf)]
    files = ["data.path", "data.train_file", "data.val_file", "data.test_file"]
    texts = [
        "data.columns",
        "data.separator",
        "train.init_from",
        "train.distill",
        "train.unlabelled",
    ]
    assert free == [*files, *texts]


@pytest.mark.parametrize("name", sorted(set(seqcli.__all__) - {"__version__"}))
def test_a_public_function_stays_one_when_its_package_is_imported(name):
    """Importing ``seqcli.NAME`` sets the attribute NAME, and would hide the function."""
    if name in {module.room for module in modules()}:
        importlib.import_module(f"seqcli.{name}")
    assert callable(getattr(seqcli, name))


def test_every_flag_leads_to_a_key():
    assert {key for key in FLAGS.values() if not key.startswith("task.")} <= set(keys())
