"""Every page in a browser: hostile texts do nothing; contrast, names and keyboard are right."""

from dataclasses import replace

import numpy as np
import pytest
from browser import AUDIT, HOSTILE, needs_browser, open_pages
from drawn_models import LANGUAGE, drawn_source, hostile_source, language

from seqcli.comparison.run_result import RowScores, RunResult, ShownAttention, ShownPrediction
from seqcli.comparison.search import ModelSearch, Parameter, SearchResult, Trial
from seqcli.comparison.summary import deciding_metric, summarize
from seqcli.descriptions import CheckpointInfo, Side
from seqcli.errors import Exit
from seqcli.events import RunFailed
from seqcli.exporters import html
from seqcli.report.comparison_page import comparison_page
from seqcli.report.run_page import RunReport, run_page
from seqcli.report.search_report import write_search
from seqcli.report.svg_plots import comparison_plots
from seqcli.results import (
    AttentionMap,
    Candidate,
    Confusion,
    Edits,
    Evaluation,
    Group,
    LengthBin,
    Prediction,
    ScoredRow,
)
from seqcli.runs.environment import Environment, append_environment

ALL = " ".join(HOSTILE)
SCORES = {"loss": 0.5, "token_accuracy": 0.75, "sequence_accuracy": 0.5}
SEEN = """
const CONTROL = /[\\x00-\\x08\\x1b\\u2028\\u202e]/;
function seen() {
  const nodes = [...document.querySelectorAll("body *")].filter((one) => !one.closest("script"));
  const text = nodes.flatMap((one) => [...one.childNodes]).filter((one) => one.nodeType === 3);
  return {
    hacked: typeof hacked,
    handlers: nodes.flatMap((one) => one.getAttributeNames()).filter((one) => one.startsWith("on")),
    tags: [...new Set(nodes.map((one) => one.tagName.toLowerCase()))],
    links: [...document.links].map((one) => one.protocol),
    controls: text.filter((one) => CONTROL.test(one.data))
      .map(({ parentElement }) => parentElement.outerHTML),
    template: document.body.innerText.includes("{{7*7}}"),
    requests: performance.getEntriesByType("resource").map((one) => one.name),
    problems: audit(),
  };
}
"""
OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
TYPE = f"""
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function used(id, text) {{
  document.getElementById(id).value = text;
  document.getElementById(id).dispatchEvent(new Event("input"));
  document.getElementById("draw")?.click();
  await wait(2000);
  return seen();
}}
const LINE = {html.embeddable(ALL)};
"""
SCRIPTS = {
    "run": f"{OPEN}tell('run', seen());",
    "comparison": f"{OPEN}tell('comparison', seen());",
    "search": "tell('search', seen());",
    "pairs": f"{TYPE}tell('pairs', used('source', LINE));",
    "language": f"{TYPE}tell('language', used('prefix', 'ab'));",
}


FAULTY = """<!DOCTYPE html><html><body style="background: #fff">
<h1 style="color: #999">Pale</h1><h3>Too deep</h3><input><button tabindex="2"></button>
<table><tr><th>No scope</th></tr></table><p id="a"></p><p id="a"></p>
<pre style="width: 1rem; overflow: auto">a long line of text</pre><p style="width: 999px">wide</p>
</body></html>"""
FAULTS = (
    "contrast 2.8: Pale",
    "no name: <input>",
    'no name: <button tabindex="2"></button>',
    "not in the order of the keyboard: button ",
    "scrolls, but not by keyboard: a long line of text",
    "headings: 1,3",
    "an id occurs twice",
    "a header without scope: No scope",
    "no language or title",
    "no main part",
)


def hostile_run() -> str:
    """Return the page of a run in which every text is hostile."""
    side = Side("words", HOSTILE, 3)
    info = CheckpointInfo(
        path=ALL,
        version=ALL,
        model=ALL,
        parameters=10,
        megabytes=1.0,
        backend=ALL,
        source=side,
        target=side,
        form={"normalize": "none", "lower": "none", "features": False},
        data={"name": ALL, "path": ALL, "rows": {"train": 1}},
        settings={},
        epoch=1,
        metrics={},
        baselines={},
        resumable=False,
        next=(ALL,),
    )
    rows = tuple(ScoredRow(HOSTILE, HOSTILE, (one,), False, 13, ALL) for one in HOSTILE)
    evaluation = Evaluation(
        rows=len(rows),
        metrics=SCORES,
        baselines={"chance": SCORES},
        by_length=(LengthBin(1, 2, 1, 0.9, 0.5), LengthBin(3, 4, 1, 0.9, 0.5)),
        predictions=rows,
        notes=(ALL,),
        by_features=(Group(ALL, 1, SCORES, {}),),
        edits=Edits(1, 0, 0, tuple(Confusion(one, ALL, 1) for one in HOSTILE)),
        checkpoint=ALL,
        data=ALL,
        split="test",
    )
    weights = np.eye(len(HOSTILE), dtype=np.float32)
    attention = AttentionMap(HOSTILE, HOSTILE, weights)
    report = RunReport(
        name=ALL,
        info=info,
        settings=[(ALL, ALL, ALL)],
        histories={ALL: [{"step": n, "val_loss": 1 / n} for n in (1, 2)]},
        evaluation=evaluation,
        samples=HOSTILE,
        attention=(Prediction(ALL, (Candidate(ALL, -0.5, -0.5),), attention=attention),),
        environments=(Environment(ALL, "2026", {ALL: ALL}, ALL, ALL, 1, ALL, ALL),),
        notes=(ALL,),
    )
    return run_page(report)


def hostile_comparison(folder) -> str:
    """Return the page of a comparison in which every text is hostile."""
    draw = np.random.default_rng(0)
    results = []
    for arm in (f"a {ALL}", f"b {ALL}"):
        for seed in range(3):
            right = tuple(map(float, draw.random(20) < 0.5))
            name = f"{arm[0]}-s{seed}"
            results.append(
                RunResult(
                    run=name,
                    arm=arm,
                    seed=seed,
                    data=ALL,
                    language=False,
                    model=ALL,
                    cell="gru",
                    attention="none",
                    positions=ALL,
                    parameters=1000,
                    steps=40,
                    epochs=2,
                    best_epoch=2,
                    seconds=71.0,
                    sequences_per_second=2000.0,
                    reason=ALL,
                    split="test",
                    metrics={"test": {**SCORES, "sequence_accuracy": sum(right) / 20}},
                    baselines={"chance": SCORES},
                    rows={"test": RowScores((3,) * 20, (3,) * 20, right, (1,) * 20)},
                    trained_lengths={"source": (2, 5), "target": (2, 5)},
                    predictions=(ShownPrediction(ALL, HOSTILE, (ALL,)),),
                    attention_map=ShownAttention(HOSTILE[:2], (ALL,), ((0.1, 0.9),)),
                    samples=HOSTILE,
                )
            )
            run = folder / name
            run.mkdir(parents=True)
            (run / "config.yaml").write_text(ALL, "utf-8", errors="replace")
            (run / "metrics.jsonl").write_text('{"epoch": 1, "step": 1, "val_loss": 1.0}\n')
    environment = Environment(ALL, "2026", {ALL: ALL}, ALL, ALL, 1, ALL, ALL)
    append_environment(folder / "a-s0" / "environment.json", environment)
    comparison = replace(
        summarize(ALL, str(folder), results, [ALL], [ALL]),
        failed={ALL: RunFailed(ALL, ALL, Exit.DIVERGED)},
        left_out={ALL: ALL},
        differing={ALL: {results[0].arm: ALL, results[3].arm: None}},
    )
    return comparison_page(comparison, comparison_plots(comparison))


def hostile_search(folder) -> str:
    """Return the page of a search in which every text is hostile."""
    folder.mkdir()
    values = {"model.cell": ALL, "train.lr": 0.01}
    metrics = {"sequence_accuracy": 0.5, "loss": 1.0}
    trials = (Trial(1, ALL, values, metrics, 1.0), Trial(2, ALL, values, {}, 1.0, failed=ALL))
    parameters = (Parameter("model.cell", choices=HOSTILE), Parameter("train.lr", 1e-4, 1e-1, True))
    models = (ModelSearch(ALL, trials, trials[0], ALL),)
    metric = deciding_metric(False)
    write_search(SearchResult(ALL, str(folder), metric, parameters, models, (ALL,)))
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return name -> HTML of every kind of page."""
    folder = tmp_path_factory.mktemp("pages")
    html.export_html([hostile_source()], folder / "pairs.html", 4, False)
    texts = drawn_source(LANGUAGE[0], language())
    html.export_html([texts], folder / "language.html", 4, False)
    models = {name: (folder / f"{name}.html").read_text("utf-8") for name in ("pairs", "language")}
    return {
        "run": hostile_run(),
        "comparison": hostile_comparison(folder / "runs"),
        "search": hostile_search(folder / "search"),
        **models,
    }


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_hostile_texts_do_nothing_and_every_page_is_accessible(pages, tmp_path, dark):
    scripts = {name: f"{AUDIT}{SEEN}{script}" for name, script in SCRIPTS.items()}
    scripts["faulty"] = f"{AUDIT}tell('faulty', audit());"
    opened = open_pages({**pages, "faulty": FAULTY}, scripts, tmp_path, dark)
    assert opened.console == []
    results = opened.result
    assert set(results["faulty"]) >= set(FAULTS)
    assert any(one.startswith("wider than the window by") for one in results.pop("faulty"))
    for name, found in results.items():
        assert found["hacked"] == "undefined", name
        assert found["handlers"] == [], name
        assert not {"img", "iframe", "object", "embed", "base", "form"} & set(found["tags"]), name
        assert set(found["links"]) <= {"file:"}, name
        assert found["controls"] == [], name
        assert found["template"] or name in ("pairs", "language"), name
        assert found["requests"] == [], name
        assert found["problems"] == [], name
    assert set(results) == set(pages)
