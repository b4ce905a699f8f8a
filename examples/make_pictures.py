"""Make every picture of README and guides again: ``python examples/make_pictures.py [NAME ...]``.

The commands run in a temporary folder, in this process, with consoles that record what a terminal
shows. It takes about two minutes on one core. Times and speeds in the pictures differ from run to
run; everything else is the same on the same machine.
"""

from __future__ import annotations

import inspect
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from seqcli import api
from seqcli.cli import app, shell
from seqcli.events import Event, Progress
from seqcli.report.console import Out
from seqcli.report.live import LiveView

HOME = Path(__file__).resolve().parent / "pictures"
TRAIN = "seqcli train --task reverse --cell gru --attention"
PREDICT = 'seqcli predict runs/reverse-gru-attention "3 1 4 1 5 9 2 6" --attention'
COMPARE = "seqcli compare --config short_reverse --cells gru,transformer --attention both"
NAMES = "seqcli train --data names.txt --cell gru --recipe quick --out names.pt"
SAMPLE = "seqcli sample names.pt --n 8 --novel --unique --seed 1"
OVERFITTING = "seqcli train --config overfitting_rnn"
SHOWN = (4, 0.6)  # the epoch of the live view, and the part of its steps that is done
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)


def terminal(columns: int = 100, rows: int = 40) -> Console:
    """Return a console that records what is written to it."""
    return Console(
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        color_system="truecolor",
        width=columns,
        height=rows,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )


def save(console: Console, name: str, title: str) -> None:
    """Write what a console has recorded as ``pictures/NAME.svg``, without fonts from a network."""
    template = inspect.signature(console.export_svg).parameters["code_format"].default
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", template, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", FONTS).replace("font-family: arial;", "")
    wrapped = terminal(console.width)
    for line in console.export_text(styles=True).splitlines():
        wrapped.print(Text.from_ansi(line))  # a terminal breaks long lines; a recording cuts them
    svg = wrapped.export_svg(title=title, theme=THEME, code_format=template, unique_id=name)
    HOME.mkdir(exist_ok=True)
    (HOME / f"{name}.svg").write_text(svg, "utf-8")


def prompt(console: Console, command: str) -> None:
    """Show a command as typed; a long one is continued on the next line."""
    lines = [""]
    for word in re.findall(r'"[^"]*"|\S+', command):
        if len(lines[-1]) + len(word) > console.width - 6:
            lines[-1] += "\\"
            lines.append("    ")
        lines[-1] += f"{word} "
    for number, line in enumerate(lines):
        start = Text("$ " if number == 0 else "  ", style="bold green")
        console.print(start + Text(line.rstrip(), style="bold"))


def run(command: str, stdout: Console, stderr: Console) -> None:
    """Run a seqcli command in this process; both streams are consoles."""

    def standard(*, json: bool = False, quiet: bool = False, product: bool = True) -> Out:
        return Out(stdout, stderr, json, quiet)

    Out.standard = standard  # type: ignore[method-assign, assignment]
    code = shell.run(app, shlex.split(command)[1:])
    if code:
        raise SystemExit(f"{command}: exit code {code}\n{_text(stderr)}")


def silent() -> Console:
    """Return a console that is no terminal; nobody sees what is written to it."""
    return Console(file=io.StringIO(), width=200)


def _text(console: Console) -> str:
    file = console.file
    return file.getvalue() if isinstance(file, io.StringIO) else ""


class Camera:
    """Listen to a run through its live view, and keep one frame of it."""

    def __init__(self, view: LiveView, shown: Console) -> None:
        self.view, self.shown = view, shown
        self.taken = False

    def __call__(self, event: Event) -> None:
        """Handle an event; take the picture at the moment `SHOWN`."""
        self.view(event)
        if isinstance(event, Progress) and not self.taken and self._is_due(event):
            self.shown.print(self.view.frame(self.shown))
            self.taken = True

    def _is_due(self, now: Progress) -> bool:
        epoch, part = SHOWN
        return now.phase == "train" and now.epoch == epoch and now.step >= part * now.steps


def live() -> None:
    """Draw the live view in the middle of the first command of the README."""
    shown = terminal(columns=108, rows=26)
    prompt(shown, TRAIN)
    hidden = terminal(columns=108, rows=26)
    with LiveView(Out(silent(), hidden)) as view:
        api.train(
            task="reverse",
            cell="gru",
            attention=True,
            listen=Camera(view, shown),
            out="runs/reverse-gru-attention",
            force=True,
        )
    save(shown, "live", "seqcli train")


def attention() -> None:
    """Draw the attention weights of the model of `live`."""
    if not Path("runs/reverse-gru-attention").exists():
        run(f"{TRAIN} --quiet", silent(), silent())
    shown = terminal(columns=100)
    prompt(shown, PREDICT)
    run(PREDICT, shown, shown)
    save(shown, "attention", "seqcli predict")


def compare() -> None:
    """Draw the table of a comparison, and accuracy by length."""
    shown = terminal(columns=120)
    prompt(shown, COMPARE)
    run(COMPARE, shown, silent())
    save(shown, "compare", "seqcli compare")
    shutil.copy("runs/compare-reverse/lengths.svg", HOME / "lengths.svg")


def names() -> None:
    """Draw names sampled from a model of the names that come with seqcli."""
    api.copy_example("names.txt")
    run(f"{NAMES} --quiet", silent(), silent())
    shown = terminal(columns=100)
    prompt(shown, SAMPLE)
    run(SAMPLE, shown, silent())
    save(shown, "names", "seqcli sample")


def overfitting() -> None:
    """Draw the learning curves of the preset that overfits."""
    run(f"{OVERFITTING} --quiet", silent(), silent())
    (curves,) = Path("runs").glob("sort-rnn*/curves.png")
    shutil.copy(curves, HOME / "overfitting.png")


PICTURES: Mapping[str, Callable[[], Any]] = {
    "live": live,
    "attention": attention,
    "compare": compare,
    "names": names,
    "overfitting": overfitting,
}


def main(chosen: Iterable[str]) -> None:
    """Make the chosen pictures, by default all of them."""
    folder = Path(tempfile.mkdtemp(prefix="pictures-"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.chdir(folder)
    try:
        for name in list(chosen) or PICTURES:
            print(name, flush=True)
            PICTURES[name]()
    finally:
        os.chdir(HOME)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
