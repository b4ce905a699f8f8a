"""The figures of README and guides come from commands; the tool that checks them is tested."""

from __future__ import annotations

import json
import shlex

import pytest
import readme_figures as tool
import yaml

from seqcli.cli import app

DOCUMENT = tool.load()
ENTRIES = DOCUMENT["entries"]
TEXTS = [figure["text"] for _, figure in tool.figures_of(ENTRIES) if "text" in figure]
PAGES = tool.pages()


def test_every_text_stands_in_a_page():
    assert [text for text in TEXTS if text not in PAGES] == []
    assert len(TEXTS) == len(set(TEXTS))


def test_every_figure_in_the_tables_of_results_has_an_entry():
    rows = list(tool.result_rows(PAGES))
    headings = {heading for heading, _ in rows}
    assert set(DOCUMENT["unchecked"]) <= headings
    checked = [(heading, line) for heading, line in rows if heading not in DOCUMENT["unchecked"]]
    assert checked
    missing = {line: tool.covered(line, TEXTS) for _, line in checked}
    assert {line: figures for line, figures in missing.items() if figures} == {}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_an_entry_is_complete(entry):
    assert set(entry) - {"date", "machine"} == {"id", "commands", "seeds", "rows", "figures"}
    for command in entry["commands"]:
        program, name, *_ = shlex.split(command)
        assert program == "seqcli"
        assert name in {one.name or one.callback.__name__ for one in app.registered_commands}
    assert "--json" in entry["commands"][-1]
    for figure in entry["figures"]:
        assert {"metric", "value", "tolerance"} <= set(figure)
        assert ("text" in figure) <= (figure["value"] is not None and "date" in entry)


def test_ids_are_unique():
    assert len({entry["id"] for entry in ENTRIES}) == len(ENTRIES)


def test_numbers_are_found_by_key_place_and_arm():
    document = {"arms": [{"arm": "gru", "scores": {"x": 1}}], "list": [4, 5]}
    assert tool.found_at(document, "arms.gru.scores.x") == 1.0
    assert tool.found_at(document, "list.1") == 5.0
    with pytest.raises(ValueError, match="no number"):
        tool.found_at(document, "arms.0.arm")


def test_figures_without_an_entry_are_named():
    line = "| GRU, 2 layers | 99.9 ± 0.1% (3 seeds) | 31 s | 1,000 |"
    assert tool.covered(line, []) == ["99.9 ± 0.1%", "31", "1,000"]
    assert tool.covered(line, ["layers | 99.9 ± 0.1%", "| 31 s"]) == ["1,000"]
    assert tool.covered(line, ["99.9 ± 0.1% (3 seeds) | 31 s | 1,000"]) == ["99.9 ± 0.1%", "31"]


def test_an_entry_is_measured_over_seeds_and_recorded(monkeypatch, tmp_path, capsys):
    figure = {"metric": "metrics.x", "value": 0.5, "tolerance": 0.1}
    new = {"metric": "metrics.y", "value": None, "tolerance": 0.1}
    entry = {"id": "a", "commands": ["seqcli eval"], "seeds": [1, 2], "figures": [figure, new]}
    monkeypatch.setattr(tool, "FILE", tmp_path / "figures.yaml")
    tool.FILE.write_text(yaml.safe_dump({"unchecked": [], "entries": [entry]}))
    values = {1: 0.8, 2: 0.9}
    monkeypatch.setattr(
        tool,
        "run_entry",
        lambda entry, seed, folder: tool.Outcome(
            {"metrics": {"x": values[seed], "y": 1}, "intervals": {}}, 3.0
        ),
    )
    monkeypatch.setattr("sys.argv", ["readme_figures.py", "a", "--update"])
    assert tool.main() == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["result"], second["result"]) == ("differs", "new")
    (kept,) = tool.load()["entries"]
    assert kept["figures"][0] == {**figure, "value": 0.85, "sd": pytest.approx(0.070711)}
    assert kept["figures"][1]["value"] == 1.0
    assert {"date", "machine"} <= set(kept)
    monkeypatch.setattr("sys.argv", ["readme_figures.py"])
    assert tool.main() == 0


def test_a_command_that_fails_is_named(capfd):
    entry = {**ENTRIES[0], "commands": ["seqcli train --task nope --out run"]}
    (line,) = tool.check_entry(entry, update=False)
    assert (line["id"], line["result"]) == (entry["id"], "failed")
    assert "nope" in capfd.readouterr().err
