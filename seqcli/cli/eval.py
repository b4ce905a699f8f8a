"""``seqcli eval``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import options
from seqcli.cli.options import DECODING, OUTPUT
from seqcli.config.flags import spelt
from seqcli.errors import UsageError
from seqcli.messages import model_words
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.results import Evaluation

EXAMPLES = """\
seqcli eval runs/reverse-gru-attention
seqcli eval runs/reverse-gru-attention --beam 5 --json
seqcli eval runs/scan-lstm --oracle-length
seqcli eval runs/reverse-gru-attention runs/reverse-lstm
seqcli eval models/pairs.pt --data more.tsv --predictions predictions.tsv
seqcli eval models/pairs.pt --data more.csv --columns source=word,target=pron
seqcli eval runs/two-languages --by features
seqcli eval --score predictions.tsv
seqcli eval names.pt --data names_test.txt --predictions losses.tsv"""

OTHER_DATA = "Other data"

Split = Annotated[
    str, typer.Option("--split", help="Split to evaluate: train, val or test.", metavar="NAME")
]
OtherData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder or file to evaluate on.",
        metavar="PATH",
        rich_help_panel=OTHER_DATA,
        parser=options.path_to_read,
    ),
]
Format = Annotated[str | None, options.as_trained("format", "NAME", "Its format.", OTHER_DATA)]
Columns = Annotated[
    str | None,
    options.as_trained("columns", "ROLE=COLUMN,...", "Roles of its columns.", OTHER_DATA),
]
Separator = Annotated[
    str | None, options.as_trained("separator", "TEXT", "Separator of its columns.", OTHER_DATA)
]
OracleLength = Annotated[
    bool,
    typer.Option(
        "--oracle-length",
        help="Decode to the length of the reference: allow <eos> only there. This separates wrong "
        "tokens from stopping too early or too late.",
        rich_help_panel=DECODING,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Also score each value of the features column apart: --by features.",
        metavar="COLUMN",
        rich_help_panel=OUTPUT,
    ),
]
Predictions = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        help="Write the prediction (or loss) of every row to a file.",
        metavar="FILE.tsv",
        parser=options.path_to_write,
        rich_help_panel=OUTPUT,
    ),
]


Score = Annotated[
    Path | None,
    typer.Option(
        "--score",
        help="Score this file; no checkpoint is needed.",
        metavar="FILE.tsv",
        rich_help_panel=options.PREDICTIONS_FILE,
        parser=options.path_to_read,
    ),
]
Rows = Annotated[
    int, typer.Option("--rows", help="Rows to show.", metavar="N", min=0, rich_help_panel=OUTPUT)
]
SourceTokens = Annotated[str | None, options.file_tokens("source")]
TargetTokens = Annotated[str | None, options.file_tokens("target")]


def evaluate(
    run: options.Runs = None,
    ckpt: options.Checkpoint = None,
    split: Split = "test",
    data: OtherData = None,
    format: Format = None,
    columns: Columns = None,
    separator: Separator = None,
    beam: options.SearchBeam = None,
    length_penalty: options.SearchPenalty = None,
    oracle_length: OracleLength = False,
    by: By = None,
    batch_size: options.BatchRows = 256,
    predictions: Predictions = None,
    score: Score = None,
    source_tokens: SourceTokens = None,
    target_tokens: TargetTokens = None,
    rows: Rows = 10,
    report: options.Report = False,
    backend: options.InferenceBackend = None,
    device: options.InferenceDevice = None,
    threads: options.InferenceThreads = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Evaluate a trained model, or score a file of predictions.

    Every score comes with a 95% confidence interval and with baselines for comparison.
    """
    from seqcli.report.evaluation import show_evaluation
    from seqcli.report.json_documents import evaluation_document

    out, named = Out.standard(json=json, quiet=quiet), [*(run or ()), *(ckpt or ())]
    settings = {
        **{"data": data, "format": format, "columns": columns, "separator": separator},
        **{"beam": beam, "length_penalty": length_penalty, "oracle_length": oracle_length},
        "predictions": predictions,
        **{"backend": backend, "device": device, "threads": threads},
    }
    styles = {"source_tokens": source_tokens, "target_tokens": target_tokens}
    decoding = {"split": split, "batch_size": batch_size}
    _check_report(report, named)
    evaluation = _evaluation(named, score, settings, styles, decoding, by)
    if json:
        out.document(evaluation_document(evaluation, rows))
    else:
        show_evaluation(out, evaluation, rows)
    _show_end(out, named, evaluation, report)


def _show_end(out: Out, named: Sequence[Path], evaluation: Evaluation, report: bool) -> None:
    """Write the page of the run, if requested, and suggest a command."""
    from seqcli import api

    if report:
        out.info(f"report: {api.write_report(named[0], evaluation=evaluation)}")
    if named:
        out.info(f"next: {_next(named, evaluation)}")


def _check_report(report: bool, named: Sequence[Path]) -> None:
    if report and len(named) != 1:
        raise UsageError("--report needs one run", "name one run, or omit --report")


def _evaluation(
    ckpt: Sequence[Path],
    score: Path | None,
    settings: Mapping[str, Any],
    styles: Mapping[str, str | None],
    decoding: Mapping[str, Any],
    by: str | None,
) -> Evaluation:
    """Score a checkpoint (``settings``, ``decoding``) or a file of predictions (``styles``).

    Raises:
        UsageError: neither or both are given, or an option does not apply to the given one.
    """
    from seqcli import api

    if bool(ckpt) == (score is not None):
        problem = "nothing to evaluate" if not ckpt else "a run and --score are both given"
        raise UsageError(problem, "give either RUN or --score FILE.tsv")
    only_with_ckpt = {"split": decoding["split"] != "test", **settings}
    others = only_with_ckpt if score else styles
    misplaced = [name for name, value in others.items() if value not in (None, False)]
    if misplaced:
        option, other = spelt(misplaced[0]), "--score" if score else "a run"
        raise UsageError(f"{option} cannot be used with {other}", "omit one of them")
    if score is not None:
        return api.rescore(score, by=by, **styles)
    return api.evaluate(ckpt, by=by, **settings, **decoding)


def _next(ckpt: Sequence[Path], evaluation: Evaluation) -> str:
    """Return the command that predicts the first row, or samples from a language model."""
    if evaluation.novelty is not None:
        return f"seqcli sample {model_words(ckpt)} --n 10"
    command = f"seqcli predict {model_words(ckpt, sources_follow=True)}"
    rows = evaluation.predictions
    first = rows[0].line(evaluation.source_joiner) if rows else ""
    if not first or not first.replace("\t", "").isprintable():
        return command
    if "\t" in first:  # followed by features
        shown = first.replace("\\", "\\\\").replace("%", "%%").replace("\t", r"\t") + r"\n"
        return f"printf {shlex.quote(shown)} | {command}"
    return f"{command} {shlex.quote(first)}"
