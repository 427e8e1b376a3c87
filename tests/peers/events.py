"""Events as TensorBoard's own writer records them.

    pip install tensorboard && python tests/peers/events.py [RUN]

Writes training/tests/golden/events.tfevents, four events; or prints the scalars of a run folder, by its own reader.
"""

import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "training/tests/golden/events.tfevents"


def scalar(tag, value):
    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def write():
    events = [
        Event(wall_time=1.5e9, file_version="brain.Event:2"),
        Event(wall_time=1.5e9, step=3, session_log=SessionLog(status=SessionLog.START)),
        Event(wall_time=1.5e9, step=3, summary=scalar("train/loss", 2.5)),
        Event(wall_time=1.5e9, step=400, summary=scalar("valid/wer", 0.125)),
    ]
    with open(GOLDEN, "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()


def read(run):
    accumulator = EventAccumulator(run)
    accumulator.Reload()
    for tag in accumulator.Tags()["scalars"]:
        print(tag, [(event.step, round(event.value, 4)) for event in accumulator.Scalars(tag)])


if __name__ == "__main__":
    read(sys.argv[1]) if len(sys.argv) > 1 else write()
