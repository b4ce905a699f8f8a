"""The pages of `export --to html`: equal answers, file sizes, and seconds per answer in Chromium.

Every architecture is trained briefly and exported. The browser answers the lines of the test split
with a beam of 5, and PyTorch answers them too. Language models score texts that they have drawn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure

import seqcli
from seqcli.data.build import corpus as build_corpus
from seqcli.exporters.html import embeddable

sys.path.insert(0, str(Path(__file__).parent.parent))
from browser import open_page, with_script

BEAM = 5
PAIRS = {"task": "reverse", "length": "5:20", "train_rows": 2000, "val_rows": 50}
NAMES = {"task": "names", "train_rows": 2000, "val_rows": 50, "test_rows": 50}
MODELS: dict[str, dict[str, Any]] = {
    "gru, additive attention": {**PAIRS, "cell": "gru", "attention": "additive"},
    "lstm, dot attention": {**PAIRS, "cell": "lstm", "attention": "dot"},
    "rnn without attention": {**PAIRS, "cell": "rnn", "attention": "none"},
    "gru, copying": {**PAIRS, "cell": "gru", "attention": "additive", "copy": True},
    "transformer, sinusoidal": {**PAIRS, "cell": "transformer"},
    "transformer, rotary": {**PAIRS, "cell": "transformer", "set": ["model.positions=rotary"]},
    "language model, gru": {**NAMES, "cell": "gru"},
    "language model, transformer": {**NAMES, "cell": "transformer"},
    "language model, rnn in numpy": {
        **NAMES,
        "cell": "rnn",
        "backend": "numpy",
        "set": ["model.dropout=0"],
    },
}
ANSWER = """
const seconds = [];
function timed(compute) {
  const started = performance.now();
  const result = compute();
  seconds.push((performance.now() - started) / 1000);
  return result;
}
function answer({ page, model, view }, line) {
  const ids = view.source.encode(view.source.split(line));
  const from = finish(readPrefix(model, model.start(ids), []));
  const found = finish(beamSearch(model, from, lengthsFor(page.limits, ids.length), page.search));
  return found.map((one) => [view.target.text(one.ids), one.logProbability]);
}
function likelihood({ model, view }, text) {
  return [[text, finish(score(model, model.start(), view.target.encode(view.target.split(text))))]];
}
const compute = opened.page.source === null ? likelihood : answer;
report({
  answers: GIVEN.map((one) => timed(() => compute(opened, one))), seconds,
  requests: performance.getEntriesByType("resource").map((one) => one.name),
});
"""


def lines_of(run: seqcli.Run, rows: int) -> list[str]:
    """Return sources of the test split."""
    corpus = build_corpus(run.config.data, run.config.task)
    sources = corpus.splits["test"].sources
    assert sources is not None
    return [corpus.codec.source_text(sources[i].tolist()) for i in range(min(rows, len(sources)))]


def original(run: seqcli.Run, rows: int) -> tuple[list[str], list[list[tuple[str, float]]]]:
    """Return what to give to a model, and PyTorch's answers with their log-probabilities."""
    if run.config.data.task == "names":
        drawn = seqcli.sample(run.path, rows, seed=0, logprob=True, backend="torch").samples
        return [one.text for one in drawn], [[(one.text, one.log_probability)] for one in drawn]
    lines = lines_of(run, rows)
    predicted = seqcli.predict(run.path, lines, beam=BEAM, nbest=BEAM, backend="torch")
    answers = [[(one.text, one.log_probability) for one in row.candidates] for row in predicted]
    return lines, answers


def compared(found: Any, answers: list[list[tuple[str, float]]]) -> dict[str, Any]:
    """Return the largest difference of a log-probability, and the rows whose answers are equal."""
    theirs = [[tuple(one) for one in row] for row in found["answers"]]
    pairs = [
        (ours, dict(row)[text])
        for expected, row in zip(answers, theirs, strict=True)
        for text, ours in expected
        if text in dict(row)
    ]
    best = [row[0][0] for row in answers] == [row[0][0] for row in theirs]
    same = sum(
        [text for text, _ in a] == [text for text, _ in b]
        for a, b in zip(answers, theirs, strict=True)
    )
    return {
        "rows": len(answers),
        "best_answers_equal": best,
        "rows_with_equal_lists": same,
        "log_probabilities": len(pairs),
        "largest_difference": max(abs(ours - other) for ours, other in pairs),
        "median_ms": round(1000 * statistics.median(found["seconds"]), 1),
        "slowest_ms": round(1000 * max(found["seconds"]), 1),
    }


def measured(name: str, folder: Path, rows: int, steps: int) -> dict[str, Any]:
    """Train, export and open one model."""
    options = {"recipe": "none", "steps": steps, "threads": 1, "out": str(folder / "run")}
    run = seqcli.train(**{"test_rows": rows, **MODELS[name], **options})
    page = folder / "model.html"
    seqcli.export(run.path, to="html", out=page, rows=rows)
    given, answers = original(run, rows)
    text = page.read_text("utf-8")
    used = folder / "used.html"
    script = f"const GIVEN = {embeddable(given)};{ANSWER}"
    used.write_text(with_script(text, script), "utf-8")
    opened = open_page(used, clock="", timeout=600)
    return {
        "bytes": len(text.encode()),
        "console": opened.console,
        "requests": opened.result["requests"],
        **compared(opened.result, answers),
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200, help="lines given to each model")
    parser.add_argument("--steps", type=int, default=150, help="optimizer steps of each model")
    parser.add_argument("--only", choices=list(MODELS), help="one model")
    options = parser.parse_args()
    before, results = measure.load(), {}
    for name in [options.only] if options.only else MODELS:
        print(name, file=sys.stderr, flush=True)
        with TemporaryDirectory() as folder:
            results[name] = measured(name, Path(folder), options.rows, options.steps)
    settings = {"rows": options.rows, "steps": options.steps, "beam": BEAM}
    measure.publish("html_models", settings, results, before)


if __name__ == "__main__":
    main()
