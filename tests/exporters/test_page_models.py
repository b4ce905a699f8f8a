"""The JavaScript models are the NumPy models: equal scores, predictions, attention and samples."""

from __future__ import annotations

import numpy as np
import pytest
from browser import REPORT, needs_browser, open_page
from drawn_models import every_source

from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import SamplingConfig, describe
from seqcli.data.corpus import Pairs
from seqcli.decoding import inference
from seqcli.decoding.search import Search
from seqcli.decoding.strategies import draw
from seqcli.exporters import html, page_data

EXACT = {"atol": 1e-8, "rtol": 1e-8}  # both compute in float64
BEAM, GREEDY = Search(4, 1.0, 3), Search(1, 1.0, 1)
ROWS = 2
PREFIX = [5, 7]
SETTINGS = {
    name: {"width": one.beam, "penalty": one.length_penalty, "nbest": one.nbest}
    for name, one in (("beam", BEAM), ("greedy", GREEDY))
}
UNIFORM = [0.0, 0.03, 0.2, 0.41, 0.5, 0.77, 0.9, 0.999]
RUN = (
    f"const UNIFORM = {UNIFORM};"
    + """
const cases = JSON.parse(document.getElementById("cases").textContent);
function run({ page, weights, prefix, beam, greedy }) {
  const model = buildPage(page, weights);
  const scores = page.checks.map(({ source, target }) => {
    return finish(score(model, model.start(source), target));
  });
  const { source, target } = page.checks[0];
  const maps = finish(trace(model, model.start(source), target)).map(({ attention }) => {
    return attention === null ? null : Array.from(attention);
  });
  const search = (settings) => page.checks.map(({ source }) => {
    const from = finish(readPrefix(model, model.start(source), []));
    return finish(beamSearch(model, from, lengthsFor(page.limits, source.length), settings));
  });
  const next = finish(readPrefix(model, model.start(source), prefix));
  const output = model.step(next.token, next.state).logits;
  const distribution = Array.from(probabilities(nextScores(output), 0.7));
  const drawn = UNIFORM.map((number) => draw(distribution, () => number));
  return { scores, maps, distribution, drawn, beam: search(beam), greedy: search(greedy) };
}
report(cases.map(run));
"""
)


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.slow)])
def models(request):
    """Return every other model."""
    return every_source()[request.param :: 2]


@pytest.fixture(scope="module")
def rows(models):
    """Return the backend and the rows of each model."""
    backends = [page_data.forward(one) for one in models]
    pairs = zip(models, backends, strict=True)
    return [(backend, page_data.check_rows(one, backend, ROWS)) for one, backend in pairs]


@pytest.fixture(scope="module")
def results(models, rows, tmp_path_factory):
    """Return what the scripts compute for every model, in one start of the browser."""
    cases = []
    for sources, (backend, checks) in zip(models, rows, strict=True):
        stored = [page_data.as_float32(one.checkpoint.weights) for one in sources]
        scores = page_data.log_probabilities(backend, checks)
        page = html.describe_page(sources, stored)
        page["checks"] = page_data.describe_checks(checks, scores)
        weights = [one.base64 for one in stored]
        cases.append({"page": page, "weights": weights, "prefix": PREFIX, **SETTINGS})
    return _run(cases, tmp_path_factory.mktemp("models") / "models.html")


def _run(cases, path):
    scripts = "\n".join(
        (html.FOLDER / name).read_text("utf-8") for name in html.SCRIPTS if name != "main.js"
    )
    path.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body>'
        f'<script type="application/json" id="cases">{html.embeddable(cases)}</script>'
        f'<script>"use strict";{scripts}{REPORT}{RUN}</script></body>',
        "utf-8",
    )
    opened = open_page(path)
    assert opened.console == []
    return opened.result


def each(models, rows, results):
    for sources, (backend, checks), found in zip(models, rows, results, strict=True):
        first = sources[0]
        config = first.config.model
        yield describe(config, first.codec.source is None), sources, backend, checks, found


@needs_browser
def test_scores_are_equal(models, rows, results):
    for name, _, backend, checks, found in each(models, rows, results):
        expected = page_data.log_probabilities(backend, checks)
        np.testing.assert_allclose(found["scores"], expected, **EXACT, err_msg=name)


@needs_browser
def test_predictions_and_their_scores_are_equal(models, rows, results):
    for name, sources, backend, checks, found in each(models, rows, results):
        limits = page_data.joint_limits(sources)
        if checks.sources is None:
            expected = [inference.decode_texts(backend, (), limits.prediction(0), BEAM)] * ROWS
        else:
            expected = inference.decode_sources(backend, checks.sources, limits, BEAM, 64)
        for ours, theirs in zip(found["beam"], expected, strict=True):
            assert [one["ids"] for one in ours] == [one.ids for one in theirs], name
            assert [one["truncated"] for one in ours] == [one.truncated for one in theirs]
            for key, attribute in (("logProbability", "log_probability"), ("score", "score")):
                values = [getattr(one, attribute) for one in theirs]
                np.testing.assert_allclose([one[key] for one in ours], values, **EXACT)


@needs_browser
def test_greedy_predictions_are_equal(models, rows, results):
    """Rows to check have the greedy predictions of the original."""
    for name, _, _, checks, found in each(models, rows, results):
        if checks.sources is not None:
            expected = [checks.targets[row].tolist() for row in range(ROWS)]
            assert [one["ids"] for (one,) in found["greedy"]] == expected, name


@needs_browser
def test_attention_weights_are_equal(models, rows, results):
    maps = 0
    for name, _, backend, checks, found in each(models, rows, results):
        if checks.sources is None:
            continue
        expected = inference.attention_map(
            backend, checks.sources[0].tolist(), checks.targets[0].tolist()
        )
        if expected is None:
            assert set(found["maps"]) == {None}
        else:
            maps += 1
            np.testing.assert_allclose(found["maps"], expected, **EXACT, err_msg=name)
    assert maps > 10


@needs_browser
def test_the_distribution_after_a_prefix_is_equal(models, rows, results):
    for name, _, backend, checks, found in each(models, rows, results):
        if checks.sources is None:
            expected = inference.next_token(backend, PREFIX, SamplingConfig(temperature=0.7))
            np.testing.assert_allclose(found["distribution"], expected, **EXACT, err_msg=name)
            repeated = np.repeat(expected[None], len(UNIFORM), axis=0)
            assert found["drawn"] == draw(repeated, Given()).tolist()


class Given:
    """Gives numbers that are known instead of random ones."""

    def random(self, count):
        assert count == len(UNIFORM)
        return np.array(UNIFORM)


def test_the_models_have_every_part_that_a_page_supports():
    configs = [one.config.model for sources in every_source() for one in sources]
    for kind, names in html.SUPPORTED.items():
        assert {getattr(config, kind) for config in configs} == set(names)


def test_rows_to_check_are_short_and_have_predictions(models, rows):
    for sources, (_, checks) in zip(models, rows, strict=True):
        assert isinstance(checks, Pairs)
        assert len(checks) == ROWS
        limits = page_data.joint_limits(sources)
        assert checks.source_lengths.max() <= limits.source
        assert isinstance(checks.targets, Ragged)
