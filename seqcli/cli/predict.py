"""``seqcli predict``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import bulk, completing, options
from seqcli.cli.lines import from_terminal, read_blocks, tokens_hint
from seqcli.cli.options import DECODING, OUTPUT
from seqcli.cli.prediction_writer import Writer
from seqcli.data.files.streams import Line
from seqcli.errors import UsageError
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.api.predicting import Predictor

EXAMPLES = """\
seqcli predict runs/reverse-gru-attention "3 1 4 1 5"
echo "3 1 4 1 5" | seqcli predict runs/reverse-gru-attention
seqcli predict models/pairs.pt --input words.txt.gz --out predictions.txt.gz
seqcli predict models/pairs.pt --input words.txt --beam 5 --nbest 3 --logprob
seqcli predict runs/reverse-gru-attention "3 1 4" --attention
seqcli predict 'runs/compare-reverse/gru-attention-s*' --input words.txt"""

MANY = 10_000  # minimum number of lines for which the elapsed time is reported


def _run_first(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the run; the other words are sources."""
    return [] if ctx.params.get("words") or ctx.params.get("ckpt") else completing.runs(incomplete)


Lines = Annotated[
    list[str] | None,
    typer.Argument(
        help="The run (unless --ckpt names it), then the texts to predict for; without texts, the "
        "lines of --input or of stdin.",
        metavar="RUN [TEXT]",
        autocompletion=_run_first,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", help="File of one source per line, may be gzipped; - is stdin.", metavar="FILE"
    ),
]
NBest = Annotated[
    int | None,
    typer.Option(
        "--nbest",
        help="Predictions per line, best first, separated by tabs." + options.DEFAULT.format(1),
        metavar="N",
        min=1,
        rich_help_panel=DECODING,
    ),
]
LogProb = Annotated[
    bool,
    typer.Option(
        "--logprob",
        help="Append the log-probability of each prediction (nats, <eos> included).",
        rich_help_panel=OUTPUT,
    ),
]
ShowScores = Annotated[
    bool, options.switch("--scores", "Append the beam-search score of each prediction.")
]
TokenProbs = Annotated[
    bool,
    options.switch(
        "--token-probs",
        "Append the probability of each token of a prediction, and of <eos>, separated by spaces; "
        "a table at a terminal.",
    ),
]
BatchLines = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        "--batch",
        help="Lines per batch." + options.DEFAULT.format("512 divided by the beam width"),
        metavar="N",
        rich_help_panel=DECODING,
        min=1,
    ),
]
OutFile = Annotated[
    str | None,
    typer.Option(
        "--out",
        help="Write predictions to this file (gzipped if it ends in .gz), called FILE.partial "
        "until it is complete; or, with --input, to a folder (FOLDER/), in parts.",
        metavar="FILE|FOLDER/",
        callback=bulk.checked_name,
        rich_help_panel=OUTPUT,
    ),
]
Lexicon = Annotated[
    Path | None,
    typer.Option(
        "--lexicon",
        help="File of known answers: source, tab, target. Its sources get these targets; a last "
        "column says known or predicted.",
        metavar="FILE",
        parser=options.path_to_read,
        rich_help_panel=DECODING,
    ),
]
Mass = Annotated[
    float | None,
    typer.Option(
        "--mass",
        help="As many predictions per line as it takes to reach this total probability, at most "
        "--nbest (here 10 by default).",
        metavar="P",
        min=0,
        max=1,
        rich_help_panel=DECODING,
    ),
]
LeastSure = Annotated[
    int | None,
    typer.Option(
        "--least-sure",
        help="Show only the N lines whose predictions have the lowest probability: line, "
        "log-probability, source, prediction.",
        metavar="N",
        min=1,
        rich_help_panel=OUTPUT,
    ),
]
Heat = Annotated[bool, options.switch("--attention", "Show the attention weights on stderr.")]


def _plot_path(text: str) -> Path:
    """Parse a path for plots: a .png file or a folder."""
    path = options.path_to_write(text)
    if path.suffix.lower() not in ("", ".png") and not text.endswith("/"):
        raise typer.BadParameter(
            f"only PNG is supported: give a name in .png, or a folder ({text}/)"
        )
    return path


HeatPng = Annotated[
    Path | None,
    typer.Option(
        "--attention-png",
        help="Draw the attention weights: a PNG file, or a folder with one per line.",
        metavar="PATH",
        parser=_plot_path,
        rich_help_panel=OUTPUT,
    ),
]


def predict(
    words: Lines = None,
    ckpt: options.Checkpoint = None,
    input_: Input = None,
    out: OutFile = None,
    jobs: bulk.Jobs = None,
    on: bulk.On = "",
    part_size: bulk.PartSize = None,
    beam: options.SearchBeam = None,
    nbest: NBest = None,
    mass: Mass = None,
    lexicon: Lexicon = None,
    least_sure: LeastSure = None,
    logprob: LogProb = False,
    scores: ShowScores = False,
    token_probs: TokenProbs = False,
    length_penalty: options.SearchPenalty = None,
    batch_size: BatchLines = None,
    attention: Heat = False,
    attention_png: HeatPng = None,
    backend: options.InferenceBackend = None,
    device: options.InferenceDevice = None,
    threads: options.InferenceThreads = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the target of each line with a trained model: one line out per line in.

    A blank line stays blank. An unusable line (not UTF-8, or too long) gives a blank line and a
    warning on stderr; the exit code is then 3.
    """

    models, text = _models_and_texts(words or [], ckpt)
    path = None if out in (None, "-") else Path(str(out))
    output = Out.standard(json=json, quiet=quiet, product=path is None)
    search: dict[str, Any] = {
        **{"beam": beam, "nbest": nbest or (10 if mass else 1), "length_penalty": length_penalty},
        **{"batch_size": batch_size, "backend": backend, "device": device, "threads": threads},
    }
    cells = {"logprob": logprob, "scores": scores, "token_probs": token_probs}
    if bulk.is_bulk(out, {"--jobs": jobs, "--on": on, "--part-size": part_size}):
        bulk.refuse({"TEXT": text, "--attention": attention or attention_png}, out)
        bulk.refuse({"--mass": mass, "--lexicon": lexicon, "--least-sure": least_sure}, out)
        search |= {**cells, "part_size": part_size, "on": on}
        return bulk.predict_parts(output, models, input_, out, jobs=jobs, force=force, **search)
    search |= {"mass": mass, "lexicon": lexicon, "token_probs": token_probs}
    writer = Writer(output, cells, attention, attention_png, force)
    writer.least_sure, writer.marks_known = least_sure, lexicon is not None
    return _predict_lines(writer, models, search, (text, input_), path)


def _models_and_texts(words: list[str], ckpt: list[Path] | None) -> tuple[list[Path], list[str]]:
    """Split the positional arguments: the first one is the run, unless ``--ckpt`` is given."""
    if ckpt:
        return ckpt, words
    named = [options.path_to_read(one) for one in words[:1]]
    return options.models(named, None), words[1:]


def _predict_lines(
    writer: Writer,
    ckpt: list[Path],
    search: Mapping[str, Any],
    given: tuple[list[str], str | None],
    path: Path | None,
) -> None:
    """Predict the given texts, or the lines of a file or of stdin."""
    from seqcli import api

    out = writer.out
    if out.json and path:
        raise UsageError("--json writes to stdout, --out to a file", "choose one")
    if writer.least_sure and (out.json or path):
        raise UsageError("--least-sure writes lines to stdout", "omit --json and --out")
    blocks = read_blocks(*given, out)
    predictor = api.open_predictor(ckpt, attention=writer.attention, **search)
    if from_terminal(*given):
        out.info(tokens_hint(predictor.model.codec))
    if out.json:
        from seqcli.report.json_documents import prediction_document

        predictions = (one for block in blocks for one in writer.predict(predictor, block))
        out.documents("predictions", map(prediction_document, predictions))
        writer.sum_up()
    elif writer.least_sure:
        writer.write_least_sure(predictor, blocks, writer.least_sure)
        writer.sum_up()
    else:
        _write(writer, predictor, blocks, path)
    writer.check_plots()


def _write(
    writer: Writer,
    predictor: Predictor,
    blocks: Iterable[list[Line]],
    path: Path | None,
) -> None:
    """Write the predictions to a file or to stdout, block by block."""
    from seqcli.files.growing import LinesFile
    from seqcli.formatting import duration, plural

    start = time.monotonic()
    file = LinesFile(path, writer.force) if path else None
    try:
        with file or nullcontext():
            for block in blocks:
                writer.write(predictor, block, file)
    except BaseException:
        if file and file.partial:
            written = plural(file.lines, "prediction")
            writer.out.info(f"{file.partial} has the first {written}")
        raise
    if file or writer.lines >= MANY:
        took = duration(time.monotonic() - start)
        writer.out.info(
            f"{file.path if file else 'finished'}: {plural(writer.lines, 'line')} in {took}"
        )
    writer.sum_up()
