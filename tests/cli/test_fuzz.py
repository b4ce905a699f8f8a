"""Any value for any option ends in a run or in one clear line, never in a traceback."""

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from seqcli import config
from seqcli.cli import app, shell
from seqcli.errors import Exit

NAMES = sorted(
    name
    for param in typer.main.get_command(app).commands["train"].params
    for name in param.opts
    if name.startswith("--") and name not in ("--help", "--config", "--resume")
)
NASTY = ["", " ", "-1", "0", "1e999", "nan", "inf", "1e-3", "012", "５", "no", "None", "[", "a=b"]
NASTY += [
    "train.lr",
    "task.x=[",
    "task.=1",
    "=",
    "train.lr=1=2",
    "../..",
    "\x00",
    "é",
    "--",
    "9" * 5000,
]
VALUES = st.one_of(st.sampled_from(NASTY), st.text(max_size=12), st.integers().map(str))


@pytest.fixture(autouse=True, scope="module")
def _no_training():
    def load_only(source, *, listen, **options):
        flags = {name: value for name, value in options.items() if name in config.FLAGS}
        config.load(source, options["set"], flags)
        raise KeyboardInterrupt

    patch = pytest.MonkeyPatch()
    patch.setattr("seqcli.api.train", load_only, raising=False)
    yield
    patch.undo()


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=3))
def test_any_value_for_any_option(pairs):
    words = ["train", *(word for pair in pairs for word in pair)]
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        code = shell.run(app, words)
    assert code in (Exit.USAGE, Exit.SIGINT), (words, err.getvalue())
    lines = err.getvalue().splitlines()
    assert len(lines) <= 2, lines
    if code == Exit.USAGE:
        assert lines[0].startswith("error: ")
