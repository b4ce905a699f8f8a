"""Describe the configuration as a JSON Schema, with which editors complete and check YAML files.

See https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from seqcli.config.limits import Duration, Limit, OneOf, Range, SomeOf
from seqcli.config.schema import Key, keys, section_types

Schema: TypeAlias = dict[str, Any]
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_TIME = r"^([0-9]+|[0-9]*\.[0-9]+)(s|m|h)?$"
_TASK = "Options of the synthetic task; `seqcli tasks NAME` lists them."


def json_schema() -> Schema:
    """Return the JSON Schema of a configuration file: types, limits, defaults and documentation."""
    sections = {name: _section(name) for name in section_types()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of seqcli",
        "type": "object",
        "additionalProperties": False,
        "properties": {**sections, "task": {"type": "object", "description": _TASK}},
    }


def _section(name: str) -> Schema:
    inside = [key for key in keys().values() if key.name.startswith(f"{name}.")]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.leaf: _key(key) for key in inside},
    }


def _key(key: Key) -> Schema:
    """Return the schema of one key."""
    return {"description": key.doc, "default": key.default, **_values(_TYPES[key.kind], key.limit)}


def _values(kind: str, limit: Limit | None) -> Schema:
    """Return the schema of the values of a type within a limit."""
    if isinstance(limit, SomeOf):
        one = "|".join(map(re.escape, limit.names))
        return {"type": kind, "pattern": f"^(({one})(,({one}))*)?$"}
    if isinstance(limit, OneOf):
        return {"type": kind, "enum": [*limit.names, *[""] * limit.empty]}
    if isinstance(limit, Duration):
        return {"anyOf": [_range(kind, limit), {"type": "string", "pattern": _TIME}]}
    return {"type": kind} if limit is None else _range(kind, limit)


def _range(kind: str, limit: Range) -> Schema:
    bounds = {
        "minimum": limit.at_least,
        "exclusiveMinimum": limit.above,
        "maximum": limit.at_most,
        "exclusiveMaximum": limit.below,
    }
    return {"type": kind, **{name: value for name, value in bounds.items() if value is not None}}
