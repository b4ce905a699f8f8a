"""The lines of ``seqcli info``."""

import pytest

from seqcli.descriptions import CheckpointInfo, Side
from seqcli.report.info_view import checkpoint_lines

SIDE = Side("words", tuple("abcdefghijklmnop"), 1200)


@pytest.fixture
def checkpoint():
    return CheckpointInfo(
        path="runs/x/best.pt",
        megabytes=0.5,
        version="0.1.0",
        model="GRU encoder-decoder, 1 layer, hidden size 64, bidirectional, additive attention",
        parameters=128_983,
        backend="torch",
        source=SIDE,
        target=SIDE,
        form={"normalize": "none", "lower": "none", "features": False},
        data={"name": "reverse", "rows": {"train": 12_000}},
        epoch=4,
        metrics={"val_loss": 0.25, "val_sequence_accuracy": 0.5},
        baselines={},
        settings={},
        resumable=False,
        next=("seqcli predict runs/a/very/long/path/that/does/not/fit/into/a/line/x/best.pt",),
    )


def test_each_line_has_a_heading(checkpoint):
    lines = checkpoint_lines(checkpoint)
    assert [line[:12].strip() for line in lines] == [
        *("checkpoint", "model", "source", "target", "data", "scored", "next")
    ]
    assert lines[0].endswith("by seqcli 0.1.0; without training state")
    assert "longest training row: 1,200" in lines[2]
    assert lines[2].count(" ...") == 1


def test_on_a_terminal_texts_are_wrapped_and_commands_are_not(checkpoint):
    lines = checkpoint_lines(checkpoint, width=60)
    assert all(len(line) <= 60 for line in lines[:-1])
    assert lines[-1].endswith("/best.pt")
    joined = " ".join(" ".join(lines).split())
    assert joined == " ".join(" ".join(checkpoint_lines(checkpoint)).split())
