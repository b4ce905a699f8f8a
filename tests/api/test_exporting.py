"""`export`: other programs get the original's outputs, or a line that says why not."""

import ast
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from thorough import repeats

import seqcli
from seqcli.api.exporting import export_sources
from seqcli.api.reporting import described_run
from seqcli.checkpoints import numpy_file, torch_file
from seqcli.cli import app, shell
from seqcli.config import ModelConfig
from seqcli.data.vocabulary import BOS
from seqcli.errors import SeqcliError, UsageError
from seqcli.exporters import html, onnx
from seqcli.exporters.metadata import metadata
from seqcli.metrics.metric import find
from seqcli.models.build import build, load_model
from seqcli.report.model_card import model_card

GUIDE = Path(seqcli.__file__).parent.parent / "examples" / "guides" / "deploying.md"
MISSING = "the packages of seqcli[export] are not installed"


@pytest.fixture(scope="module")
def runtime():
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason=MISSING)
    return pytest.importorskip("onnxruntime", reason=MISSING)


@pytest.fixture(scope="module")
def exported(runtime, runs, tmp_path_factory):
    """Return what exports a model once: its name to its folder and what was told."""
    folder, told = tmp_path_factory.mktemp("exported"), {}

    def once(name):
        if name not in told:
            told[name] = seqcli.export(runs[name], to="onnx", out=folder / name)
        return folder / name, told[name]

    return once


@pytest.fixture(params=["gru", pytest.param("transformer", marks=pytest.mark.slow)])
def name(request):
    """Return the name of a model of pairs; tracing a model takes seconds."""
    return request.param


@pytest.mark.slow
def test_onnx_is_checked_on_real_rows(exported, name):
    folder, found = exported(name)
    about = json.loads((folder / "model.json").read_text("utf-8"))
    assert found.rows == about["checked"]["rows"] == 16
    assert about["checked"]["data"].startswith("test of")
    assert found.steps > found.rows
    assert 0 < found.largest_difference < 1e-4
    assert found.notes == ()
    assert [Path(file).name for file in found.files] == [
        "README.md",
        "model.json",
        "start.onnx",
        "step.onnx",
    ]


def python_block() -> str:
    """Return the program of the guide that decodes with onnxruntime alone."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    return next(block for block in blocks if "onnxruntime" in block)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["3", "3 1 4 1 5", "9 x 9 9 2 2 7"])
def test_the_program_in_the_guide_answers_as_predict_does(
    exported, runs, name, line, capsys, monkeypatch
):
    folder, _ = exported(name)
    (expected,) = seqcli.predict(runs[name], [line], beam=1)
    program = python_block().replace('"3 1 4 1 5"', repr(line)).replace("exported/", f"{name}/")
    monkeypatch.chdir(folder.parent)
    room = len(expected.candidates[0].text.split()) + 1
    exec(program.replace("< 100", f"< {room}"), {})
    assert capsys.readouterr().out.strip() == expected.candidates[0].text


@pytest.mark.slow
def test_a_language_model_goes_on_as_the_original(exported, runs, runtime):
    folder, _ = exported("names")
    assert not (folder / "start.onnx").exists()
    about = json.loads((folder / "model.json").read_text("utf-8"))
    step = runtime.InferenceSession(str(folder / "step.onnx"))
    sizes = {"batch": 2, "length": 0}
    state = {
        part["name"]: np.zeros([sizes.get(size, size) for size in part["shape"]], np.float32)
        for part in about["state"]
    }
    _, model = original(runs["names"])
    own = model.start(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    token = np.array([BOS, 7])
    for _ in range(4):
        logits, *past = step.run(None, {"token": token, **state})
        state = {f"past_{number}": part for number, part in enumerate(past)}
        with torch.no_grad():
            expected, own = model.step(torch.from_numpy(token), own)
        np.testing.assert_allclose(logits, expected.numpy(), atol=1e-5)
        token = logits.argmax(axis=1)


PAIRS = [
    {"cell": "rnn", "activation": "relu", "attention": "dot", "layers": 2},
    {"cell": "lstm", "attention": "general", "bidirectional": False},
    {"cell": "lstm", "attention": "additive", "layers": 2},
    {"cell": "gru", "bridge": False, "tied_embeddings": True, "feed_context": True},
    {"cell": "transformer", "positions": "rotary", "norm": "post"},
    {"cell": "transformer", "continue_positions": True, "layers": 2, "tied_embeddings": True},
    {"cell": "transformer", "positions": "learned", "continue_positions": True},
    {"cell": "gru", "attention": "additive", "copy": True},
    {"cell": "transformer", "copy": True, "convolution": 3, "mark_ends": True},
    {"cell": "lstm", "attention": "monotonic"},
]
LANGUAGE = [
    {"cell": "rnn", "activation": "relu", "layer_norm": True},
    {"cell": "gru", "layers": 2},
    {"cell": "transformer", "positions": "learned"},
]
# every third one outside thorough runs: an export to ONNX takes seconds
VARIANTS = [*((one, True) for one in PAIRS), *((one, False) for one in LANGUAGE)][:: repeats(1, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "pairs"),
    VARIANTS,
    ids=lambda one: str(one) if isinstance(one, bool) else one["cell"],
)
def test_every_kind_of_model_can_be_exported(runtime, runs, tmp_path, variant, pairs):
    source = export_sources(runs["gru" if pairs else "names"])[0]
    config = ModelConfig(hidden=16, embedding=8, feedforward=16, heads=2, **variant)
    sizes = len(source.codec.source) if pairs else None, len(source.codec.target)
    torch.manual_seed(0)
    limit, copy_ids = source.limits.positions * 2, source.codec.copy_ids
    model = build(config, *sizes, limit, copy_ids).eval()
    tensors = onnx.write_graphs(source, model, tmp_path)
    compared, _ = onnx.compare(source, model, tmp_path, [one.name for one in tensors], 16)
    assert compared.largest_difference < 1e-4


def original(run):
    """Return what is exported of a run, and its model."""
    source = export_sources(run)[0]
    checkpoint = torch_file.with_tensors(source.checkpoint)
    return source, load_model(checkpoint, source.config, source.limits, source.path).eval()


@pytest.mark.slow
def test_an_export_that_differs_is_refused(exported, runs):
    folder, _ = exported("gru")
    parts = json.loads((folder / "model.json").read_text("utf-8"))["state"]
    source, model = original(runs["gru"])
    with torch.no_grad():
        model.decoder.output.bias += 0.01
    with pytest.raises(SeqcliError, match=r"differs from the original, by 0\.01"):
        onnx.compare(source, model, folder, [part["name"] for part in parts], 4)


@pytest.mark.slow
def test_rows_are_drawn_where_the_data_has_gone(exported, runs):
    folder, _ = exported("gru")
    parts = json.loads((folder / "model.json").read_text("utf-8"))["state"]
    source, model = original(runs["gru"])
    data = replace(source.config.data, task="", path="gone.tsv")
    source = replace(source, config=replace(source.config, data=data, task={}))
    compared, notes = onnx.compare(source, model, folder, [part["name"] for part in parts], 4)
    assert (compared.rows, compared.data) == (4, "random")
    assert "random rows" in notes[0]


def test_a_model_that_cannot_be_traced_is_one_line(runtime, runs, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise torch.onnx.OnnxExporterError("first line\nsecond") from ValueError("why\nmore")

    monkeypatch.setattr("torch.onnx.export", refuse)
    with pytest.raises(UsageError, match=r"cannot be exported to ONNX: why$"):
        seqcli.export(runs["gru"], to="onnx", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "package", "line"),
    [
        ("onnx", "onnxruntime", "python -m pip install onnx onnxscript onnxruntime"),
        ("safetensors", "safetensors", "python -m pip install safetensors"),
    ],
)
def test_a_missing_package_is_named(runs, tmp_path, monkeypatch, to, package, line):
    for name in ("onnx", "onnxscript", "onnxruntime", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.delitem(sys.modules, "safetensors.numpy")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=f"needs the package {package}") as caught:
        seqcli.export(runs["gru"], to=to, out=tmp_path / "out")
    assert caught.value.hint == line


@pytest.mark.parametrize("name", ["transformer", "numpy"])
def test_safetensors_hold_the_very_weights(runs, tmp_path, name, capsys):
    library = pytest.importorskip("safetensors.numpy", reason=MISSING)
    path = tmp_path / "model.safetensors"
    words = ("export", str(runs[name]), "--to", "safetensors", "--out", str(path))
    assert shell.run(app, words) == 0
    assert capsys.readouterr().out == f"{path}\n"
    own = numpy_file.load(Path(runs[name]) / "best.pt")
    found = library.load_file(path)
    assert set(found) == set(own.weights)
    for weight in found:
        np.testing.assert_array_equal(found[weight], own.weights[weight])
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert json.loads(header["__metadata__"]["seqcli"]) == metadata(export_sources(runs[name])[0])
    assert shell.run(app, words) == 2
    assert "already exists" in capsys.readouterr().err
    assert shell.run(app, (*words, "--force", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(path)]


@pytest.fixture(scope="module")
def folders(runs, tmp_path_factory):
    """Return the folders of the exports of a model of pairs and of a language model."""
    pytest.importorskip("safetensors", reason=MISSING)
    place = tmp_path_factory.mktemp("folders")
    for name in ("gru", "names"):
        found = seqcli.export(runs[name], to="safetensors", out=place / name)
        names = [Path(file).name for file in found.files]
        assert names == ["README.md", "model.json", "model.safetensors"]
    return place


def test_the_model_card_has_metadata_scores_and_settings(folders, runs):
    card = (folders / "gru" / "README.md").read_text("utf-8")
    _, head, text = card.split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["license"] == "unknown"
    assert found["tags"] == ["sequence-model", "gru", "additive", "copy"]
    (model,) = found["model-index"]
    (result,) = model["results"]
    scores = seqcli.evaluate(runs["gru"])
    assert (model["name"], result["task"]["type"]) == ("gru", "text2text-generation")
    assert result["dataset"] == {"name": "copy", "type": "copy", "split": "test"}
    values = {one["name"]: one["value"] for one in result["metrics"]}
    assert values["token accuracy"] == scores.metrics["token_accuracy"]
    interval = find("token_accuracy").write_interval(scores.intervals["token_accuracy"])
    assert f"| {interval} |" in text
    headings = re.findall("^## (.*)", text, re.MULTILINE)
    assert headings == ["Use", "Data", "Scores", "Training", "Limits", "License", "Citation"]
    assert "| model.hidden | 16 |" in text
    assert "No license has been chosen" in text
    assert str(runs["gru"].parent) not in text.replace("--out", "")


@pytest.mark.parametrize("name", ["gru", "names"])
def test_the_program_in_the_model_card_predicts_like_the_model(
    folders, runs, name, capsys, monkeypatch
):
    card = (folders / name / "README.md").read_text("utf-8")
    program, weights = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(folders / name)
    exec(program.replace("< 100", "< 5"), {})
    answer = ast.literal_eval(capsys.readouterr().out)
    if name == "gru":
        tokens = ast.literal_eval(re.search(r"tokens = (\[.*?\])", program)[1])
        (expected,) = seqcli.predict(runs["gru"], [" ".join(tokens)], beam=1)
        assert answer[:4] == expected.candidates[0].text.split()[:4]
    assert 0 < len(answer) <= 5
    found = {}
    exec(weights, found)
    assert found["weights"].keys() == numpy_file.load(runs[name] / "best.pt").weights.keys()


def test_a_folder_is_only_replaced_with_force_and_if_it_is_an_export(folders, runs):
    with pytest.raises(UsageError, match="already contains"):
        seqcli.export(runs["gru"], to="safetensors", out=folders / "gru")
    seqcli.export(runs["gru"], to="safetensors", out=folders / "gru", force=True)
    (folders / "gru" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        seqcli.export(runs["gru"], to="safetensors", out=folders / "gru", force=True)


def test_no_text_of_the_data_is_markup_in_a_model_card(runs):
    report = described_run(runs["gru"])
    name = "</p><script>alert(1)</script>\n---\n[x](y) \x1b[31m \u202e `"
    data = {**report.info.data, "name": name, "task": "files"}
    card = model_card(replace(report, name=name, info=replace(report.info, data=data)), "how")
    _, head, text = card.split("\n---\n", 1)[0], *card.split("---\n", 2)[1:]
    assert yaml.safe_load(head)["model-index"][0]["name"] == name
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert not re.search("[\x1b\u202e]", text)
    assert "\\[x\\](y)" in text


@pytest.mark.parametrize("name", ["gru", "names", "numpy"])
def test_a_page_runs_the_model_of_a_run(runs, tmp_path, name, capsys):
    path = tmp_path / "model.html"
    words = ("export", str(runs[name]), "--to", "html", "--out", str(path), "--rows", "5")
    assert shell.run(app, words) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{path}\n"
    assert "largest difference of log-probabilities with the stored weights 0.0e+00" in shown.err
    text = path.read_text("utf-8")
    page = json.loads(text.partition('id="model">')[2].partition("</script>")[0])
    assert (page["title"], page["data"]) == (name, "copy" if name == "gru" else "names")
    assert len(page["checks"]) == 5
    rows = len(page["examples"])
    assert f"contains {rows} sources of test as examples" in shown.err or name != "gru"
    assert (rows == 6) == (name == "gru")
    predictions = seqcli.predict(runs[name], page["examples"]) if name == "gru" else ()
    assert all(one.candidates and not one.unknown for one in predictions)
    assert shell.run(app, words) == 2
    assert "already exists" in capsys.readouterr().err


def test_a_page_is_written_without_the_data(runs, tmp_path):
    sources = export_sources(runs["gru"])
    data = replace(sources[0].config.data, task="", path="gone.tsv")
    source = replace(sources[0], config=replace(sources[0].config, data=data, task={}))
    found = html.export_html((source,), tmp_path / "model.html", 4, False)
    assert found.rows == 4
    assert not any("examples" in note for note in found.notes)


def test_an_unknown_format_gets_a_suggestion(runs, tmp_path):
    with pytest.raises(UsageError) as caught:
        seqcli.export(runs["gru"], to="onxx", out=tmp_path / "out")
    assert "onnx" in caught.value.hint


def test_exporting_twice_in_one_process_is_possible(runs, tmp_path):
    """A package of the name of the verb would replace it once it is imported."""
    pytest.importorskip("safetensors", reason=MISSING)
    for number in range(2):
        out = tmp_path / f"{number}.safetensors"
        assert seqcli.export(runs["gru"], to="safetensors", out=out).files == (str(out),)
