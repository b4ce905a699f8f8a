"""Write predictions to stdout or a file, their notes to stderr, and their attention as plots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli.data.files.streams import Line
from seqcli.errors import MachineError, SeqcliError, expected
from seqcli.messages import reason
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.api.predicting import Predictor
    from seqcli.files.growing import LinesFile
    from seqcli.results import AttentionMap, Prediction

NAMED = 10  # maximum number of lines without a prediction that are reported individually


class Writer:
    """Write predictions to stdout or a file, and notes about them to stderr.

    Args:
        out: the terminal.
        cells: the columns after each candidate; see `seqcli.formatting.prediction_line`.
        heat: whether to show attention weights.
        png: where to draw attention weights.
        force: whether to replace plots.
    """

    def __init__(
        self, out: Out, cells: Mapping[str, bool], heat: bool, png: Path | None, force: bool
    ) -> None:
        from seqcli.report.predictions import UnknownTokens

        self.out, self.cells = out, cells
        self.heat, self.png, self.force = heat, png, force
        self.unknown = UnknownTokens(out)
        self.lines = self.failed = 0
        self.plot_error: SeqcliError | None = None
        self.least_sure: int | None = None
        self.marks_known = False

    @property
    def attention(self) -> bool:
        """Whether attention weights are shown or drawn."""
        return self.heat or self.png is not None

    def write(self, predictor: Predictor, block: Sequence[Line], file: LinesFile | None) -> None:
        """Write the predictions of a block of lines, including those before an error."""
        lines: list[str] = []
        try:
            for prediction in self.predict(predictor, block):
                lines += self._lines(prediction, at_terminal=file is None)
        finally:
            file.write(lines) if file else self.out.write_lines(lines)

    def _lines(self, prediction: Prediction, at_terminal: bool) -> list[str]:
        """Return the line of a prediction; at a terminal, token probabilities are below it."""
        from seqcli.formatting import prediction_line
        from seqcli.report.console import draws

        cells, below = dict(self.cells), list[str]()
        if cells["token_probs"] and at_terminal and draws(self.out.stdout):
            from seqcli.report.predictions import token_lines

            cells["token_probs"], width = False, self.out.stdout.width
            below = [line for one in prediction.candidates for line in token_lines(one, width)]
        line = prediction_line(prediction, **cells)
        mark = ("\tpredicted", "\tknown")[prediction.known] * self.marks_known
        return [line + mark * bool(prediction.candidates), *below]

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

    def write_least_sure(
        self, predictor: Predictor, blocks: Iterable[Sequence[Line]], count: int
    ) -> None:
        """Write the lines whose best predictions have the lowest probability, lowest first."""
        import heapq

        from seqcli.formatting import prediction_line

        every = (one for block in blocks for one in self.predict(predictor, block))
        predicted = (one for one in enumerate(every, 1) if one[1].candidates and not one[1].known)
        least = heapq.nsmallest(
            count, predicted, key=lambda one: (one[1].candidates[0].log_probability, one[0])
        )
        for number, one in least:
            best = replace(one, candidates=one.candidates[:1])
            sure = f"{one.candidates[0].log_probability:.4f}"
            self.out.write("\t".join((str(number), sure, one.source, prediction_line(best))))

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
