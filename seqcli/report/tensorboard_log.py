"""Files for TensorBoard, which are written without torch or TensorFlow."""

from __future__ import annotations

import io
import os
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.events import EpochEnded, Event, Finished, RunStarted, Setting
from seqcli.files.atomic import writing
from seqcli.metrics.metric import EpochMetric, epoch_metrics

if TYPE_CHECKING:
    from seqcli.results import AttentionMap

HYPERPARAMETERS = ("model.", "train.", "task.", "data.task", "data.path")
_PREFIX = "_hparams_/"  # of the tags of the plugin for hyperparameters


class TensorBoardLog:
    """A listener that writes the metrics of each epoch as scalars over optimizer steps.

    The hyperparameters and the configuration come first, and the end of the run last. A resumed run
    starts its file with a SessionLog START event, so that TensorBoard discards events of earlier
    sessions after that step. TensorBoard is imported when the first epoch ends. An epoch is on disk
    when the listener returns.

    Attributes:
        shown: the source of the first validation row; "" if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = ""
        self._path: Path | None = None
        self._steps_done = 0
        self._settings: Mapping[str, Setting] = {}

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        if isinstance(event, RunStarted):
            self._steps_done, self._path = event.steps_done, None
            self._settings = event.settings
        elif isinstance(event, EpochEnded):
            self.shown = event.examples[0].source if event.examples else ""
            metrics = epoch_metrics(event.metrics)
            self._write([*self._opening(metrics), _scalars(event, metrics)])
        elif isinstance(event, Finished) and self._path is not None:
            self._write([_session_end()])

    def add_attention(self, attention: AttentionMap, step: int) -> None:
        """Write the attention weights of a prediction as an image."""
        self._write([*self._opening(()), _image("attention", attention, step)])

    def _opening(self, metrics: Sequence[EpochMetric]) -> list[Any]:
        """Return the first events of a file: version, first step, and settings."""
        if self._path is not None:
            return []
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.event_pb2 import SessionLog

        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        # files are read in the order of their names: nanoseconds keep restarts in order
        self._path = self.folder / f"events.out.tfevents.{time.time_ns():020d}.seqcli"
        now, start = time.time(), SessionLog(status=SessionLog.START)
        opening = [
            Record(wall_time=now, file_version="brain.Event:2"),
            Record(wall_time=now, step=self._steps_done + 1, session_log=start),
        ]
        if not self._settings:
            return opening
        tags = [one.tag for one in metrics if one.split == "val"]
        return [
            *opening,
            *_hyperparameters(self._settings, tags),
            _text("configuration", self._settings),
        ]

    def _write(self, records: list[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        assert self._path is not None
        with writing(self._path), self._path.open("ab") as file:
            writer = RecordWriter(file)
            for record in records:
                writer.write(record.SerializeToString())
            file.flush()
            os.fsync(file.fileno())


def _record(step: int, **value: Any) -> Any:
    """Return an event with one value of a summary."""
    from tensorboard.compat.proto.event_pb2 import Event as Record
    from tensorboard.compat.proto.summary_pb2 import Summary

    summary = Summary(value=[Summary.Value(**value)])
    return Record(wall_time=time.time(), step=step, summary=summary)


def _scalars(event: EpochEnded, metrics: Sequence[EpochMetric]) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event as Record
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=one.tag, simple_value=event.metrics[one.key]) for one in metrics]
    return Record(wall_time=time.time(), step=event.step, summary=Summary(value=values))


def _hyperparameters(settings: Mapping[str, Setting], tags: Sequence[str]) -> list[Any]:
    """Return the events that declare the hyperparameters and the metrics ``tags`` of a run."""
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    chosen = {key: value for key, value in settings.items() if key.startswith(HYPERPARAMETERS)}
    session = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    infos = []
    for key, value in chosen.items():
        field, kind = _kind(value)
        setattr(session.hparams[key], f"{field}_value", value)
        infos.append(api_pb2.HParamInfo(name=key, type=api_pb2.DataType.Value(kind)))
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags]
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)
    return [
        _session_record("experiment", experiment),
        _session_record("session_start_info", session),
    ]


def _kind(value: Setting) -> tuple[str, str]:
    """Return the field of a value and its type, as the plugin calls them."""
    if isinstance(value, bool):
        return "bool", "DATA_TYPE_BOOL"
    if isinstance(value, str):
        return "string", "DATA_TYPE_STRING"
    return "number", "DATA_TYPE_FLOAT64"


def _session_end() -> Any:
    """Return the event of the end of a run."""
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    status = api_pb2.Status.Value("STATUS_SUCCESS")
    ended = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    return _session_record("session_end_info", ended)


def _session_record(name: str, content: Any) -> Any:
    """Return the event of a message of the plugin for hyperparameters."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    message = HParamsPluginData(version=0, **{name: content})
    return _record(0, tag=_PREFIX + name, metadata=_metadata("hparams", message))


def _text(tag: str, settings: Mapping[str, Setting]) -> Any:
    """Return the event of a text: one line for each setting, as a Markdown code block."""
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    lines = "".join(f"    {key}: {value}\n" for key, value in settings.items())
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[lines.encode()], tensor_shape=shape)
    metadata = _metadata("text", TextPluginData(version=0))
    return _record(0, tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)


def _metadata(plugin: str, content: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content.SerializeToString())
    return SummaryMetadata(plugin_data=data)


def _image(tag: str, attention: AttentionMap, step: int) -> Any:
    """Return the event of an image of attention weights."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    from seqcli.report.plots import drawing, small_figure

    file = io.BytesIO()
    with drawing():
        small_figure(attention).savefig(file, format="png", bbox_inches="tight")
    png = file.getvalue()
    width, height = struct.unpack(">II", png[16:24])  # of a PNG file's header
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return _record(step, tag=tag, image=image)
