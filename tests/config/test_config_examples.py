"""A configuration is a file or the name of a preset."""

from pathlib import Path

import pytest

from seqcli.config import load
from seqcli.config.examples import find
from seqcli.errors import UsageError


def test_a_preset_is_loaded_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("names") == load(find("names").path)


def test_a_file_comes_before_a_preset_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("names").write_text("model: {hidden: 7}")
    assert load("names").model.hidden == 7


def test_a_folder_does_not_hide_a_preset_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("names").mkdir()
    assert load("names") == load(find("names").path)


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("nmes", "--config nmes: neither a file nor a preset", "did you mean names?"),
        ("nmes.yaml", "nmes.yaml", ""),
        ("folder/names", "folder/names", ""),
    ],
)
def test_a_mistyped_preset_and_a_missing_file_differ(source, message, hint):
    with pytest.raises(UsageError) as caught:
        load(source)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_command_of_a_copy_names_the_copy():
    command = find("names").usage_of_copy(Path("my names.yaml"))
    assert command == "seqcli train --config 'my names.yaml' --out names.pt"
    assert find("smoke").usage_of_copy(Path("a.yaml")) == "seqcli compare --suite a.yaml"
    assert find("pairs.tsv").usage_of_copy(Path("p.tsv")) == "seqcli train --data p.tsv"
