"""What a resumed run takes back of a checkpoint, checked: optimizer and random states.

The keys that the trainer itself keeps are `seqcli.training.progress.Progress`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

import numpy as np

from seqcli import schema
from seqcli.schema import OPEN, Array, SchemaError, is_array

_Bytes = Annotated[Any, Array(("uint8",), axes=1)]
_Memory = dict[int, dict[str, Any]]


class RandomState(TypedDict, total=False):
    """The states of PyTorch's random number generators."""

    cpu: _Bytes
    cuda: list[_Bytes]


class _Group(TypedDict):
    """The weights of an optimizer, by number; its settings are those of the configuration."""

    params: list[int]


class _Optimizer(TypedDict):
    """What ``torch.optim.Optimizer.state_dict`` returns."""

    state: _Memory
    param_groups: tuple[Annotated[_Group, OPEN]]


def optimizer_state(
    training: Mapping[str, Any], shapes: Sequence[tuple[int, ...]], kept: Mapping[str, bool | None]
) -> _Memory:
    """Return the optimizer's memory of each weight; empty before the first step.

    Args:
        training: the training state of a checkpoint.
        shapes: of the weights, in order.
        kept: what the optimizer keeps of a weight: name -> whether it is one number (True) or an
            array of the weight's shape; None: it may be nothing.

    Raises:
        SchemaError: a key or shape differs, or a number is NaN or infinite.
    """
    where = "training.optimizer"
    found = schema.read(_Optimizer, training.get("optimizer"), where)
    memory: _Memory = found["state"]
    numbers = list(range(len(shapes)))
    if found["param_groups"][0]["params"] != numbers or sorted(memory) not in ([], numbers):
        raise SchemaError(f"{where} is of another model")
    for number, one in memory.items():
        place = f"{where}.state.{number}"
        if set(one) != set(kept):
            raise SchemaError(f"{place} must have the keys {', '.join(kept)}")
        for name, value in one.items():
            if value is not None or kept[name] is not None:
                _check(value, () if kept[name] else shapes[number], f"{place}.{name}")
    return memory


def _check(value: object, shape: tuple[int, ...], place: str) -> None:
    schema.read(Annotated[Any, Array(("float32", "float64", "float16"))], value, place)
    assert is_array(value)
    numbers: Any = value
    if tuple(numbers.shape) != shape:
        raise SchemaError(f"{place} has shape {tuple(numbers.shape)}, not {shape}")
    if not np.isfinite(np.asarray(numbers)).all():
        raise SchemaError(f"{place} contains NaN or infinite numbers")
