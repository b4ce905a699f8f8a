import io

import pytest
from rich.console import Console
from rich.text import Text
from thorough import mostly_slow

from seqcli.events import EpochEnded, Example, Finished, Progress
from seqcli.report.console import Out
from seqcli.report.live import LiveView, training_view
from seqcli.report.logs import PlainLog


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def told(out):
    return out.stderr.file.getvalue()


def picture(view, out):
    """Return the lines of the view as they stand on the terminal."""
    lines = out.stderr.render_lines(view.frame(out.stderr), pad=False)
    return [Text("".join(segment.text for segment in line)).plain.rstrip() for line in lines]


def play(out, events):
    with LiveView(out, Clock()) as view:
        for event in events:
            view(event)
    return told(out)


def test_the_view_suits_the_place(terminal, pipe):
    assert isinstance(training_view(terminal()), LiveView)
    assert isinstance(training_view(pipe()), PlainLog)
    assert isinstance(training_view(terminal(quiet=True)), PlainLog)


def test_the_picture_holds_run_table_examples_and_bar(terminal, run_events):
    out = terminal()
    with LiveView(out, Clock()) as view:
        for event in run_events(3)[:-1]:
            view(event)
        view(Progress(3, 3, 5, 10, 5000.0))
        text = "\n".join(picture(view, out))
    assert "reverse-gru in runs/reverse-gru" in text
    assert "312,456 parameters" in text
    assert "train 10,000" in text
    assert "cpu, 2 threads" in " ".join(text.split())
    assert "teacher forcing" in text
    assert "greedy decoding" in text
    assert "*2  0.4000  0.5000" in text
    assert "wrong  1 2 3   3 2 1  3 7 1" in text
    assert "epoch 3/3 step 5/10" in text
    assert "━" in text
    assert "5,000 seq/s" in text
    assert " left" in text


@pytest.mark.parametrize("height", mostly_slow([2, 3, 5, 8, 12, 18, 24, 60], 3))
@pytest.mark.parametrize("width", [1, 10, 40, 80, 200])
def test_the_picture_stays_within_the_terminal(terminal, run_events, width, height):
    out = terminal(width=width, height=height)
    with LiveView(out, Clock()) as view:
        for event in run_events(12)[:-1]:
            view(event)
            assert len(picture(view, out)) <= height


def test_epochs_that_do_not_fit_are_counted(terminal, run_events):
    out = terminal(height=24)
    with LiveView(out, Clock()) as view:
        for event in run_events(40)[:-1]:
            view(event)
        lines = picture(view, out)
    shown = [line for line in lines if line.lstrip(" *")[:2].strip().isdigit()]
    above = next(line for line in lines if "earlier epochs" in line)
    assert above == f"... {40 - len(shown)} earlier epochs"
    assert len(shown) >= 3
    assert shown[-1].split()[0] == "40"


def test_a_new_size_gives_a_new_frame(terminal, run_events):
    out = terminal(width=100)
    with LiveView(out, Clock()) as view:
        for event in run_events(5)[:-1]:
            view(event)
        wide = picture(view, out)
        out.stderr.width = 40
        narrow = picture(view, out)
    assert max(map(len, narrow)) <= 40 < max(map(len, wide))


def test_the_full_table_and_the_verdict_stay_when_done(terminal, run_events):
    text = play(terminal(height=15), run_events(40))
    end = Text.from_ansi(text).plain
    for epoch in range(1, 41):
        assert f" {epoch}  " in end or f"*{epoch}  " in end
    assert "finished 40 epochs in 4.5 s" in end
    assert "best epoch 39" in end
    assert "sequence accuracy 94.0%" in end


def test_the_table_stays_after_an_error(terminal, run_events):
    out = terminal()
    view = LiveView(out, Clock())
    for event in run_events(2)[:-1]:
        view(event)
    before = len(told(out))
    with pytest.raises(KeyboardInterrupt), view:
        raise KeyboardInterrupt
    assert "\x1b[?25h" in told(out)[before:]  # the cursor is back
    assert "*1" in told(out)[before:]


def test_a_resumed_run_shows_the_epochs_before_it_at_the_end(terminal, started, run_events):
    *_, last, finished = run_events(5)
    end = Text.from_ansi(play(terminal(), [started, last, finished])).plain
    assert "\n     1  0.4" in end or "    1  0.4" in end
    assert "*4" in end


def test_a_run_without_epochs_ends_well(terminal, started):
    text = play(terminal(), [started, Finished(0, 0, {}, "interrupted", 0.1)])
    assert "interrupted after 0 epochs in 0.1 s" in Text.from_ansi(text).plain


def test_nothing_happened(terminal):
    assert play(terminal(), []) == ""


def test_wide_characters_and_long_sequences_are_cut_not_wrapped(terminal, started, run_events):
    example = Example("漢字" * 80, ("漢",) * 160, ("漢",) * 100, joiner="")
    out = terminal(width=60, height=30)
    with LiveView(out, Clock()) as view:
        for event in run_events(3, example)[:-1]:
            view(event)
        lines = picture(view, out)
    assert len(lines) <= 30
    assert sum("漢" in line for line in lines) == 1


def test_errors_are_marked_in_red_symbol_by_symbol(terminal, run_events):
    assert "\x1b[1;4;31m7" in play(terminal(), run_events(2))


def test_characters_are_marked_one_by_one(terminal, run_events):
    events = run_events(2, Example("abc", tuple("cba"), tuple("cxa"), joiner=""))
    assert "\x1b[1;4;31mx" in play(terminal(), events)


def test_pictures_inside_an_epoch_are_few(terminal, started):
    class Still:
        def __call__(self):
            return 5.0

    out = terminal()
    with LiveView(out, Still()) as view:
        view(started)
        before = len(told(out))
        for step in range(1, 1000):
            view(Progress(1, 3, step, 1000, 100.0))
        assert len(told(out)) == before


def test_a_terminal_without_unicode_gets_an_ascii_bar(run_events):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    out = Out(Console(file=io.StringIO()), Console(file=stream, force_terminal=True, width=90))
    with LiveView(out, Clock()) as view:
        for event in run_events(3)[:-1]:
            view(event)
    stream.flush()
    assert b"###" in stream.buffer.getvalue()


def test_validation_is_named_in_the_bar(terminal, started):
    out = terminal()
    with LiveView(out, Clock()) as view:
        view(started)
        view(Progress(1, 2, 3, 7, 100.0, phase="validate"))
        assert "epoch 1/2 validate 3/7" in picture(view, out)[-1]
        assert "50.0%" in picture(view, out)[-1]


def test_an_epoch_without_examples_is_fine(terminal, started):
    ended = EpochEnded(1, 1, 10, {"train_loss": 1.0}, True)
    end = Text.from_ansi(play(terminal(), [started, ended])).plain
    assert "1.0000" in end
    assert "prediction" not in end


def test_invented_names_and_the_smoothed_loss_are_in_the_frame(terminal, started):
    names = tuple(f"name{i}" for i in range(8))
    for height, shown in ((40, 8), (12, 0)):
        out = terminal(height=height)
        with LiveView(out, Clock()) as view:
            view(started)
            view(EpochEnded(1, 2, 5, {"train_loss": 2.0}, True, samples=names))
            view(Progress(2, 2, 5, 10, 5000.0, smoothed_loss=1.2345))
            lines = picture(view, out)
        assert len(lines) <= height
        assert "loss 1.2345" in lines[-1]
        assert sum(line.strip() in names for line in lines) >= shown
    assert all(name in told(out) for name in names)


def test_the_introduction_is_cut_only_where_the_terminal_is_low(terminal, run_events):
    started = run_events(1)[0]
    for height, shown in ((24, "cpu, 2 threads"), (8, "…")):
        out = terminal(width=40, height=height)
        with LiveView(out, Clock()) as view:
            view(started)
            text = " ".join(picture(view, out))
        assert shown in text
