"""The JSON Schema of the configuration accepts what the configuration accepts."""

import json
import re

import pytest
import yaml

from seqcli import config
from seqcli.cli import app, shell
from seqcli.config import json_schema
from seqcli.config.examples import examples

SCHEMA = json_schema.json_schema()
TYPES = {"boolean": bool, "integer": int, "number": (int, float), "string": str, "object": dict}


def fits(value, schema):
    """Return whether a value fits a schema that uses the keywords of ours."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    checks = {
        "type": lambda kind: (
            isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        ),
        "enum": lambda names: value in names,
        "pattern": lambda pattern: re.search(pattern, str(value)) is not None,
        "minimum": lambda bound: is_number and value >= bound,
        "maximum": lambda bound: is_number and value <= bound,
        "exclusiveMinimum": lambda bound: is_number and value > bound,
        "exclusiveMaximum": lambda bound: is_number and value < bound,
        "properties": lambda keys: all(
            fits(one, keys[name]) for name, one in value.items() if name in keys
        ),
        "additionalProperties": lambda allowed: allowed or set(value) <= set(schema["properties"]),
    }
    return all(checks[name](schema[name]) for name in checks if name in schema)


class Yaml12(yaml.SafeLoader):
    """Parse 4e-3 as a number, as editors do."""


Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[0-9]+(\.[0-9]*)?e[-+]?[0-9]+$"), list("0123456789")
)


def parsed(text):
    return yaml.load(text, Yaml12)


def test_every_key_is_described_and_its_default_fits():
    for key in config.keys().values():
        section, _, leaf = key.name.partition(".")
        schema = SCHEMA["properties"][section]["properties"][leaf]
        assert schema["description"] == key.doc
        assert fits(key.default, schema), key.name


@pytest.mark.parametrize("name", [one.name for one in examples() if one.kind == "preset"])
def test_presets_fit(name):
    example = next(one for one in examples() if one.name == name)
    assert fits(parsed(example.path.read_text("utf-8")), SCHEMA)


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("model: {cell: gru, hidden: 64}\ntask: {length: '5:20'}", True),
        ("train: {budget: 10m, freeze: 'encoder,embeddings', lr: 1e-3}", True),
        ("train: {budget: 90}", True),
        ("train: {budget: soon}", False),
        ("train: {freeze: 'encoder,head'}", False),
        ("model: {cell: grru}", False),
        ("model: {hiden: 64}", False),
        ("model: {hidden: 0}", False),
        ("model: {hidden: true}", False),
        ("model: {dropout: 1}", False),
        ("modell: {cell: gru}", False),
    ],
)
def test_right_and_wrong_files(text, is_right):
    assert fits(parsed(text), SCHEMA) == is_right


def test_the_command_prints_the_schema(capsys):
    assert shell.run(app, ("schema",)) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
