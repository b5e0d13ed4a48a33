"""The executable `recorder`: writes what the tracker publishes into a folder, and sums it up.

Subscribes to `tracks`, `events`, `overlay` and `/diagnostics`. It ends once the stream has ended, and leaves
overlay.mp4 (in real time: a picture stays until the next one came), timeline.png and tracks.csv.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from sam2_ros.node import shutdown

if __name__ == "__main__":
    shutdown.end_at_once()  # the other imports take seconds

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from tqdm import tqdm

from sam2_ros.media.table import TrackRow, describe, write_csv
from sam2_ros.media.timeline import write_timeline
from sam2_ros.media.video import VideoWriter
from sam2_ros.msg import TrackArray, TrackEvent
from sam2_ros.node import messages, qos
from sam2_ros.node.image_conversion import to_rgb
from sam2_ros.tracking.speed import speed_of
from sam2_ros.tracking.types import Event

_PATIENCE = 4.0  # seconds without a result after which the stream has ended; more where results come slowly
_HOPE = 300.0  # seconds in which the first result has to come
_WRITING = 9.0  # seconds that the files may take to write after a signal: `ros2 launch` kills after ten
_KEPT = 100  # results that wait while a picture is written


class Recorder(Node):
    """Records until `is_over`; `finish` writes the files."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._folder = Path(self.declare_parameter("output", "demo_out").value)
        rate = self.declare_parameter("rate", 30.0).value  # of the camera and of overlay.mp4, frames per second
        frames = self.declare_parameter("frames", 0).value  # that the camera will send, 0: unknown
        self._folder.mkdir(parents=True, exist_ok=True)
        self._film = Film(self._folder / "overlay.mp4", rate)
        self._rows: dict[float, list[TrackRow]] = {}  # by stamp: a frame is sent again when a prompt changed it
        self._events: list[Event] = []
        self._latencies: list[float] = []
        self._health: dict[str, str] = {}
        self._slowest = 0.0  # seconds between two results
        self._start = time.monotonic()
        self._newest: float | None = None  # when the last result came, on the steady clock
        self._expected = frames or None
        self._bar: tqdm | None = None  # once there is something to show
        for kind, topic, callback in (
            (TrackArray, "tracks", self._on_tracks),
            (TrackEvent, "events", self._on_event),
            (Image, "overlay", self._film.add),
        ):
            self.create_subscription(kind, topic, callback, qos.profile("reliable", _KEPT))
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended, or never began."""
        if self._newest is None:
            return time.monotonic() - self._start > _HOPE
        return time.monotonic() - self._newest > max(_PATIENCE, 3 * self._slowest)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded."""
        return self._newest is None

    def finish(self) -> None:
        """Writes the files and prints the summary."""
        self._film.close()
        if self._bar is not None:
            self._bar.close()
        rows = [row for frame in self._rows.values() for row in frame]
        write_csv(rows, self._folder / "tracks.csv")
        write_timeline(rows, self._events, self._folder / "timeline.png")
        print(self._summary())

    def _on_tracks(self, message: TrackArray) -> None:
        now, stamp = time.monotonic(), messages.seconds(message.header.stamp)
        if stamp not in self._rows:
            self._latencies.append(self.get_clock().now().nanoseconds / 1e9 - stamp)
            if self._newest is not None:
                self._slowest = max(self._slowest, now - self._newest)
        number = list(self._rows).index(stamp) if stamp in self._rows else len(self._rows)
        self._rows[stamp] = _rows(message, number)
        self._newest = now
        if self._bar is None:
            self._bar = tqdm(total=self._expected, unit=" frames", desc="camera")
        self._bar.update(self._sent - self._bar.n)
        self._bar.set_postfix_str(", ".join(f"{row.id} {row.state.value}" for row in self._rows[stamp]))

    def _on_event(self, message: TrackEvent) -> None:
        self._events.append(messages.event_of(message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._health = {entry.key: entry.value for entry in message.status[0].values}

    @property
    def _sent(self) -> int:
        """Frames that the camera has sent, up to the newest one with a result."""
        return round((max(self._rows) - min(self._rows)) * self._film.rate) + 1 if self._rows else 0

    def _summary(self) -> str:
        start, processed = min(self._rows, default=0.0), len(self._rows)
        told = self._health.get
        lines = [
            f"frames   {self._sent} in, {processed} processed, {self._sent - processed} dropped (the network was busy)",
            f"speed    {processed * self._film.rate / max(self._sent, 1):.1f} frames/s on {told('device', '?')}",
            f"latency  camera to result: {_milliseconds(self._latencies)}",
            f"         in the node: median {told('latency median (ms)', '?')}, p99 {told('latency p99 (ms)', '?')} ms",
            f"events   {len(self._events)}",
            *(f"  {describe(event, start)}" for event in self._events),
        ]
        return "\n".join(lines)


class Film:
    """overlay.mp4: each picture is shown until the stamp of the next one."""

    def __init__(self, path: Path, rate: float) -> None:
        self.rate = rate
        self._writer = VideoWriter(path, rate)
        self._shown: Image | None = None

    def add(self, message: Image) -> None:
        """The next picture; one of the same stamp takes its predecessor's place."""
        if self._shown is not None:
            duration = messages.seconds(message.header.stamp) - messages.seconds(self._shown.header.stamp)
            self._show(round(duration * self.rate))
        self._shown = message

    def close(self) -> None:
        """Writes the last picture and ends the file."""
        self._show(1)
        self._writer.__exit__(None, None, None)

    def _show(self, times: int) -> None:
        if self._shown is not None:
            for _ in range(times):
                self._writer.write(to_rgb(self._shown))


def _rows(message: TrackArray, frame: int) -> list[TrackRow]:
    return [
        TrackRow(
            stamp=messages.seconds(message.header.stamp),
            frame=frame,
            id=track.id,
            label=track.label,
            state=messages.state_of(track),
            presence=track.presence,
            predicted_iou=track.predicted_iou,
            area=track.area,
            box=messages.box_of(track.box) if track.area else None,
        )
        for track in message.tracks
    ]


def _milliseconds(latencies: list[float]) -> str:
    speed = speed_of(latencies)
    return f"median {1e3 * speed.median:.1f} ms, p99 {1e3 * speed.p99:.1f} ms"


def main() -> NoReturn:
    """Records one stream, or until it is interrupted; the exit code is 1 where there was none."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    interrupted = threading.Event()
    shutdown.Watchdog(stop=interrupted.set, limit=_WRITING)
    recorder = Recorder()
    while not recorder.is_over and not interrupted.is_set():
        rclpy.spin_once(recorder, timeout_sec=0.2)
    if not recorder.is_empty:
        recorder.finish()
    elif not interrupted.is_set():
        print("recorder: no result came; is the tracker active, and does it get images?", file=sys.stderr)
        shutdown.leave(1)
    shutdown.leave(0)


if __name__ == "__main__":
    main()
