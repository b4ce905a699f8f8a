"""``seqcli predict``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import bulk, options
from seqcli.cli.lines import read_blocks
from seqcli.cli.options import DECODING, OUTPUT
from seqcli.data.files.streams import Line
from seqcli.errors import MachineError, SeqcliError, UsageError, expected
from seqcli.messages import reason

if TYPE_CHECKING:
    from seqcli.api.predicting import Predictor
    from seqcli.files.growing import LinesFile
    from seqcli.report.console import Out
    from seqcli.results import AttentionMap, Prediction

EXAMPLES = """\
seqcli predict runs/reverse-gru-attention "3 1 4 1 5"
echo "3 1 4 1 5" | seqcli predict runs/reverse-gru-attention
seqcli predict models/pairs.pt --input words.txt.gz --out predictions.txt.gz
seqcli predict models/pairs.pt --input words.txt --beam 5 --nbest 3 --logprob
seqcli predict runs/reverse-gru-attention "3 1 4" --attention
seqcli predict 'runs/compare-reverse/gru-attention-s*' --input words.txt"""

NAMED = 10  # maximum number of lines without a prediction that are reported individually
MANY = 10_000  # minimum number of lines for which the elapsed time is reported

Lines = Annotated[
    list[str] | None,
    typer.Argument(
        help="A run (unless --ckpt names it), and sources. Without sources, the lines of --input "
        "or stdin.",
        metavar="RUN [TEXT]",
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", help="File of one source per line, may be gzipped; - is stdin.", metavar="FILE"
    ),
]
NBest = Annotated[
    int,
    typer.Option(
        "--nbest",
        help="Predictions per line, best first, separated by tabs.",
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
BatchLines = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        "--batch",
        help="Lines per batch (default: 512 divided by the beam width).",
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
    nbest: NBest = 1,
    logprob: LogProb = False,
    scores: ShowScores = False,
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
    from seqcli.report.console import Out

    models, text = _models_and_texts(words or [], ckpt)
    path = None if out in (None, "-") else Path(str(out))
    output = Out.standard(json=json, quiet=quiet, product=path is None)
    search: dict[str, Any] = {
        **{"beam": beam, "nbest": nbest, "length_penalty": length_penalty},
        **{"batch_size": batch_size, "backend": backend, "device": device, "threads": threads},
    }
    if bulk.is_bulk(out, {"--jobs": jobs, "--on": on, "--part-size": part_size}):
        bulk.refuse({"TEXT": text, "--attention": attention or attention_png}, out)
        search |= {"logprob": logprob, "scores": scores, "part_size": part_size, "on": on}
        return bulk.predict_parts(output, models, input_, out, jobs=jobs, force=force, **search)
    writer = _Writer(output, logprob, scores, attention, attention_png, force)
    search["device"] = device
    return _predict_lines(writer, models, search, (text, input_), path)


def _models_and_texts(words: list[str], ckpt: list[Path] | None) -> tuple[list[Path], list[str]]:
    """Split the positional arguments: the first one is the run, unless ``--ckpt`` is given."""
    if ckpt:
        return ckpt, words
    named = [options.path_to_read(one) for one in words[:1]]
    return options.models(named, None), words[1:]


def _predict_lines(
    writer: _Writer,
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
    blocks = read_blocks(*given, out)
    predictor = api.open_predictor(ckpt, attention=writer.attention, **search)
    if out.json:
        from seqcli.report.json_documents import prediction_document

        predictions = (one for block in blocks for one in writer.predict(predictor, block))
        out.documents("predictions", map(prediction_document, predictions))
        writer.sum_up()
    else:
        _write(writer, predictor, blocks, path)
    writer.check_plots()


def _write(
    writer: _Writer,
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


class _Writer:
    """Write predictions to stdout or a file, and notes about them to stderr."""

    def __init__(
        self, out: Out, logprob: bool, scores: bool, heat: bool, png: Path | None, force: bool
    ) -> None:
        from seqcli.report.predictions import UnknownTokens

        self.out, self.logprob, self.scores = out, logprob, scores
        self.heat, self.png, self.force = heat, png, force
        self.unknown = UnknownTokens(out)
        self.lines = self.failed = 0
        self.plot_error: SeqcliError | None = None

    @property
    def attention(self) -> bool:
        """Whether attention weights are shown or drawn."""
        return self.heat or self.png is not None

    def write(self, predictor: Predictor, block: Sequence[Line], file: LinesFile | None) -> None:
        """Write the predictions of a block of lines, including those before an error."""
        from seqcli.formatting import prediction_line

        lines: list[str] = []
        try:
            for prediction in self.predict(predictor, block):
                lines.append(prediction_line(prediction, self.logprob, self.scores))
        finally:
            file.write(lines) if file else self.out.write_lines(lines)

    def predict(self, predictor: Predictor, block: Sequence[Line]) -> Iterator[Prediction]:
        """Yield the predictions of a block of lines, and report their notes and problems."""
        texts = [line if isinstance(line, str) else "" for line in block]
        for line, prediction in zip(block, predictor.predict(texts), strict=True):
            self.lines += 1
            if not isinstance(line, str):
                prediction = replace(prediction, problem=line.problem)
            if prediction.problem:
                self._warn(prediction.problem)
            if prediction.unknown:
                self.unknown.add(self.lines, prediction.unknown)
            if any(one.truncated for one in prediction.candidates):
                self.unknown.add_truncated(self.lines)
            if prediction.note:
                self.unknown.add_note(self.lines, prediction.note)
            self._show_attention(prediction)
            yield prediction

    def check_plots(self) -> None:
        """Raise the error of the first plot that failed; call it after writing all predictions."""
        if self.plot_error is not None:
            raise self.plot_error

    def _show_attention(self, prediction: Prediction) -> None:
        if prediction.attention is None:  # not requested, or a blank line
            return
        if self.heat:
            from seqcli.report.plots import show_attention

            show_attention(self.out, prediction.attention)
        if self.png and self.plot_error is None:
            try:
                path = _png_path(self.png, self.lines)
                _draw(prediction.attention, path, prediction.source, self.out, self.force)
            except SeqcliError as error:
                self.plot_error = error

    def _warn(self, problem: str) -> None:
        """Warn about a line without a prediction; only count lines beyond the first ones."""
        self.failed += 1
        if self.failed <= NAMED:
            self.out.info(f"warning: line {self.lines:,} has no prediction: {problem}")
        elif self.failed == NAMED + 1:
            self.out.info("warning: further lines without a prediction are only counted")

    def sum_up(self) -> None:
        """Report totals over all lines.

        Raises:
            DataError: some lines have no prediction.
        """
        from seqcli.report.predictions import check_all_predicted

        self.unknown.sum_up(self.lines)
        check_all_predicted(self.failed, self.lines)


def _draw(attention: AttentionMap, png: Path, title: str, out: Out, force: bool) -> None:
    """Draw the attention weights.

    Raises:
        SeqcliError: the plot cannot be drawn or written.
    """
    from seqcli.files.atomic import check_own_output, writing
    from seqcli.report.plots import draw_attention, is_own_plot

    try:
        with writing(png.parent):
            png.parent.mkdir(parents=True, exist_ok=True)
        if not force:
            check_own_output(png, is_own_plot, "choose another name, or give --force")
        draw_attention(attention, png, title)
    except Exception as error:
        hint = "the predictions are complete; plots need a working matplotlib"
        fault = MachineError(f"{png} could not be drawn: {reason(error)}", hint)
        raise expected(error) or fault from None
    out.info(f"attention: {png}")


def _png_path(path: Path, number: int) -> Path:
    """Return ``path`` for the first line and path-2.png for the second, or N.png in a folder."""
    if path.suffix.lower() != ".png":
        return path / f"{number}.png"
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")
