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
from numpy.typing import NDArray

from seqcli import __version__
from seqcli.config.sections import ModelConfig, describe
from seqcli.data.corpus import SPLITS, Pairs
from seqcli.descriptions import Exported
from seqcli.errors import UsageError
from seqcli.exporters import page_data
from seqcli.exporters.metadata import Card, ExportSource
from seqcli.exporters.page_data import StoredWeights
from seqcli.files.atomic import check_output, write_atomically, writing
from seqcli.messages import plural

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
    "positions.js",
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
TOLERANCE = 1e-3  # of a log-probability, per token
SUPPORTED = {  # what the scripts define; plugins may add others
    "cell": ("rnn", "gru", "lstm", "transformer"),
    "attention": ("none", "additive", "dot", "general", "monotonic"),
    "positions": ("sinusoidal", "learned", "rotary", "none"),
}
TOKEN_STYLES = ("chars", "graphemes", "words", "whole")
_UNSAFE = re.compile("[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def export_html(
    sources: Sequence[ExportSource], out: Path, rows: int, force: bool, card: Card | None = None
) -> Exported:
    """Write the page.

    Args:
        sources: the trained model, or the members of an ensemble.
        out: the file.
        rows: the number of rows that the page checks itself on.
        force: replace an existing file.
        card: ignored, because the page describes itself.

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
    text = render(document, [one.base64 for one in stored])
    page = text.encode("utf-8", errors="replace")  # names of files may not be UTF-8
    write_atomically(out, lambda file: file.write(page), overwrite=force)
    notes = [f"the page has {len(page) / 1e6:.1f} MB; open it in a browser", *notes]
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
    sources: Sequence[ExportSource], checks: Pairs, scores: NDArray[np.float64]
) -> tuple[list[StoredWeights], float, list[str]]:
    """Return the weights as the page has them, the largest difference of scores, and notes."""

    def differences(stored: Sequence[StoredWeights]) -> Any:
        rounded = page_data.forward(sources, [one.arrays for one in stored])
        return np.abs(page_data.log_probabilities(rounded, checks) - scores)  # (N,)

    full = [page_data.as_float32(one.checkpoint.weights) for one in sources]
    if sum(len(one.base64) for one in full) <= SMALL:
        return full, float(differences(full).max(initial=0.0)), []
    compact = [page_data.as_int16(one.checkpoint.weights) for one in sources]
    changes = differences(compact)
    per_token = float((changes / (checks.targets.lengths + 1)).max(initial=0.0))
    if per_token <= TOLERANCE:
        return compact, float(changes.max(initial=0.0)), ["the weights are rounded to 16 bits"]
    note = f"the weights have 32 bits: 16 bits would change log-probabilities by {per_token:.1e} "
    return full, float(differences(full).max(initial=0.0)), [f"{note}per token"]


def describe_page(
    sources: Sequence[ExportSource], stored: Sequence[StoredWeights]
) -> dict[str, Any]:
    """Return the data of the page without examples and checks."""
    first = sources[0]
    model = describe(first.config.model, first.codec.source is None)
    parameters = sum(weight.size for one in sources for weight in one.checkpoint.weights.values())
    return {
        "title": _title(sources),
        "model": model if len(sources) == 1 else f"ensemble of {len(sources)} models: {model}",
        "data": "" if first.checkpoint.record.name in SPLITS else first.checkpoint.record.name,
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


def _title(sources: Sequence[ExportSource]) -> str:
    """Return the name of the run folder or the checkpoint; for an ensemble that of the data."""
    path = sources[0].path.absolute()
    if len(sources) > 1:
        return sources[0].checkpoint.record.name or "ensemble"
    return path.parent.name if path.stem in ("best", "last") else path.stem


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
    """Describe what to type: the tokens of a source."""
    style = "" if document["source"] is None else document["source"]["tokenization"]
    labels = {"words": "Type words, separated by spaces", "whole": "Type a text"}
    return labels.get(style, "Type a text; each character is a token")


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
