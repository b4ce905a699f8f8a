"""The record of the command, versions and machine of a run."""

import sys

import pytest

import seqcli
from seqcli.runs.environment import (
    append_environment,
    current_environment,
    read_environments,
)


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/usr/bin/seqcli", "train", "--data", "a b.tsv"], "seqcli train --data 'a b.tsv'"),
        (["/x/seqcli/__main__.py", "train"], "seqcli train"),
        (["notebook.py"], ""),
        ([], ""),
    ],
)
def test_the_command_is_that_of_the_command_line(monkeypatch, argv, command):
    monkeypatch.setattr(sys, "argv", argv)
    assert current_environment().command == command


def test_every_process_adds_an_entry(tmp_path):
    path, one = tmp_path / "environment.json", current_environment("cpu", 2)
    assert one.versions["seqcli"] == seqcli.__version__
    assert one.started.endswith("+00:00")
    for _ in range(2):
        append_environment(path, one)
    assert read_environments(path) == [one, one]


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"command": 3}]'])
def test_an_unreadable_record_is_none(tmp_path, content):
    path = tmp_path / "environment.json"
    assert read_environments(path) == []
    path.write_text(content)
    assert read_environments(path) == []
    append_environment(path, current_environment())
    assert len(read_environments(path)) == 1
