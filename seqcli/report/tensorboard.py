"""Write scalars for ``tensorboard --logdir runs``, without torch or TensorFlow."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from seqcli.events import EpochEnded, Event, RunStarted
from seqcli.files.atomic import writing
from seqcli.metrics.metric import epoch_metrics


class TensorBoardLog:
    """A listener that writes the metrics of each epoch as scalars over optimizer steps.

    A resumed run starts its file with a SessionLog START event, so that TensorBoard discards events
    of earlier sessions after that step. TensorBoard is imported when the first epoch ends. An epoch
    is on disk when the listener returns.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path: Path | None = None
        self._steps_done = 0

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        if isinstance(event, RunStarted):
            self._steps_done, self._path = event.steps_done, None
        elif isinstance(event, EpochEnded):
            self._write([*self._opening(), *_scalars(event)])

    def _opening(self) -> list[Any]:
        """Return the first events of a file: its version and its first step."""
        if self._path is not None:
            return []
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.event_pb2 import SessionLog

        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        # files are read in the order of their names: nanoseconds keep restarts in order
        self._path = self.folder / f"events.out.tfevents.{time.time_ns():020d}.seqcli"
        now, start = time.time(), SessionLog(status=SessionLog.START)
        return [
            Record(wall_time=now, file_version="brain.Event:2"),
            Record(wall_time=now, step=self._steps_done + 1, session_log=start),
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


def _scalars(event: EpochEnded) -> list[Any]:
    from tensorboard.compat.proto.event_pb2 import Event as Record
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [
        Summary.Value(tag=one.tag, simple_value=event.metrics[one.key])
        for one in epoch_metrics(event.metrics)
    ]
    return [Record(wall_time=time.time(), step=event.step, summary=Summary(value=values))]
