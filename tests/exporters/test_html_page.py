"""The exported page: one file, no network, safe with any text, usable by keyboard and ear."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from browser import HOSTILE, needs_browser, open_page, with_script
from drawn_models import (
    CODEC,
    HOSTILE_CODEC,
    LANGUAGE,
    PAIRS,
    TRANSFORMERS,
    WORDS,
    drawn_source,
    ensemble,
    hostile_source,
    language,
)

from seqcli.data.corpus import Codec
from seqcli.data.vocabulary import Normalizer, Tokenizer, Vocabulary, feature_tokens, visible_token
from seqcli.decoding import inference
from seqcli.decoding.search import Search
from seqcli.errors import UsageError
from seqcli.exporters import html, page_data


def exported(sources, path, rows=4):
    """Write the page of models and return its text."""
    html.export_html(sources, path, rows, False)
    return path.read_text("utf-8")


def data_of(text):
    """Return the data that a page contains."""
    found = re.search(r'<script type="application/json" id="model">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


@pytest.fixture(scope="module", params=[False, True], ids=["pairs", "language"])
def page(request, tmp_path_factory):
    source = drawn_source(LANGUAGE[0], language()) if request.param else drawn_source(PAIRS[6])
    return exported([source], tmp_path_factory.mktemp("page") / "model.html")


def test_the_page_needs_nothing_else(page):
    without_data = re.sub(r"<script type=.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"https?:|//[a-z]|\bsrc=|\bhref=|url\(|@import|\bimport\(", without_data)
    assert not re.search(
        r"fetch|XMLHttpRequest|WebSocket|sendBeacon|innerHTML|eval\(", without_data
    )
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert page.count("</script>") == 3  # data, weights, scripts


def test_the_page_has_landmarks_headings_and_live_regions(page):
    assert '<html lang="en">' in page
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in page
    for tag in ("header", "main", "footer", "h1", "noscript"):
        assert len(re.findall(f"<{tag}[ >]", page)) == page.count(f"</{tag}>") == 1
    headings = re.findall(r"<(h[1-6])[ >]", page)
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
    assert 'role="alert"' in page
    assert 'aria-live="polite"' in page
    labelled = re.findall(r'aria-(?:labelledby|describedby)="([^"]*)"', page)
    labelled += re.findall(r'<label for="([^"]*)"', page)
    assert set(labelled) <= set(re.findall(r' id="([^"]*)"', page))


def test_scripts_are_short_and_all_are_included():
    for name in html.SCRIPTS:
        lines = (html.FOLDER / name).read_text("utf-8").splitlines()
        assert max(map(len, lines)) <= 100, name
        assert len(lines) <= 330, name
    listed = {path.name for path in html.FOLDER.glob("*.js")}
    assert listed == set(html.SCRIPTS)


def test_no_text_of_the_data_can_end_its_element():
    value = {"tokens": [*HOSTILE, "\x00", "\x85", "\ufeff"]}
    text = html.embeddable(value)
    assert not set(text) & set("<>&\u2028\x85\ud800")
    text.encode("utf-8")
    assert json.loads(text) == value


def test_hostile_texts_only_occur_escaped(tmp_path):
    text = exported([hostile_source()], tmp_path / "model.html")
    assert "<script>hacked" not in text
    assert "<img" not in text
    assert text.count("<script") == text.count("</script>") == 3
    assert data_of(text)["target"]["tokens"] == list(HOSTILE)


USE = """
const text = (id) => document.getElementById(id).textContent;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function use(source) {
  const field = document.getElementById("source");
  field.value = source;
  field.dispatchEvent(new Event("input"));
  await wait(2000);
  const candidates = [...document.querySelectorAll("#candidates .token")].map((x) => x.textContent);
  const [answer, note, said] = [text("answer"), text("source-note"), text("announcement")];
  const rows = [...document.querySelectorAll("#map tr")].map((row) => row.cells.length);
  document.querySelectorAll("#candidates button")[1].focus();
  document.activeElement.click();
  await wait(500);
  const focused = [...document.querySelectorAll("#candidates button")].indexOf(
    document.activeElement);
  const pressed = [...document.querySelectorAll("#candidates button")].map((one) => {
    return one.getAttribute("aria-pressed");
  });
  document.querySelectorAll("#steps button")[1].click();
  document.querySelectorAll("#bars button")[3].click();
  await wait(2000);
  const made = { ids: opened.view.forced, forced: text("forced"), answer: text("answer") };
  const fields = [...document.querySelectorAll("input")];
  report({
    candidates, answer, note, said, rows, pressed, focused, made, check: text("check"),
    best: opened.view.hypotheses[0].ids,
    unlabelled: fields.filter((one) => one.labels.length === 0).map((one) => one.id),
    unnamed: [...document.querySelectorAll("button:not([hidden])")].filter((one) => {
      return one.textContent === "";
    }).length,
    hacked: typeof hacked, injected: typeof injected, title: document.title,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    scripts: document.scripts.length, images: document.images.length,
    problem: text("problem"),
  });
}
"""


@needs_browser
def test_the_page_answers_explains_and_continues_as_told(tmp_path):
    source = hostile_source()
    text = exported([source], tmp_path / "model.html")
    line = "</script> nothing <!-- \x1b[31m"
    text = text.replace("</body>", "<script>var injected = 1;</script></body>")
    path = tmp_path / "used.html"
    path.write_text(with_script(text, f"{USE}use({html.embeddable(line)});"), "utf-8")
    opened = open_page(path)
    found = opened.result
    ids = HOSTILE_CODEC.source.encode(HOSTILE_CODEC.tokenize_source(line))
    rows = page_data.Ragged.from_rows([ids])
    (expected,) = inference.decode_sources(
        page_data.forward([source]), rows, source.limits, Search(5, 1.0, 5), 1
    )
    assert len(found["candidates"]) == 5
    first = HOSTILE_CODEC.target.decode(expected[0].ids)
    shown = " ".join(visible_token(token) for token in first)
    assert found["answer"].startswith(shown)
    assert found["candidates"][0] == found["answer"]
    assert found["said"].startswith(shown)
    assert found["note"] == "4 tokens; not in the vocabulary: nothing"
    assert found["rows"] == [5] * (len(first) + 2)  # a heading, the tokens and the end
    assert found["pressed"] == ["false", "true", "false", "false", "false"]
    assert found["focused"] == 1  # it stays where it was
    forced = found["made"]["ids"]
    assert len(forced) == 2
    assert found["best"][:2] == forced
    assert found["made"]["forced"].startswith("Made to begin with ")
    assert found["check"].startswith("Checked against the original on 4 rows")
    assert (found["hacked"], found["injected"]) == ("undefined", "undefined")
    assert found["title"].startswith("<title><script>? - GRU")
    assert (found["unlabelled"], found["unnamed"], found["images"]) == ([], 0, 0)
    assert (found["problem"], found["overflow"]) == ("", 0)
    (refused,) = opened.console
    assert "Content Security Policy" in refused  # the injected script, and nothing else


DRAW = """
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function use() {
  const set = (id, value) => {
    document.getElementById(id).value = value;
    document.getElementById(id).dispatchEvent(new Event("input"));
  };
  const bars = () => [...document.querySelectorAll("#bars .token")].map((one) => one.textContent);
  set("temperature", "0.5");
  set("count", "7");
  set("prefix", "ab");
  await wait(500);
  const first = bars();
  document.querySelector("#bars button").click();
  await wait(500);
  const prefix = document.getElementById("prefix").value;
  document.getElementById("draw").click();
  await wait(2000);
  const texts = [...document.querySelectorAll("#texts bdi")].map((one) => one.textContent);
  set("prefix", "ab?");
  report({
    first, prefix, texts, note: document.getElementById("prefix-note").textContent,
    disabled: document.getElementById("draw").disabled,
    said: document.getElementById("announcement").textContent,
  });
}
use();
"""


@pytest.mark.slow
@needs_browser
def test_a_language_model_draws_texts_after_a_prefix(tmp_path):
    text = exported([drawn_source(LANGUAGE[8], language())], tmp_path / "model.html")
    path = tmp_path / "used.html"
    path.write_text(with_script(text, DRAW), "utf-8")
    opened = open_page(path)
    found = opened.result
    assert opened.console == []
    tokens = {*CODEC.target.tokens, "end"}
    assert set(found["first"]) == tokens
    assert found["prefix"] in ("ab", f"ab{found['first'][0]}")
    assert len(found["texts"]) == 7
    assert all(one.startswith("ab") for one in found["texts"])
    assert found["note"] == "not in the vocabulary: ?"
    assert found["disabled"]
    assert found["said"].count(", ") == 6


TEXTS = [
    "plain words  here",
    " a\u00a0b\x1cc\ufeffd ",
    "Straße ÉLAN İ ΟΔΟΣ",
    "e\u0301te\u0301 \u0928\u093f \U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea\r\n",
    "\u1100\u1161\u11a8 ﬁ Å",
]
STYLES = ("chars", "words", "whole", "graphemes")
TOKENIZE = """
const texts = JSON.parse(document.getElementById("texts").textContent);
report(Object.fromEntries(texts.styles.map(([style, form, lower]) => {
  const side = new Side({ tokenization: style, joiner: "", tokens: [], lower }, form);
  return [`${style} ${form} ${lower}`, texts.texts.map((one) => side.split(one))];
}).concat([["features", texts.features.map((one) => featureTokens(one, "nfc"))],
           ["visible", texts.tokens.map(visible)]])));
"""


@pytest.mark.slow
@needs_browser
def test_texts_are_tokenized_as_python_does(tmp_path):
    styles = [(s, f, low) for s in STYLES for f in ("none", "nfc", "nfd") for low in (False, True)]
    features = ["N;ACC;PL", " N ; ;e\u0301", "", "V"]
    tokens = [*HOSTILE, " a", "a ", "", "\u0301", "a\u0301", "\t", "\U000e0001", "\u200d"]
    given = {"styles": styles, "texts": TEXTS, "features": features, "tokens": tokens}
    names = ("copying.js", "arrays.js", "decoding.js", "tokens.js")
    scripts = "\n".join((html.FOLDER / name).read_text("utf-8") for name in names)
    path = tmp_path / "texts.html"
    path.write_text(
        with_script(
            '<!DOCTYPE html><meta charset="utf-8"><body><script type="application/json" id="texts">'
            f"{html.embeddable(given)}</script><script>{scripts}</script></body>",
            TOKENIZE,
        ),
        "utf-8",
    )
    found = open_page(path).result
    for style, form, lower in styles:
        codec = Codec(
            Vocabulary(()),
            Tokenizer(style),
            None,
            WORDS,
            Normalizer(form, "both" if lower else "none"),
        )
        expected = [codec.tokenize_target(text) for text in TEXTS]
        assert found[f"{style} {form} {str(lower).lower()}"] == expected
    assert found["features"] == [feature_tokens(one, Normalizer("nfc")) for one in features]
    assert found["visible"] == [visible_token(one) for one in tokens]


def luminance(color):
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """Return the contrast ratio of two colors, as WCAG 2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_enough_contrast(dark):
    light, night = re.findall(r":root \{([^}]*)\}", (html.FOLDER / "page.css").read_text("utf-8"))
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light))
    if dark:
        colors |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", night))
    texts = [
        *((one, other) for one in ("text", "soft", "mark", "wrong") for other in ("page", "card")),
        ("text", "fill"),
        ("on-mark", "mark"),
    ]
    for one, other in texts:
        assert contrast(colors[one], colors[other]) >= 4.5, (one, other)
    for other in ("page", "card"):  # borders of fields
        assert contrast(colors["line"], colors[other]) >= 3


def test_weights_are_rounded_if_the_page_would_be_large(tmp_path, monkeypatch):
    source = drawn_source(PAIRS[6])
    full = html.export_html([source], tmp_path / "full.html", 8, False)
    monkeypatch.setattr(html, "SMALL", 1000)
    monkeypatch.setattr(html, "TOLERANCE", 1.0)
    small = html.export_html([source], tmp_path / "small.html", 8, False)
    assert "the weights are rounded to 16 bits" in small.notes
    assert 0 < small.largest_difference < 1e-2
    assert full.largest_difference == 0
    monkeypatch.setattr(html, "TOLERANCE", 1e-9)
    kept = html.export_html([source], tmp_path / "kept.html", 8, False)
    assert kept.largest_difference == 0
    assert any("16 bits would change" in note for note in kept.notes)


def test_rounding_is_relative_to_the_largest_weight_of_a_row():
    random = np.random.default_rng(0)
    matrix = random.normal(size=(5, 40)).astype(np.float32) * 10.0 ** np.arange(-3, 2)[:, None]
    matrix[2] = 0
    weights = {"a": matrix.astype(np.float32), "b": matrix[0].astype(np.float32)}
    stored = page_data.as_int16(weights)
    bound = np.abs(matrix).max(axis=1, keepdims=True) / 65534 * 1.01 + 1e-12
    assert (np.abs(stored.arrays["a"] - weights["a"]) <= bound).all()
    np.testing.assert_array_equal(stored.arrays["b"], weights["b"])
    assert len(stored.data) == 5 * 4 + 2 * matrix.size + 4 * 40


def test_an_ensemble_is_one_page(tmp_path):
    found = data_of(exported(ensemble(), tmp_path / "model.html"))
    assert found["model"].startswith("ensemble of 2 models")
    assert len(found["members"]) == 2


def test_a_part_that_the_page_lacks_is_refused(tmp_path):
    source = drawn_source(TRANSFORMERS[0])
    model = replace(source.config.model, positions="spiral")
    other = replace(source, config=replace(source.config, model=model))
    with pytest.raises(UsageError, match=r"an HTML page cannot run this model: .* 'spiral'"):
        html.export_html([other], tmp_path / "model.html", 4, False)
    codec = replace(source.codec, target_tokenizer=Tokenizer("syllables"))
    other = replace(source, checkpoint=replace(source.checkpoint, codec=codec))
    with pytest.raises(UsageError, match="no tokenization 'syllables'"):
        html.export_html([other], tmp_path / "model.html", 4, False)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_replaced(tmp_path):
    path = tmp_path / "model.html"
    path.write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        html.export_html([drawn_source(PAIRS[0])], path, 4, False)
    assert path.read_text() == "mine"
