"""``seqcli predict``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli.cli import options
from seqcli.cli.lines import read_lines, typing
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.report.console import Out
    from seqcli.results import Prediction

EXAMPLES = """\
seqcli predict --ckpt runs/reverse-gru-attention "3 1 4 1 5"
echo "3 1 4 1 5" | seqcli predict --ckpt runs/reverse-gru-attention
seqcli predict --ckpt models/pairs.pt --input words.txt --beam 5 --nbest 3 --scores
seqcli predict --ckpt runs/reverse-gru-attention "3 1 4" --attention"""

Lines = Annotated[
    list[str] | None,
    typer.Argument(help="What to answer; without any, lines of --input or stdin.", metavar="TEXT"),
]
Input = Annotated[
    str | None,
    typer.Option("--input", help="A file, one source per line; - is stdin.", metavar="FILE"),
]
NBest = Annotated[
    int,
    typer.Option("--nbest", help="Answers per line, best first, between tabs.", metavar="N", min=1),
]
Scores = Annotated[bool, typer.Option("--scores", help="Put its score behind each answer.")]
Heat = Annotated[bool, typer.Option("--attention", help="Show on stderr where the model looked.")]
HeatPng = Annotated[
    Path | None,
    typer.Option(
        "--attention-png",
        help="Draw that as a PNG file, or one per line into a folder.",
        metavar="PATH",
    ),
]


def predict(
    ckpt: options.Checkpoint,
    text: Lines = None,
    input_: Input = None,
    beam: options.SearchBeam = None,
    nbest: NBest = 1,
    scores: Scores = False,
    length_penalty: options.SearchPenalty = None,
    batch_size: options.BatchRows = 256,
    attention: Heat = False,
    attention_png: HeatPng = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Answer lines with a trained model: one line out for each line in."""
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.documents import predictions_document

    out = Out.standard(json=json, quiet=quiet)
    answers = api.predict(
        ckpt,
        read_lines(text or [], input_, out),
        beam=beam,
        nbest=nbest,
        length_penalty=length_penalty,
        batch_size=1 if typing(text, input_) else batch_size,
        attention=attention or attention_png is not None,
    )
    told = _told(answers, out, scores, attention, attention_png)
    if json:
        out.document(predictions_document(told))
        return
    for _ in told:
        pass


def _told(
    answers: Iterable[Prediction], out: Out, scores: bool, heat: bool, png: Path | None
) -> Iterator[Prediction]:
    """Write each answer as it comes, and hand it on."""
    for number, answer in enumerate(answers, 1):
        out.write(_line(answer, scores))
        if answer.unknown:
            symbols = " ".join(dict.fromkeys(answer.unknown))
            out.say(f"note: line {number}: training never saw {symbols}")
        if heat or png:
            _show_attention(answer, out, heat, png and _png_path(png, number))
        yield answer


def _line(answer: Prediction, scores: bool) -> str:
    """Return the candidates between tabs, each followed by its score where wanted."""
    cells: list[str] = []
    for candidate in answer.candidates:
        cells += [candidate.text, f"{candidate.score:.4f}"] if scores else [candidate.text]
    return "\t".join(cells)


def _show_attention(answer: Prediction, out: Out, heat: bool, png: Path | None) -> None:
    from seqcli.report.attention import draw_attention, show_attention

    if answer.attention is None:
        hint = "train one with --attention, or a transformer"
        raise UsageError("this model has no attention to show", hint)
    if heat:
        show_attention(out, answer.attention)
    if png:
        png.parent.mkdir(parents=True, exist_ok=True)
        draw_attention(answer.attention, png, answer.source)
        out.say(f"attention: {png}")


def _png_path(path: Path, number: int) -> Path:
    """Return ``path`` for the first line and path-2.png for the second, or N.png in a folder."""
    if path.suffix.lower() != ".png":
        return path / f"{number}.png"
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")
