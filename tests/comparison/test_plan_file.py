"""plan.json names runs: names, never paths."""

import json

import pytest

from seqcli.comparison.plan_file import FILE, read_plan
from seqcli.errors import DataError


def test_no_plan_is_an_empty_one(tmp_path):
    assert read_plan(tmp_path / "none") == {}


def test_a_plan_is_read(tmp_path):
    plan = {"gru-attention+lr=0.001-s0": {"train": {"lr": 0.001}}}
    (tmp_path / FILE).write_text(json.dumps(plan))
    assert read_plan(tmp_path) == plan


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"../victim": {}}', '{"/etc": {}}', '{"a": 1}', '{"a": {}, "a": {}}', '{"": {}}'],
)
def test_what_is_no_plan_is_named(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=r"plan\.json cannot be used") as refused:
        read_plan(tmp_path)
    assert refused.value.hint
