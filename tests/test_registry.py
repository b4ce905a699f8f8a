"""Names from outside are checked when they are registered, and count everywhere from then on."""

import pytest

import seqcli
from seqcli import registry
from seqcli.config.schema import keys
from seqcli.errors import UsageError
from seqcli.metrics.metric import Metric, find


@pytest.fixture
def tables():
    """Remove what a test registers."""
    saved = {kind: dict(table) for kind, table in registry.KINDS.items()}
    yield
    for kind, table in registry.KINDS.items():
        table.clear()
        table.update(saved[kind])


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("cel", "mine", "no kind of definition is called 'cel'"),
        ("cell", "gru", "cell 'gru' is registered already"),
        ("metric", "macro_f1", "metric 'macro_f1' is registered already"),
        ("evaluation_metric", "loss", "'loss' is registered already"),
        ("cell", "My Cell", "malformed name"),
        ("task", "../x", "malformed name"),
    ],
)
def test_a_name_that_cannot_be_registered_is_refused(kind, name, message):
    with pytest.raises(UsageError, match=message):
        seqcli.register(kind, name, object())


@pytest.mark.usefixtures("tables")
def test_a_registered_name_is_a_choice_and_resolves_to_the_object():
    assert not keys()["model.cell"].limit.allows("mine")
    definition = object()
    seqcli.register("cell", "mine", definition)
    assert keys()["model.cell"].limit.allows("mine")
    assert "mine" in keys()["model.cell"].expected
    assert registry.resolve("cell", "mine", registry.CELLS) is definition


@pytest.mark.usefixtures("tables")
def test_a_path_is_imported_when_it_is_used():
    seqcli.register("metric", "mine", "no_such_module:METRIC")
    with pytest.raises(ModuleNotFoundError):
        find("mine")


@pytest.mark.usefixtures("tables")
def test_a_metric_must_be_a_metric_of_its_name():
    seqcli.register("metric", "mine", Metric("other", "other", higher_is_better=True))
    with pytest.raises(UsageError, match="not a metric of that name"):
        find("mine")
