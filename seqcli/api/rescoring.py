"""`rescore`: every score of an evaluation again, from the file of its predictions alone."""

from __future__ import annotations

import time
from pathlib import Path

from seqcli import registry
from seqcli.api.arguments import checked
from seqcli.data.tokenizers import Tokenizer
from seqcli.metrics.predictions_file import read_predictions
from seqcli.metrics.scores import score
from seqcli.metrics.table_file import table_lines
from seqcli.metrics.texts import holds_texts, read_texts, score_texts
from seqcli.results import Evaluation


@checked
def rescore(
    path: str | Path, *, source_tokens: str | None = None, target_tokens: str | None = None
) -> Evaluation:
    """Score a file of predictions; neither a checkpoint nor PyTorch is needed.

    Args:
        path: what ``evaluate(predictions=...)`` wrote for a model of pairs or a language model, or
            a table of source, truth, prediction; packed with gzip or not; ``-`` is stdin.
        source_tokens, target_tokens: how texts are cut into symbols, where the file does not say
            so; at spaces where most texts have some inside, else into characters.

    Raises:
        DataError, UsageError: one line that says what and where.
    """
    styles = [
        name and Tokenizer(registry.check("token style", name, registry.TOKEN_STYLES))
        for name in (source_tokens, target_tokens)
    ]
    began = time.monotonic()
    source, target = (style or None for style in styles)
    lines = table_lines(Path(path))
    if holds_texts(lines):
        found = score_texts(read_texts(Path(path), lines))
    else:
        found = score(read_predictions(Path(path), lines, source, target))
    return Evaluation(**vars(found), data=str(path), seconds=time.monotonic() - began)
