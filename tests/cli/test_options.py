"""Options generated from the configuration schema."""

from typing import Annotated, Any

import pytest
import typer

from seqcli import config
from seqcli.cli import app, completing, options
from seqcli.config.flags import FLAGS, spelt
from seqcli.config.limits import Duration, OneOf, one_of

COMMANDS = typer.main.get_command(app).commands


def params(command):
    return {param.name: param for param in COMMANDS[command].params}


def test_every_flag_of_the_configuration_has_one_option_and_one_panel():
    assert sorted(options.ALL_FLAGS) == sorted(FLAGS)
    assert set(FLAGS) <= set(params("train"))
    assert {param.rich_help_panel for param in params("train").values()} <= {*options.PANELS, None}


@pytest.mark.parametrize("name", FLAGS)
def test_an_option_has_what_its_key_says(name):
    key, option = config.keys().get(FLAGS[name]), params("train")[name]
    assert option.opts == [spelt(name)]
    assert option.default is None  # not given: the configuration decides
    assert len(option.help) > 10
    if key is None:  # an option of the task, which reads the text itself
        assert option.type("1") == "1"
        return
    assert type(option.type("1")) is (str if isinstance(key.limit, Duration) else key.kind)
    if isinstance(key.limit, OneOf):
        assert f"One of {', '.join(key.limit.names)}." in option.help
    if name not in options.OWN_HELP:
        assert option.help.startswith(key.doc)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("heads", "[default: 4]"),
        ("init", "One of default, orthogonal, xavier."),
        ("hidden", "[default: by recipe]"),
        ("threads", "[default: 0]"),
    ],
)
def test_help_shows_choices_and_defaults(name, text):
    assert text in params("train")[name].help.replace("\\", "")


def test_options_without_a_default_show_none():
    for name in ("task", "data", "length", "strict", "budget"):
        assert "[default" not in params("train")[name].help


def test_the_command_gets_the_flags_as_one_argument():
    calls = []

    @options.with_flags("epochs", "task")
    def command(flags: options.Flags, out: Annotated[str, typer.Option("--out")] = "x") -> None:
        """Do it."""
        calls.append((dict(flags), out))

    command(epochs=3, task=None, out="y")
    assert calls == [({"epochs": 3, "task": None}, "y")]
    program = typer.Typer()
    program.command()(command)
    program(["--epochs", "5"], standalone_mode=False)
    assert calls[1] == ({"epochs": 5, "task": None}, "x")


def test_a_command_may_have_defaults_of_its_own():
    option = options.flag("epochs", default=8)
    assert option.help.endswith("\\[default: 8][/dim]")


def test_panels_come_in_order_of_importance():
    shown = [param.rich_help_panel for param in COMMANDS["train"].params if param.rich_help_panel]
    places = [options.PANELS.index(panel) for panel in shown]
    assert places == sorted(places)


def test_completion_knows_names_that_are_registered_later():
    table: dict[str, Any] = {"gru": "a:B"}
    complete = completing.names(lambda: one_of(table).names)
    assert complete("m") == []
    table["minimal"] = "a:C"
    assert complete("m") == ["minimal"]
