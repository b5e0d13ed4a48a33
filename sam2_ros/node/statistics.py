"""Counts, rates and times of a stream, bounded in memory."""

from __future__ import annotations

import time
from collections import Counter, deque

import numpy as np

from sam2_ros.detection.types import DetectionReport, Ignored
from sam2_ros.node.inputs.image_clock import Fault

_WINDOW = 200  # processed frames over which times are taken
_RATE_SECONDS = 5.0  # over which the rate is taken


class DetectionStatistics:
    """Counts of arrays of detections, and of their boxes."""

    def __init__(self) -> None:
        self.received = 0
        self.dropped = 0  # for newer ones
        self.refused = 0  # could not be used: no such image, another frame_id, ...
        self.problem = ""  # of the newest ones; empty: there is none
        self._boxes = 0
        self._ignored: Counter[Ignored] = Counter()
        self._times: deque[float] = deque(maxlen=_WINDOW)  # seconds spent on an array, without catching up

    def count(self, report: DetectionReport, seconds: float) -> None:
        """One array was applied."""
        self._boxes += report.boxes
        self._ignored.update(report.ignored)
        self._times.append(seconds)

    def values(self) -> dict[str, str]:
        """Everything by name, as text; nothing where nothing came."""
        if not self.received:
            return {}
        reasons = ", ".join(f"{count} {reason.value}" for reason, count in self._ignored.items())
        return {
            "detections received": str(self.received),
            "detections dropped": str(self.dropped),
            "detections refused": str(self.refused),
            "detections median (ms)": f"{1e3 * np.median(self._times or [0.0]):.2f}",
            "boxes received": str(self._boxes),
            "boxes ignored": reasons or "0",
        }


class Statistics:
    """Counts since the node was configured, and times over the newest frames."""

    def __init__(self) -> None:
        self.received = 0
        self.processed = 0
        self.dropped = 0  # replaced by a newer one while the worker was busy
        self.ignored_stamps: Counter[Fault] = Counter()  # frames that were ignored, by what is wrong with their stamps
        self.unusable = 0  # could not be read or processed
        self.objects = 0
        self.failing = ""  # why the newest frame failed; empty: it did not
        self.last_error = ""
        self.depth_problem = ""  # why the newest frame has no positions; empty: it has, or they were not asked for
        self.detections = DetectionStatistics()
        self._latencies: deque[float] = deque(maxlen=_WINDOW)  # seconds from receiving an image to having published
        self._overheads: deque[float] = deque(maxlen=_WINDOW)  # of these, spent outside the tracker
        self._catch_ups: deque[float] = deque(maxlen=_WINDOW)  # seconds spent on late prompts between two frames
        self._finished: deque[float] = deque(maxlen=_WINDOW)  # on the steady clock

    def count_processed(self, latency: float, in_tracker: float) -> None:
        """One frame was received, processed and published (seconds)."""
        self.processed += 1
        self.failing = ""
        self._latencies.append(latency)
        self._overheads.append(latency - in_tracker)
        self._finished.append(time.monotonic())

    def count_catch_up(self, seconds: float) -> None:
        """Late prompts were carried forward by some frames."""
        self._catch_ups.append(seconds)

    def count_unusable(self, reason: str) -> None:
        """One frame could not be used."""
        self.unusable += 1
        self.failing = self.last_error = reason

    @property
    def rate(self) -> float:
        """Frames per second of late."""
        oldest = time.monotonic() - _RATE_SECONDS
        recent = [moment for moment in tuple(self._finished) if moment >= oldest]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def values(self) -> dict[str, str]:
        """Everything by name, as text."""
        latencies, overheads, catch_ups = (
            np.array(times or [0.0]) for times in (self._latencies, self._overheads, self._catch_ups)
        )
        return {
            "rate (frames/s)": f"{self.rate:.2f}",
            "latency median (ms)": f"{1e3 * np.median(latencies):.2f}",
            "latency p99 (ms)": f"{1e3 * np.percentile(latencies, 99):.2f}",
            "overhead median (ms)": f"{1e3 * np.median(overheads):.2f}",
            "overhead p99 (ms)": f"{1e3 * np.percentile(overheads, 99):.2f}",
            "catching up with late prompts median (ms)": f"{1e3 * np.median(catch_ups):.2f}",
            "catching up with late prompts p99 (ms)": f"{1e3 * np.percentile(catch_ups, 99):.2f}",
            "frames received": str(self.received),
            "frames processed": str(self.processed),
            "frames dropped": str(self.dropped),
            "frames out of order": str(self._ignored(Fault.LATE, Fault.REPEATED)),
            "frames with a stray stamp": str(self._ignored(Fault.STRAY)),
            "frames without a stamp": str(self._ignored(Fault.UNSTAMPED)),
            "frames unusable": str(self.unusable),
            "objects": str(self.objects),
            **self.detections.values(),
            "last error": self.last_error,
        }

    def _ignored(self, *faults: Fault) -> int:
        return sum(self.ignored_stamps[fault] for fault in faults)
