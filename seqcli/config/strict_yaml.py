"""YAML files that seqcli reads besides configurations, read without surprises.

Aliases are refused (a few lines of them make a billion values), and so are keys given twice (YAML
readers keep the last one in silence).
"""

from __future__ import annotations

from typing import Any

import yaml

from seqcli.schema import SchemaError, quoted


class _Strict:
    """What is refused; comes before PyYAML's own class."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, then compose as usual."""
        if self.check_event(yaml.AliasEvent):  # type: ignore[attr-defined]
            line = self.peek_event().start_mark.line + 1  # type: ignore[attr-defined]
            raise SchemaError(f"line {line}: an alias is not taken here")
        return super().compose_node(parent, index)  # type: ignore[misc]

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Refuse keys that are there twice, then construct as usual."""
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise SchemaError(f"line {line}: a key must be one value")
            if key.value in seen:
                raise SchemaError(f"line {line}: the key {quoted(key.value)} is given twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


class _Values(_Strict, yaml.SafeLoader):
    """Scalars have the types of YAML 1.1."""


def load(text: str) -> Any:
    """Return what a YAML document holds.

    Raises:
        SchemaError: it is no YAML, has an alias or a key twice, or is nested too deeply.
    """
    try:
        return _Values(text).get_single_data()
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    except SchemaError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise SchemaError(" ".join(str(error).split())[:300]) from None
