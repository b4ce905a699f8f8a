"""Read and write strict YAML: no aliases, no repeated keys, no surprising types.

Aliases are rejected (a few lines of them can expand to a billion values), and so are repeated keys
(YAML parsers silently keep the last one).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from seqcli.config import schema
from seqcli.config.schema import Plain, stays_text
from seqcli.config.sections import Config
from seqcli.errors import UsageError
from seqcli.schema import SchemaError, quoted

if TYPE_CHECKING:  # importing PyYAML takes 0.04 s, which --help avoids
    import yaml


class _Strict:
    """Mixin for PyYAML loaders that rejects aliases and repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Reject aliases, then compose as usual."""
        if self.check_event(yaml.AliasEvent):  # type: ignore[attr-defined]
            line = self.peek_event().start_mark.line + 1  # type: ignore[attr-defined]
            raise SchemaError(f"line {line}: YAML aliases are not supported")
        return super().compose_node(parent, index)  # type: ignore[misc]

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Reject repeated keys, then construct as usual."""
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
    """Load scalars with the types of YAML 1.1."""


def load(text: str) -> Any:
    """Parse a YAML document.

    Raises:
        SchemaError: it is not YAML, has an alias or a repeated key, or is nested too deeply.
    """
    try:
        return _Values(text).get_single_data()
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    except SchemaError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise SchemaError(" ".join(str(error).split())[:300]) from None


Line = tuple[str, object, str, int]  # dotted key, value, file name, line
_DEEPEST = 8  # maximum nesting in `read_nested`
_TEXT, _LIST, _MAP = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def read(path: str | PathLike[str]) -> Iterator[Line]:
    """Yield every key of a YAML file, plain scalars as ``Plain``.

    Raises:
        UsageError: the file cannot be read, is not YAML or not a mapping of sections, repeats a
            key, or uses tags.
    """
    name = "stdin" if str(path) == "-" else str(path)
    root = _compose(_text(path, name), name)
    if root is None or root.value == "":  # an empty document
        return
    seen: dict[str, int] = {}
    for key, node in _sections(root, name, seen):
        _check_unique(key, seen, name)
        yield key.value, _value(node, name), name, key.start_mark.line + 1


def read_nested(path: str | PathLike[str]) -> object:
    """Read a YAML file as mappings, lists and text; numbers are kept as text.

    Raises:
        UsageError: the file cannot be read, is not YAML, repeats a key, uses tags or aliases, or
            is nested too deeply.
    """
    name = "stdin" if str(path) == "-" else str(path)
    root = _compose(_text(path, name), name)
    return None if root is None else _nested(root, name, _DEEPEST, set())


def _nested(node: yaml.Node, name: str, levels: int, met: set[int]) -> object:
    """Convert a node and its descendants; ``met`` contains the nodes visited before."""
    line = node.start_mark.line + 1
    if id(node) in met:
        raise UsageError(f"{name}, line {line}: YAML aliases are not supported", "write it out")
    if levels == 0:
        raise UsageError(f"{name}, line {line}: nested more than {_DEEPEST} levels deep")
    met.add(id(node))
    if node.tag == _LIST:
        return [_nested(one, name, levels - 1, met) for one in node.value]
    if node.tag == _MAP:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            _check_tag(key, _TEXT, name, "a name")
            _check_unique(key, seen, name)
        return {key.value: _nested(value, name, levels - 1, met) for key, value in node.value}
    return _scalar(node, name)


def read_value(text: str, where: str) -> object:
    """Parse ``text`` as a list or a quoted text in YAML: ``[a, b]`` or ``"a"``.

    Raises:
        UsageError: it is neither a value nor a list of values.
    """
    return _value(_compose(text, where), where)


def _text(path: str | PathLike[str], name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "stdin" else Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{name}: the configuration cannot be read: {reason}",
            "check the path and its permissions",
        ) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}, line {line}: this is not UTF-8", "save it as UTF-8") from None


def _compose(text: str, name: str) -> yaml.Node | None:
    """Return the syntax tree, without PyYAML's conversion of types."""
    import yaml

    try:
        return yaml.compose(text, yaml.BaseLoader)
    except RecursionError:
        raise UsageError(f"{name}: nested too deeply for a configuration") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = " ".join((error.problem or error.context or "no YAML").split())
        hint = "indent with spaces, not tabs" if "'\\t'" in problem else ""
        raise UsageError(f"{name}, line {line}: {problem}", hint) from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        position = getattr(error, "position", 0)
        line = text[:position].count("\n") + 1
        reason = str(getattr(error, "reason", "no YAML"))
        raise UsageError(f"{name}, line {line}: {reason}", "remove that character") from None


def _check_unique(key: yaml.ScalarNode, seen: dict[str, int], name: str) -> None:
    """Record the line of a key; raise UsageError if it is repeated."""
    line = key.start_mark.line + 1
    if key.value in seen:
        message = f"{name}, line {line}: {key.value} is given twice"
        raise UsageError(message, f"it is already on line {seen[key.value]}")
    seen[key.value] = line


def _sections(
    root: yaml.Node, name: str, seen: dict[str, int]
) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield (dotted key, value) for the keys of every section."""
    import yaml

    _check_tag(root, _MAP, name, "sections such as `train:` with keys below them")
    for key, node in root.value:
        _check_tag(key, _TEXT, name, "a name")
        if not isinstance(node, yaml.MappingNode):
            if isinstance(node, yaml.ScalarNode) and not node.value and "." not in key.value:
                continue  # an empty section
            yield key, node
            continue
        _check_unique(key, seen, name)
        _check_tag(node, _MAP, name, "keys with values")
        for leaf, value in node.value:
            _check_tag(leaf, _TEXT, name, "a name")
            mark = leaf.start_mark
            yield yaml.ScalarNode(_TEXT, f"{key.value}.{leaf.value}", mark), value


def _value(node: yaml.Node | None, name: str) -> object:
    """Return a scalar, ``Plain`` if it has no quotes, or a list of these."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        _check_tag(node, _LIST, name, "a list")
        return [_scalar(one, name) for one in node.value]
    return _scalar(node, name)


def _scalar(node: yaml.Node | None, name: str) -> str:
    import yaml

    _check_tag(node, _TEXT, name, "one value")
    assert isinstance(node, yaml.ScalarNode)
    return Plain(node.value) if node.style is None else str(node.value)


def _check_tag(node: yaml.Node | None, tag: str, name: str, expected: str) -> None:
    """Raise UsageError if a node is of another kind or has an explicit tag."""
    if node is not None and node.tag == tag:
        return
    line = node.start_mark.line + 1 if node is not None else 1
    kinds = {_TEXT: "a single value", _LIST: "a list", _MAP: "a mapping"}
    if node is None or node.tag in kinds:
        actual = kinds[node.tag] if node is not None else "nothing"
        raise UsageError(f"{name}, line {line}: {expected} is expected here, not {actual}")
    message = f"{name}, line {line}: the tag {node.tag.replace('tag:yaml.org,2002:', '!!')}"
    raise UsageError(message + " is not supported here", "write the plain value")


def to_yaml(config: Config) -> str:
    """Convert the configuration to YAML that ``load`` reads back, each value with its origin."""
    lines = ["# The complete configuration of this run, with the origin of each value."]
    for section in ("data", "task", *schema.section_types()):
        inside = getattr(config, section)
        items: dict[str, Any] = dict(inside) if section == "task" else vars(inside)
        if items and f"{section}:" not in lines:
            lines.append(f"{section}:")
            for leaf, value in items.items():
                origin = config.origins.get(f"{section}.{leaf}", "default")
                shown = f"  {leaf}: {written(value)}"
                lines.append(f"{shown:<32}  # {' '.join(origin.split())}")
    return "\n".join(lines) + "\n"


def written(value: object) -> str:
    """Format a value as one line of YAML, valid for any parser and for `load`."""
    if isinstance(value, list):
        return f"[{', '.join(_dump_scalar(one, plain=str.isidentifier) for one in value)}]"
    return _dump_scalar(value, plain=str.isprintable)


def _dump_scalar(value: object, plain: Callable[[str], bool]) -> str:
    """Format one value; ``plain`` decides which texts need no quotes, if YAML allows it."""
    import yaml

    style = None
    if isinstance(value, str):
        style = '"' if not value.isprintable() else "'"
        style = None if plain(value) and stays_text(value) else style
    text = yaml.safe_dump(
        value, default_flow_style=True, default_style=style, width=2**31, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
