"""Export to one HTML page that runs the model in the browser, without a server or a network.

The forward pass is JavaScript (``page/*.js``), with the structure of
`seqcli.numpy_backend.forward`. When the page opens, it compares its log-probabilities with those of
the original on rows that it contains, and says whether they are equal.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcli import __version__
from seqcli.config.sections import ModelConfig, describe
from seqcli.errors import UsageError
from seqcli.exporters import page_data
from seqcli.exporters.metadata import ExportSource
from seqcli.exporters.page_data import StoredWeights
from seqcli.files.atomic import check_output, write_atomically, writing
from seqcli.messages import plural
from seqcli.results import Exported

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (  # in the order of their definitions
    "arrays.js",
    "layers.js",
    "rnn.js",
    "attention.js",
    "copying.js",
    "seq2seq.js",
    "transformer.js",
    "language_model.js",
    "build.js",
    "decoding.js",
    "tokens.js",
    "elements.js",
    "pairs.js",
    "language.js",
    "main.js",
)
SMALL = 3_000_000  # bytes; weights of larger pages are rounded to 16 bits
TOLERANCE = 1e-3  # of the log-probability of a row
SUPPORTED = {  # what the scripts define; plugins may add others
    "cell": ("rnn", "gru", "lstm", "transformer"),
    "attention": ("none", "additive", "dot", "general", "monotonic"),
    "positions": ("sinusoidal", "learned", "rotary", "none"),
}
TOKEN_STYLES = ("chars", "graphemes", "words", "whole")
_UNSAFE = re.compile("[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def export_html(sources: Sequence[ExportSource], out: Path, rows: int, force: bool) -> Exported:
    """Write the page.

    Args:
        sources: the trained model, or the members of an ensemble.
        out: the file.
        rows: the number of rows that the page checks itself on.
        force: replace an existing file.

    Raises:
        UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    for source in sources:
        check_supported(source)
    with writing(out):
        check_output(out, overwrite=force)
    original = page_data.forward(sources)
    checks = page_data.check_rows(sources, original, rows)
    scores = page_data.log_probabilities(original, checks)
    stored, difference, notes = _stored(sources, checks, scores)
    texts, split = page_data.examples(sources[0].config, sources[0].codec)
    document = describe_page(sources, stored) | {
        "examples": texts,
        "checks": page_data.describe_checks(checks, scores),
        "tolerance": TOLERANCE,
    }
    page = render(document, [one.base64 for one in stored]).encode("utf-8")
    write_atomically(out, lambda file: file.write(page), overwrite=force)
    notes = [f"{len(page) / 1e6:.1f} MB", *notes]
    if texts:
        notes.append(f"the page contains {plural(len(texts), 'source')} of {split} as examples")
    steps = len(checks.targets.tokens) + len(checks)
    compared = "largest difference of log-probabilities with the stored weights"
    return Exported("html", (str(out),), len(checks), steps, difference, tuple(notes), compared)


def check_supported(source: ExportSource) -> None:
    """Refuse a model with a part that the scripts do not define.

    Raises:
        UsageError: the message names the part.
    """
    for kind, names in SUPPORTED.items():
        name = getattr(source.config.model, kind)
        if name not in names and _is_used(source.config.model, kind):
            raise _refusal(source, f"{kind} {name!r}")
    codec = source.codec
    used = [codec.target_tokenizer] + [codec.source_tokenizer] * (codec.source is not None)
    for tokenizer in used:
        if tokenizer.style not in TOKEN_STYLES:
            raise _refusal(source, f"tokenization {tokenizer.style!r}")


def _is_used(config: ModelConfig, kind: str) -> bool:
    """Return whether a setting has an effect for this cell."""
    return kind == "cell" or (config.cell == "transformer") == (kind == "positions")


def _refusal(source: ExportSource, part: str) -> UsageError:
    message = f"{source.path}: an HTML page cannot run this model: it has no {part}"
    return UsageError(message, "export the weights: --to safetensors")


def _stored(
    sources: Sequence[ExportSource], checks: Any, scores: Any
) -> tuple[list[StoredWeights], float, list[str]]:
    """Return the weights as the page has them, the largest difference of scores, and notes."""

    def difference(stored: Sequence[StoredWeights]) -> float:
        rounded = page_data.forward(sources, [one.arrays for one in stored])
        found = page_data.log_probabilities(rounded, checks)
        return float(np.abs(found - scores).max(initial=0.0))

    full = [page_data.as_float32(one.checkpoint.weights) for one in sources]
    if sum(len(one.base64) for one in full) <= SMALL:
        return full, difference(full), []
    compact = [page_data.as_int16(one.checkpoint.weights) for one in sources]
    loss = difference(compact)
    if loss <= TOLERANCE:
        return compact, loss, ["the weights are rounded to 16 bits"]
    note = f"the weights have 32 bits: 16 bits would change a log-probability by {loss:.1e}"
    return full, difference(full), [note]


def describe_page(
    sources: Sequence[ExportSource], stored: Sequence[StoredWeights]
) -> dict[str, Any]:
    """Return the data of the page without examples and checks."""
    first = sources[0]
    model = describe(first.config.model, first.codec.source is None)
    parameters = sum(weight.size for one in sources for weight in one.checkpoint.weights.values())
    return {
        "title": first.checkpoint.record.name or first.config.data.task or "model",
        "model": model if len(sources) == 1 else f"ensemble of {len(sources)} models: {model}",
        "parameters": parameters,
        "madeBy": f"seqcli {__version__}",
        **page_data.describe_texts(first.codec),
        "limits": page_data.describe_lengths(sources),
        "search": {
            "width": max(first.config.decode.beam, 5),
            "penalty": first.config.decode.length_penalty,
            "nbest": 5,
        },
        "members": [page_data.describe_member(*pair) for pair in zip(sources, stored, strict=True)],
    }


def render(document: dict[str, Any], weights: Sequence[str]) -> str:
    """Return the page: its data, its weights and its scripts, which only their hashes allow."""
    script = "\n".join((FOLDER / name).read_text("utf-8") for name in SCRIPTS)
    script = f'"use strict";\n{script}'
    style = (FOLDER / "page.css").read_text("utf-8")
    return _template().render(
        page=document,
        input_label=_input_label(document),
        ranking=_ranking(document["search"]["penalty"]),
        data=embeddable(document),
        weights=weights,
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def _input_label(document: dict[str, Any]) -> str:
    style = (document["source"] or {}).get("tokenization")
    return {"words": "Type words, separated by spaces", "whole": "Type a text"}.get(
        style, "Type a text; each character is a token"
    )


def _ranking(penalty: float) -> str:
    """Describe how a beam search ranks the answers."""
    if penalty == 0:
        return "Ranked by probability."
    if penalty == 1:
        return "Ranked by mean log-probability per token."
    return f"Ranked by log-probability / length^{penalty:g}."


def embeddable(value: Any) -> str:
    """Return JSON that can be embedded in a ``<script>`` element.

    No text of the data can end the element or begin a comment, because ``<``, ``>`` and ``&`` are
    escaped. So are characters that UTF-8 or HTML cannot represent.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _hash(text: str) -> str:
    """Return the hash of an inline script or style, as a Content-Security-Policy lists it."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((FOLDER / "page.html").read_text("utf-8"))
