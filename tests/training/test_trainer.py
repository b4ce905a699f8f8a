"""Optimizer states are taken back only where every array is that of its weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seqcli.schema import SchemaError
from seqcli.training.trainer import optimizer_state

SHAPES = [(2, 3), (3,)]
KEPT = {"step": True, "exp_avg": False}


def state() -> dict[str, Any]:
    memory = {
        i: {"step": np.array(2, np.float32), "exp_avg": np.zeros(shape, np.float32)}
        for i, shape in enumerate(SHAPES)
    }
    return {"state": memory, "param_groups": [{"params": [0, 1], "lr": 0.1, "fused": None}]}


def test_a_state_that_fits_is_returned() -> None:
    assert set(optimizer_state({"optimizer": state()}, SHAPES, KEPT)) == {0, 1}
    empty = {**state(), "state": {}}
    assert optimizer_state({"optimizer": empty}, SHAPES, KEPT) == {}


def changed(**values: Any) -> dict[str, Any]:
    made = state()
    made["state"][1].update(values)
    return made


BAD = {
    "nothing": ({}, "training.optimizer must be a mapping, not None"),
    "text": ({"optimizer": "adam"}, "must be a mapping, not 'adam'"),
    "another weight": ({"optimizer": {**state(), "state": {7: {}}}}, "belongs to another model"),
    "one weight": ({"optimizer": {**state(), "state": {0: state()["state"][0]}}}, "another model"),
    "no groups": ({"optimizer": {**state(), "param_groups": []}}, "param_groups must be"),
    "text in a group": (
        {"optimizer": {**state(), "param_groups": [{"params": "all"}]}}, "params must be a list"
    ),
    "a key too many": ({"optimizer": changed(more=1)}, "must have the keys step, exp_avg"),
    "a scalar": (
        {"optimizer": changed(exp_avg=np.zeros((), np.float32))}, r"has shape \(\), not \(3,\)"
    ),
    "another shape": (
        {"optimizer": changed(exp_avg=np.zeros(4, np.float32))}, r"has shape \(4,\), not \(3,\)"
    ),
    "whole numbers": (
        {"optimizer": changed(exp_avg=np.zeros(3, np.int64))}, "must be an array of float32"
    ),
    "NaN": ({"optimizer": changed(exp_avg=np.full(3, np.nan))}, "contains NaN or infinite"),
    "an infinite step": ({"optimizer": changed(step=np.array(np.inf))}, "contains NaN or infinite"),
    "nothing for an array": ({"optimizer": changed(exp_avg=None)}, "must be an array"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_state_that_does_not_fit_is_named(what: str) -> None:
    training, said = BAD[what]
    with pytest.raises(SchemaError, match=said):
        optimizer_state(training, SHAPES, KEPT)
