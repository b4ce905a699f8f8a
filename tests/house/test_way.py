"""Two ways through the files: of a training command to the loss, of a checkpoint to an answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
from source import ROOT
from test_directions import ROOMS

from seqcli.cli import app, shell

pytestmark = pytest.mark.slow  # every call of a training is traced
WORDS = (
    "train --task reverse --cell gru --attention --hidden 8 --threads 1 --steps 1 --quiet "
    "--train-rows 64 --val-rows 4 --test-rows 4"
)
# Where the values of the options arrive: the configuration, the rows, the model, the loss.
ENDS = {
    ("config/loading.py", "load"),
    ("tasks/rearrangement.py", "answer"),
    ("models/cells.py", "__init__"),
    ("models/attention.py", "__init__"),
    ("training/torch_batches.py", "cross_entropy"),
}
STEP = ("training/torch_trainer.py", "loss")  # from a batch to its loss
# Where the parts of a checkpoint arrive on the way to `predict`'s answer.
PREDICT_ENDS = {
    ("checkpoints/decoder.py", "_call"),
    ("numpy_backend/forward/rnn.py", "__init__"),
    ("numpy_backend/forward/attention.py", "energies"),
    ("decoding/strategies.py", "choose"),
    ("data/vocabulary.py", "decode"),
    ("formatting.py", "prediction_line"),
}
SEARCH = ("decoding/search.py", "search")  # from a batch of sources to their predictions
MOST_FILES, MOST_BETWEEN = 30, 11

Place = tuple[str, str]  # a file and a function


class Way:
    """The files of the package on a way; a profile function of `sys.setprofile`.

    Attributes:
        files: those of the call stacks at the ends.
        step: those that run between the start of a step and its end.
        calls: (caller, called) files of the step.

    Args:
        ends: the functions at which the way ends.
        start: the function that runs a step.
    """

    def __init__(self, ends: set[Place], start: Place) -> None:
        self.ends, self.start = ends, start
        self.files: set[str] = set()
        self.step: set[str] = set()
        self.calls: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or not name_of(frame):
            return
        place = (name_of(frame), frame.f_code.co_name)
        stack = list(callers(frame))
        if place in self.ends:
            self.files |= {name_of(one) for one in stack}
        if any((name_of(one), one.f_code.co_name) == self.start for one in stack):
            self.step.add(place[0])
            self.calls |= {(name_of(one), place[0]) for one in stack[1:2]} - {(place[0],) * 2}


def name_of(frame: FrameType) -> str:
    """Return the file of a function below the package; "" for others, and for imports."""
    return "" if frame.f_code.co_name == "<module>" else below(frame.f_code.co_filename)


@cache
def below(filename: str) -> str:
    """Return a file's path below the package, "" for a file elsewhere."""
    path = Path(filename)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""


def callers(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frame and its callers, those of the package alone."""
    while frame is not None:
        if name_of(frame):
            yield frame
        frame = frame.f_back


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a run folder that does not exist yet."""
    return str(tmp_path_factory.mktemp("way") / "run")


def way_of(command: list[str], ends: set[Place], start: Place) -> Way:
    """Return the way of a command that succeeds."""
    found = Way(ends, start)
    sys.setprofile(found)
    try:
        assert shell.run(app, command) == 0
    finally:
        sys.setprofile(None)
    return found


@pytest.fixture(scope="module")
def way(run: str) -> Way:
    """Return the way of one training step."""
    import seqcli.training.torch_trainer  # noqa: F401 - imports are no part of the way

    return way_of([*WORDS.split(), "--out", run], ENDS, STEP)


@pytest.fixture(scope="module")
def way_to_answer(run: str, way: Way) -> Way:
    """Return the way of a checkpoint to the prediction of one line."""
    return way_of(["predict", run, "3 1 4", "--backend", "numpy"], PREDICT_ENDS, SEARCH)


def test_few_files_are_on_the_way_from_the_command_to_the_loss(way: Way) -> None:
    assert len(way.files | way.step) <= MOST_FILES, sorted(way.files | way.step)
    assert {"cli/train.py", "api/training.py", "training/loop.py"} <= way.files


def test_few_files_are_between_the_batch_and_the_loss(way: Way) -> None:
    between = way.step - {"training/torch_trainer.py", "training/torch_batches.py"}
    assert len(between) <= MOST_BETWEEN, sorted(between)
    assert {"models/seq2seq.py", "models/attention.py"} <= between


def test_no_call_of_a_training_step_goes_back_up(way: Way) -> None:
    for caller, called in way.calls:
        rooms = caller.partition("/")[0], called.partition("/")[0]
        caller_rank, called_rank = (ROOMS.index(room) for room in rooms)
        assert called_rank <= caller_rank, f"{caller} calls {called}"
        assert (called, caller) not in way.calls, f"{caller} and {called} call each other"


def test_few_files_are_on_the_way_from_a_checkpoint_to_an_answer(way_to_answer: Way) -> None:
    files = way_to_answer.files | way_to_answer.step
    assert len(files) <= MOST_FILES, sorted(files)
    assert {"cli/predict.py", "api/trained_model.py", "checkpoints/numpy_file.py"} <= files


def test_few_files_are_between_a_batch_of_sources_and_the_answer(way_to_answer: Way) -> None:
    between = way_to_answer.step - {"decoding/search.py"}
    assert len(between) <= MOST_BETWEEN, sorted(between)
    assert {"numpy_backend/forward/seq2seq.py", "decoding/loop.py"} <= between


def test_nothing_calls_back_into_the_search(way_to_answer: Way) -> None:
    for caller, called in way_to_answer.calls:
        assert (called, caller) not in way_to_answer.calls, f"{caller} and {called}"
        assert not (caller.startswith("numpy_backend/") and called.startswith("decoding/"))
