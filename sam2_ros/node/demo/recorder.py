"""The executable `recorder`: records the tracker's outputs in a folder, and prints a summary.

Subscribes to `tracks`, `events`, `overlay`, `/diagnostics`, and to `prompt` and `detections`, which are drawn onto the
overlay. It ends when the stream has ended, and writes overlay.mp4 (in real time: an image is shown until the next one),
timeline.png and tracks.csv.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sam2_ros.node import shutdown

if __name__ == "__main__":
    shutdown.reset_signal_handlers()  # the other imports take seconds

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from sam2_ros.media.colours import Colour, drawn_colour
from sam2_ros.media.ros_images import to_rgb
from sam2_ros.media.ros_prompts import box_of
from sam2_ros.media.table import TrackRow, describe, write_csv
from sam2_ros.media.timeline import write_timeline
from sam2_ros.media.video import VideoWriter
from sam2_ros.msg import Prompt, TrackArray, TrackEvent
from sam2_ros.node import qos
from sam2_ros.node.conversions import messages
from sam2_ros.node.demo.progress import FrameProgress, say
from sam2_ros.node.demo.prompt_marks import PromptMarks
from sam2_ros.node.distributions import publisher_count
from sam2_ros.node.features import import_error
from sam2_ros.tracking.speed import speed_of
from sam2_ros.tracking.types import Event, EventKind

FILES = ("overlay.mp4", "timeline.png", "tracks.csv")

_IDLE_TIMEOUT = 4.0  # seconds without a result after which the stream has ended; more where results come slowly
_FIRST_RESULT_TIMEOUT = 300.0  # seconds until the first result
_WRITE_TIMEOUT = 9.0  # seconds that the files may take after a signal: `ros2 launch` kills after ten
_QUEUE = 100  # results that are queued while an image is written


class Recorder(Node):
    """Records until `is_over`; `finish` writes the files. Files of an earlier run are deleted first.

    Raises OSError where the folder cannot be created or written to.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, **node: Any) -> None:
        """`clock` is a steady one (seconds); `node` are keywords of rclpy's Node."""
        super().__init__("recorder", **node)
        self._steady_clock = clock
        self._folder = Path(self.declare_parameter("output", "demo_out").value)
        rate = self.declare_parameter("rate", 30.0).value  # of the camera and of overlay.mp4, frames per second
        frames = self.declare_parameter("frames", 0).value  # that the camera will send, 0: unknown
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (self._folder / name).unlink(missing_ok=True)
        self._video = OverlayVideo(self._folder / "overlay.mp4", rate)
        self._rows: dict[float, list[TrackRow]] = {}  # by stamp: a frame that a prompt changed is published again
        self._colours: dict[int, Colour] = {}  # of the overlay, by id
        self.events: list[Event] = []  # in order of arrival
        self._latencies: list[float] = []
        self._diagnostics: dict[str, str] = {}
        self._size = ""  # of the images
        self._slowest = 0.0  # seconds between two results
        self._start = clock()
        self._newest: float | None = None  # arrival of the newest result, on the steady clock
        self._progress = FrameProgress(frames or None, clock)
        self._marks = PromptMarks()
        results = qos.profile("reliable", _QUEUE)
        self._results = [
            self.create_subscription(TrackArray, "tracks", self._on_tracks, results),
            self.create_subscription(TrackEvent, "events", self._on_event, results),
            self.create_subscription(Image, "overlay", self._on_overlay, results),
        ]
        self.create_subscription(Prompt, "prompt", self._on_prompt, results)
        if not import_error("vision_msgs"):
            from vision_msgs.msg import Detection2DArray

            self.create_subscription(Detection2DArray, "detections", self._on_detections, results)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    @property
    def is_connected(self) -> bool:
        """Whether the tracker's publishers are connected; in Humble only, whether they are known."""
        return all(publisher_count(self, topic) for topic in self._results)

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended, has not started in time, or has no object because the click was rejected."""
        if self.is_rejected:
            return True
        if self._newest is None:
            return self._steady_clock() - self._start > _FIRST_RESULT_TIMEOUT
        return self._steady_clock() - self._newest > max(_IDLE_TIMEOUT, 3 * self._slowest)

    @property
    def is_rejected(self) -> bool:
        """Whether the click was rejected, and no detector can start an object."""
        kinds = {event.kind for event in self.events}
        is_alone = not self.count_publishers("detections")
        return is_alone and EventKind.PROMPT_REJECTED in kinds and EventKind.STARTED not in kinds

    @property
    def frames(self) -> int:
        """Images with a result so far."""
        return len(self._rows)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded."""
        return self._newest is None

    def problem(self) -> str:
        """Why the recording has no objects, and what to do; empty if it has some."""
        if self.is_empty:
            return "no result arrived: is the tracker active, and does it receive images?"
        if any(self._rows.values()) or any(event.kind is EventKind.STARTED for event in self.events):
            return ""
        reasons = [event.reason for event in self.events if event.kind is EventKind.PROMPT_REJECTED]
        what = (
            f"the click was rejected: {reasons[-1]}"
            if reasons
            else f"no object was started on the {self.frames} of {self._sent} images that were processed"
        )
        return f"{what}\nthe video has {self._size} pixels: pick one on the object, and give it as the click X,Y"

    def finish(self) -> None:
        """Write the files and print the summary. All times are seconds since the first image."""
        self._video.close()
        self._progress.close()
        start = min(self._rows, default=0.0)
        rows = [replace(row, stamp=row.stamp - start) for frame in self._rows.values() for row in frame]
        events = [replace(event, stamp=event.stamp - start) for event in self.events]
        write_csv(rows, self._folder / "tracks.csv")
        write_timeline(rows, events, self._folder / "timeline.png", self._colours)
        say(self._summary(events))

    def _on_tracks(self, message: TrackArray) -> None:
        now, stamp = self._steady_clock(), messages.seconds(message.header.stamp)
        if stamp not in self._rows:
            self._latencies.append(self._now() - stamp)
            if self._newest is not None:
                self._slowest = max(self._slowest, now - self._newest)
        number = list(self._rows).index(stamp) if stamp in self._rows else len(self._rows)
        self._rows[stamp] = _rows(message, number)
        self._newest = now
        self._size = f"{message.image_width}x{message.image_height}"
        self._progress.show(self._sent, ", ".join(f"{row.id} {row.state.value}" for row in self._rows[stamp]))

    def _on_event(self, message: TrackEvent) -> None:
        self.events.append(messages.event_of(message))

    def _on_overlay(self, message: Image) -> None:
        stamp, overlay = messages.seconds(message.header.stamp), to_rgb(message)
        for row in self._rows.get(stamp, []):
            if row.box and row.id not in self._colours:
                colour = drawn_colour(overlay, row.box, self._colours.values())
                self._colours |= {row.id: colour} if colour else {}
        self._video.add(self._marks.drawn(overlay, stamp), stamp)

    def _on_prompt(self, message: Prompt) -> None:
        self._marks.add_prompt(message, self._now())

    def _on_detections(self, message: Any) -> None:
        self._marks.add_detections(message, self._now())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._diagnostics = {entry.key: entry.value for entry in message.status[0].values}

    def _now(self) -> float:
        """The time on the clock of the images' stamps (seconds)."""
        now: float = self.get_clock().now().nanoseconds / 1e9
        return now

    @property
    def _sent(self) -> int:
        """Frames that the camera has published, up to the newest one with a result."""
        return round((max(self._rows) - min(self._rows)) * self._video.rate) + 1 if self._rows else 0

    def _summary(self, events: list[Event]) -> str:
        processed, diagnostics = self.frames, self._diagnostics
        rate = processed * self._video.rate / max(self._sent, 1)
        lines = [
            f"frames   {self._sent} in, {processed} processed, {self._sent - processed} dropped (the network was busy)",
            f"speed    {rate:.1f} frames/s on {diagnostics.get('device', '?')}",
            f"latency  camera to result: {_milliseconds(self._latencies)}",
            f"         in the node: median {diagnostics.get('latency median (ms)', '?')}, "
            f"p99 {diagnostics.get('latency p99 (ms)', '?')} ms",
            f"events   {len(events)}, in seconds since the first image",
            *(f"  {describe(event)}" for event in events),
        ]
        return "\n".join(lines)


class OverlayVideo:
    """Writes overlay.mp4: each image is shown until the stamp of the next one."""

    def __init__(self, path: Path, rate: float) -> None:
        self.rate = rate
        self._writer = VideoWriter(path, rate)
        self._newest: tuple[np.ndarray, float] | None = None

    def add(self, rgb: np.ndarray, stamp: float) -> None:
        """Add the next image (H, W, 3) uint8 RGB; one with the same stamp replaces the previous one."""
        if self._newest is not None:
            self._show(round((stamp - self._newest[1]) * self.rate))
        self._newest = rgb, stamp

    def close(self) -> None:
        """Write the last image and finish the file."""
        self._show(1)
        self._writer.__exit__(None, None, None)

    def _show(self, times: int) -> None:
        if self._newest is not None:
            for _ in range(times):
                self._writer.write(self._newest[0])


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
            box=box_of(track.box) if track.area else None,
        )
        for track in message.tracks
    ]


def _milliseconds(latencies: list[float]) -> str:
    speed = speed_of(latencies)
    return f"median {1e3 * speed.median:.1f} ms, p99 {1e3 * speed.p99:.1f} ms"


def main() -> NoReturn:
    """Record one stream, or until a signal; the exit code is 1 where nothing was tracked."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    interrupted = threading.Event()
    shutdown.Watchdog(stop=interrupted.set, limit=_WRITE_TIMEOUT)
    try:
        recorder = Recorder()
    except OSError as error:
        print(f"recorder: cannot write to {error.filename}: {error.strerror}", file=sys.stderr)
        shutdown.exit_process(2)
    while not recorder.is_over and not interrupted.is_set():
        rclpy.spin_once(recorder, timeout_sec=0.2)
    if not recorder.is_empty:
        recorder.finish()
    problem = recorder.problem()
    if problem and not (interrupted.is_set() and recorder.is_empty):
        print(f"recorder: {problem}", file=sys.stderr)
        shutdown.exit_process(1)
    shutdown.exit_process(0)


if __name__ == "__main__":
    main()
