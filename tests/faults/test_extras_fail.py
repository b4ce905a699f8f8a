"""TensorBoard, plots and views are extras: where they fail, training ends as if they had not."""

import errno
import logging

import seqcli


def test_training_ends_well_without_tensorboard_curves_and_view(tmp_path, monkeypatch, caplog):
    logging.getLogger("seqcli").handlers.clear()
    logging.getLogger("seqcli").propagate = True
    (tmp_path / "names.txt").write_text("".join(f"{a}{b}\n" for a in "abcd" for b in "efgh"))
    out = tmp_path / "run"
    out.mkdir()
    (out / "tb").write_text("in the way of a folder")

    def full(path, write):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def view(event):
        raise ZeroDivisionError("in a notebook's own view")

    monkeypatch.setattr("seqcli.report.plots.write_atomically", full)
    run = seqcli.train(
        data=str(tmp_path / "names.txt"), backend="numpy", hidden=4, epochs=3, threads=1, out=out,
        listen=view,
    )  # fmt: skip
    assert len(run.finished.history) == 3
    assert (out / "best.pt").exists()
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3
    notes = [record.getMessage() for record in caplog.records]
    assert len(notes) == 3  # one each, not one an epoch
    assert any(note.startswith("view failed and is disabled: ZeroDiv") for note in notes)
    assert any(note.startswith("TensorBoardLog failed and is disabled") for note in notes)
    assert any("curves.png could not be drawn: OSError" in note for note in notes)
