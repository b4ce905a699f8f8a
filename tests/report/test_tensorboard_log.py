"""TensorBoard reads what a run writes: scalars, hyperparameters, configuration, attention."""

from dataclasses import replace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from seqcli.events import EpochEnded, Example, Finished
from seqcli.metrics.metric import names as metric_names
from seqcli.report.tensorboard_log import TensorBoardLog
from seqcli.results import AttentionMap


def run(folder, started, epochs, value):
    log = TensorBoardLog(folder)
    log(started)
    for epoch in epochs:
        metrics = {"train_loss": value, "val_loss": value / 2, "learning_rate": 0.002}
        log(EpochEnded(epoch, 9, epoch * 10, metrics, True))
    return log


def read(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def points(folder, tag):
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_tensorboard_reads_the_scalars(tmp_path, started):
    run(tmp_path / "tb", started, [1, 2], value=0.5)
    assert points(tmp_path / "tb", "loss/train") == [(10, 0.5), (20, 0.5)]
    assert points(tmp_path / "tb", "loss/val") == [(10, 0.25), (20, 0.25)]
    tags = read(tmp_path / "tb").Tags()["scalars"]
    assert set(tags) == {"loss/train", "loss/val", "optimization/learning_rate"}


def test_what_is_after_the_checkpoint_is_forgotten_on_resume(tmp_path, started):
    run(tmp_path, started, [1, 2, 3], value=0.5)
    run(tmp_path, replace(started, epochs_done=1, steps_done=10), [2], value=0.25)
    assert points(tmp_path, "loss/train") == [(10, 0.5), (20, 0.25)]


def test_a_run_resumed_inside_an_epoch_keeps_the_epochs_before(tmp_path, started):
    run(tmp_path, started, [1, 2], value=0.5)
    run(tmp_path, replace(started, epochs_done=2, steps_done=25), [3], value=0.25)
    assert points(tmp_path, "loss/train") == [(10, 0.5), (20, 0.5), (30, 0.25)]


def test_many_restarts_in_one_second_stay_in_order(tmp_path, started):
    for start in range(4):
        event = replace(started, epochs_done=start, steps_done=start * 10)
        run(tmp_path, event, [start + 1, start + 2], value=float(start))
    assert points(tmp_path, "loss/train") == [(10, 0.0), (20, 1.0), (30, 2.0), (40, 3.0), (50, 3.0)]


def test_each_epoch_is_on_disk_at_once_and_nothing_before_the_first(tmp_path, started):
    log = TensorBoardLog(tmp_path / "tb")
    log(started)
    assert not (tmp_path / "tb").exists()
    log(EpochEnded(1, 9, 10, {"train_loss": 1.0}, True))
    assert points(tmp_path / "tb", "loss/train") == [(10, 1.0)]


def test_a_file_cut_short_by_a_kill_still_reads(tmp_path, started):
    run(tmp_path, started, [1, 2], value=0.5)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert points(tmp_path, "loss/train") == [(10, 0.5)]


def test_every_metric_of_an_epoch_is_written_under_a_tag_of_its_own(tmp_path, started):
    names = [f"{split}_{name}" for name in metric_names() for split in ("train", "val")]
    figures = ["smoothed_loss", "learning_rate", "teacher_forcing", "seconds"]
    metrics = dict.fromkeys([*names, *figures, "sequences_per_second", "not_registered"], 1.0)
    log = TensorBoardLog(tmp_path)
    log(started)
    log(EpochEnded(1, 9, 10, metrics, True))
    tags = read(tmp_path).Tags()["scalars"]
    assert len(set(tags)) == len(tags) == len(metrics)
    assert {"token_error_rate/val", "bits_per_character/val", "other/not_registered"} <= set(tags)


SETTINGS = {
    "model.cell": "gru",
    "model.copy": True,
    "train.lr": 0.5,
    "data.val": 8,
    "data.path": "",
}


@pytest.fixture
def settled(tmp_path, started):
    """Return what TensorBoard reads from a finished run that has settings and an attention map."""
    log = TensorBoardLog(tmp_path)
    log(replace(started, settings=SETTINGS))
    example = Example("a b", ("b",), ("b",))
    log(EpochEnded(1, 2, 10, {"train_loss": 1.0, "val_loss": 0.5}, True, (example,)))
    log(Finished(1, 1, {}, "epochs", 1.0))
    assert log.shown == "a b"
    log.add_attention(AttentionMap(("a", "b"), ("b",), np.eye(2, dtype=np.float32)), 10)
    return read(tmp_path)


def test_hyperparameters_and_metrics_are_declared(settled):
    contents = settled.summary_metadata
    data = {tag: one.plugin_data.content for tag, one in contents.items()}
    experiment = metadata.parse_experiment_plugin_data(data[metadata.EXPERIMENT_TAG])
    assert [one.name for one in experiment.hparam_infos] == [
        *("model.cell", "model.copy", "train.lr", "data.path")
    ]
    assert [one.name.tag for one in experiment.metric_infos] == ["loss/val"]
    assert "loss/val" in settled.Tags()["scalars"]
    start = metadata.parse_session_start_info_plugin_data(data[metadata.SESSION_START_INFO_TAG])
    assert start.hparams["model.cell"].string_value == "gru"
    assert start.hparams["model.copy"].bool_value is True
    assert start.hparams["train.lr"].number_value == 0.5
    end = metadata.parse_session_end_info_plugin_data(data[metadata.SESSION_END_INFO_TAG])
    assert end.status == 1  # success


def test_the_configuration_is_a_text(settled):
    (event,) = settled.Tensors("configuration/text_summary")
    (text,) = event.tensor_proto.string_val
    assert text.decode().splitlines() == [f"    {key}: {SETTINGS[key]}" for key in SETTINGS]


def test_the_attention_is_an_image(settled):
    (image,) = settled.Images("attention")
    assert image.encoded_image_string.startswith(b"\x89PNG")
    size = np.frombuffer(image.encoded_image_string[16:24], ">u4").tolist()
    assert [image.width, image.height] == size
    assert image.step == 10
