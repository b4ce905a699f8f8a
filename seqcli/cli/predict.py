"""``seqcli predict``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli.cli import options
from seqcli.cli.lines import Line, read_blocks
from seqcli.errors import DataError, MachineError, SeqcliError, UsageError, expected
from seqcli.messages import reason

if TYPE_CHECKING:
    from seqcli.api.predicting import Predictor
    from seqcli.files.growing import LinesFile
    from seqcli.report.console import Out
    from seqcli.results import AttentionMap, Prediction

EXAMPLES = """\
seqcli predict --ckpt runs/reverse-gru-attention "3 1 4 1 5"
echo "3 1 4 1 5" | seqcli predict --ckpt runs/reverse-gru-attention
seqcli predict --ckpt models/pairs.pt --input words.txt.gz --out answers.txt.gz
seqcli predict --ckpt models/pairs.pt --input words.txt --beam 5 --nbest 3 --logprob
seqcli predict --ckpt runs/reverse-gru-attention "3 1 4" --attention"""

ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})
NAMED = 10  # lines without an answer that are named one by one
MANY = 10_000  # lines, from which on it is told how long they took

Lines = Annotated[
    list[str] | None,
    typer.Argument(help="What to answer; without any, lines of --input or stdin.", metavar="TEXT"),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", help="A file, one source per line, gzip too; - is stdin.", metavar="FILE"
    ),
]
NBest = Annotated[
    int,
    typer.Option("--nbest", help="Answers per line, best first, between tabs.", metavar="N", min=1),
]
LogProb = Annotated[
    bool,
    typer.Option(
        "--logprob", help="Append the log-probability of each answer (nats, <eos> included)."
    ),
]
Scores = Annotated[
    bool, typer.Option("--scores", help="Put what the search ranks by behind each answer.")
]
BatchLines = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        "--batch",
        help="Lines answered at once; 512 over the beam width if not given.",
        metavar="N",
        min=1,
    ),
]
OutFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Write the answers to this file, packed if it ends in .gz. Until it is whole it is "
        "called FILE.partial, which stays if something stops the command.",
        metavar="FILE",
        parser=options.in_path,
    ),
]
Heat = Annotated[bool, typer.Option("--attention", help="Show on stderr where the model looked.")]


def _picture_path(text: str) -> Path:
    """Return a path for pictures: one that ends in .png, or a folder."""
    path = options.out_path(text)
    if path.suffix.lower() not in ("", ".png") and not text.endswith("/"):
        raise typer.BadParameter(f"only PNG pictures are drawn: end it in .png, or write {text}/")
    return path


HeatPng = Annotated[
    Path | None,
    typer.Option(
        "--attention-png",
        help="Draw that as a PNG file, or one per line into a folder.",
        metavar="PATH",
        parser=_picture_path,
    ),
]


def predict(
    ckpt: options.Checkpoint,
    text: Lines = None,
    input_: Input = None,
    out_file: OutFile = None,
    beam: options.SearchBeam = None,
    nbest: NBest = 1,
    logprob: LogProb = False,
    scores: Scores = False,
    length_penalty: options.SearchPenalty = None,
    batch_size: BatchLines = None,
    attention: Heat = False,
    attention_png: HeatPng = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Answer lines with a trained model: one line out for each line in, in order.

    A blank line gets a blank line. So does a line that cannot be answered (it is not UTF-8, or is
    too long): it is named on stderr, the others are answered, and the exit code is 3.
    """
    from seqcli import api
    from seqcli.report.console import Out
    from seqcli.report.json_documents import prediction_document

    if out_file == Path("-"):
        out_file = None  # stdout, as it is without --out
    out = Out.standard(json=json, quiet=quiet, product=out_file is None)
    if json and out_file:
        raise UsageError("--json writes one document to stdout, --out a file", "choose one")
    blocks = read_blocks(text or [], input_, out)
    predictor = api.open_predictor(
        ckpt,
        beam=beam,
        nbest=nbest,
        length_penalty=length_penalty,
        batch_size=batch_size,
        attention=attention or attention_png is not None,
    )
    answers = _Answers(out, logprob, scores, attention, attention_png, force)
    if json:
        told = (answer for block in blocks for answer in answers.told(predictor, block))
        out.documents("predictions", map(prediction_document, told))
        answers.sum_up()
    else:
        _write(answers, predictor, blocks, out_file, force)
    answers.check_pictures()


def _write(
    answers: _Answers,
    predictor: Predictor,
    blocks: Iterable[list[Line]],
    path: Path | None,
    force: bool,
) -> None:
    """Write the answers to a file or to stdout, a block at a time."""
    from seqcli.files.growing import LinesFile
    from seqcli.formatting import count, duration, plural

    began = time.monotonic()
    file = LinesFile(path, force) if path else None
    try:
        with file or nullcontext():
            for block in blocks:
                answers.write(predictor, block, file)
    except BaseException:
        if file and file.partial:
            lines = f"{count(file.lines)} answer{'s' * (file.lines != 1)}"
            answers.out.info(f"{file.partial} has the first {lines}")
        raise
    if file or answers.lines >= MANY:
        took = duration(time.monotonic() - began)
        answers.out.info(
            f"{file.path if file else 'answered'}: {plural(answers.lines, 'line')}, {took}"
        )
    answers.sum_up()


class _Answers:
    """Tells predictions, and on stderr what else there is to say of them."""

    def __init__(
        self, out: Out, logprob: bool, scores: bool, heat: bool, png: Path | None, force: bool
    ) -> None:
        from seqcli.report.predictions import UnknownSymbols

        self.out, self.logprob, self.scores = out, logprob, scores
        self.heat, self.png, self.force = heat, png, force
        self.strange = UnknownSymbols(out)
        self.lines = self.unanswered = 0
        self.not_drawn: SeqcliError | None = None

    def write(self, predictor: Predictor, block: Sequence[Line], file: LinesFile | None) -> None:
        """Write the answers to a block of lines; those before a bad line too."""
        lines: list[str] = []
        try:
            lines.extend(map(self._line, self.told(predictor, block)))
        finally:
            file.write(lines) if file else self.out.write_lines(lines)

    def told(self, predictor: Predictor, block: Sequence[Line]) -> Iterator[Prediction]:
        """Answer a block of lines and hand the answers on, telling all but the answers."""
        texts = [line if isinstance(line, str) else "" for line in block]
        for line, answer in zip(block, predictor.answer(texts), strict=True):
            self.lines += 1
            if not isinstance(line, str):
                answer = replace(answer, problem=line.problem)
            if answer.problem:
                self._name(answer.problem)
            if answer.unknown:
                self.strange.add(self.lines, answer.unknown)
            if any(one.truncated for one in answer.candidates):
                self.strange.add_truncated(self.lines)
            if answer.note:
                self.strange.add_note(self.lines, answer.note)
            self._show_attention(answer)
            yield answer

    def check_pictures(self) -> None:
        """Raise the error that kept the first picture from being drawn, once all is answered."""
        if self.not_drawn is not None:
            raise self.not_drawn

    def _show_attention(self, answer: Prediction) -> None:
        from seqcli.report.attention import show_attention

        if answer.attention is None:  # none was asked for, or a blank line
            return
        if self.heat:
            show_attention(self.out, answer.attention)
        if self.png and self.not_drawn is None:
            try:
                path = _png_path(self.png, self.lines)
                _draw(answer.attention, path, answer.source, self.out, self.force)
            except SeqcliError as error:
                self.not_drawn = error

    def _name(self, problem: str) -> None:
        """Name a line that has no answer: the first ones at once, the others in sum."""
        self.unanswered += 1
        if self.unanswered <= NAMED:
            self.out.info(f"warning: line {self.lines} has no answer: {problem}")
        elif self.unanswered == NAMED + 1:
            self.out.info("warning: there are more such lines; they are counted")

    def sum_up(self) -> None:
        """Say what holds of all lines together.

        Raises:
            DataError: some lines have no answer.
        """
        from seqcli.formatting import count, plural

        self.strange.sum_up(self.lines)
        if self.unanswered:
            have = "has" if self.unanswered == 1 else "have"
            some = f"{count(self.unanswered)} of {plural(self.lines, 'line')} {have} no answer"
            raise DataError(some, "an empty line stands for each; mend or shorten them")

    def _line(self, answer: Prediction) -> str:
        """Return the candidates between tabs, each followed by its numbers where wanted."""
        if len(answer.candidates) == 1 and not (self.logprob or self.scores):
            return _one_line(answer.candidates[0].text)
        cells: list[str] = []
        for candidate in answer.candidates:
            cells.append(_one_line(candidate.text))
            cells += [f"{candidate.log_probability:.4f}"] * self.logprob
            cells += [f"{candidate.score:.4f}"] * self.scores
        return "\t".join(cells)


def _one_line(text: str) -> str:
    """Return an answer that cannot break lines and columns (symbols from JSON lines may)."""
    return text if text.isprintable() else text.translate(ESCAPES)


def _draw(attention: AttentionMap, png: Path, title: str, out: Out, force: bool) -> None:
    """Draw where the model looked.

    Raises:
        SeqcliError: the picture cannot be drawn or written.
    """
    from seqcli.files.atomic import check_own_output, writing
    from seqcli.report.attention import draw_attention, is_own_picture

    try:
        with writing(png.parent):
            png.parent.mkdir(parents=True, exist_ok=True)
        if not force:
            check_own_output(png, is_own_picture, "choose another name, or give --force")
        draw_attention(attention, png, title)
    except Exception as error:
        hint = "the answers are complete; matplotlib draws the pictures"
        fault = MachineError(f"{png} was not drawn: {reason(error)}", hint)
        raise expected(error) or fault from None
    out.info(f"attention: {png}")


def _png_path(path: Path, number: int) -> Path:
    """Return ``path`` for the first line and path-2.png for the second, or N.png in a folder."""
    if path.suffix.lower() != ".png":
        return path / f"{number}.png"
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")
