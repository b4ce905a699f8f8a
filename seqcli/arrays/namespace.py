"""Find the array API namespace of an array.

See https://data-apis.org/array-api/latest/. NumPy 2 implements the standard. PyTorch needs
`array_api_compat`, which is imported for PyTorch only: its NumPy part imports every submodule of
NumPy, which takes longer than decoding a line.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Array: TypeAlias = Any  # a NumPy array or a PyTorch tensor; the standard has no common base class

_by_type: dict[type, Any] = {}


def array_namespace(array: Array) -> Any:
    """Return the module with the standard's functions for arrays of this type."""
    namespace = _by_type.get(type(array))
    if namespace is None:
        namespace = _by_type[type(array)] = _namespace(array)
    return namespace


def _namespace(array: Array) -> Any:
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    import array_api_compat

    return array_api_compat.array_namespace(array)
