"""Counts, rates and durations of one image stream, bounded in memory."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from sam2_ros.detection.types import DetectionReport, Ignored
from sam2_ros.node.inputs.stamp_filter import StampFault

_WINDOW = 200  # newest images over which medians and percentiles are computed
_RATE_WINDOW = 5.0  # seconds over which the rate is computed


class DetectionStatistics:
    """Counts of Detection2DArray messages and of their boxes."""

    def __init__(self) -> None:
        self.received = 0
        self.dropped = 0  # in favour of newer ones
        self.refused = 0  # not usable: no such image, another frame_id, ...
        self.warning = ""  # about the newest detections; empty: none
        self._boxes = 0
        self._ignored: Counter[Ignored] = Counter()
        self._durations: deque[float] = deque(maxlen=_WINDOW)  # seconds to apply an array, without catching up

    def count(self, report: DetectionReport, seconds: float) -> None:
        """Count an array that was applied."""
        self._boxes += report.boxes
        self._ignored.update(report.ignored)
        self._durations.append(seconds)

    def values(self) -> dict[str, str]:
        """Key-value pairs for /diagnostics; empty where no detections were received."""
        if not self.received:
            return {}
        ignored = tuple(self._ignored.items())  # the worker's thread counts meanwhile
        reasons = ", ".join(f"{count} {reason.value}" for reason, count in ignored)
        return {
            "detections received": str(self.received),
            "detections dropped": str(self.dropped),
            "detections refused": str(self.refused),
            "detections median (ms)": f"{1e3 * np.median(self._durations or [0.0]):.2f}",
            "boxes received": str(self._boxes),
            "boxes ignored": reasons or "0",
        }


class BackgroundStatistics:
    """Counts and durations of segmentation and discovery."""

    def __init__(self) -> None:
        self.waiting = 0  # requests for masks
        self.done = 0  # finished and cancelled requests
        self.searches = 0  # for objects that are not tracked
        self.discovered = 0  # objects
        self._pieces: deque[float] = deque(maxlen=_WINDOW)  # seconds of each piece of work between two images

    def count_piece(self, seconds: float) -> None:
        """Count a piece of work."""
        self._pieces.append(seconds)

    def values(self) -> dict[str, str]:
        """Key-value pairs for /diagnostics; empty where there was no such work."""
        if not self._pieces:
            return {}
        pieces = np.array(self._pieces)
        return {
            "segmentations waiting": str(self.waiting),
            "segmentations done": str(self.done),
            "searches for objects": str(self.searches),
            "objects discovered": str(self.discovered),
            "segmentation between images median (ms)": f"{1e3 * np.median(pieces):.2f}",
            "segmentation between images p99 (ms)": f"{1e3 * np.percentile(pieces, 99):.2f}",
        }


class Statistics:
    """Counts since the node was configured, and durations of the newest images."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.received = 0
        self.processed = 0
        self.dropped = 0  # replaced by a newer one while the worker was busy
        self.ignored_stamps: Counter[StampFault] = Counter()  # images that were ignored because of their stamps
        self.unusable = 0  # could not be read or processed
        self.objects = 0
        self.image_error = ""  # why the newest image could not be processed; empty where it could be
        self.last_error = ""
        self.depth_warning = ""  # why the newest image has no positions; empty where it has, or `depth` is false
        self.detections = DetectionStatistics()
        self.background = BackgroundStatistics()
        self._latencies: deque[float] = deque(maxlen=_WINDOW)  # seconds from the receipt of an image to its results
        self._overheads: deque[float] = deque(maxlen=_WINDOW)  # the part of these outside the tracker, seconds
        self._catch_ups: deque[float] = deque(maxlen=_WINDOW)  # seconds for late prompts between two images
        self._processed_at: deque[float] = deque(maxlen=_WINDOW)  # seconds on the steady clock

    def count_processed(self, latency: float, in_tracker: float) -> None:
        """Count an image that was processed and published; durations in seconds."""
        self.processed += 1
        self.image_error = ""
        self._latencies.append(latency)
        self._overheads.append(latency - in_tracker)
        self._processed_at.append(self._clock())

    def count_catch_up(self, seconds: float) -> None:
        """Count a step in which late prompts were propagated."""
        self._catch_ups.append(seconds)

    def count_unusable(self, reason: str) -> None:
        """Count an image that could not be read or processed."""
        self.unusable += 1
        self.image_error = self.last_error = reason

    @property
    def rate(self) -> float:
        """Images per second over the last seconds, or over the last two images of a slower camera."""
        now, times = self._clock(), tuple(self._processed_at)
        recent = [at for at in times if at >= now - _RATE_WINDOW]
        if len(recent) > 1:
            return (len(recent) - 1) / (recent[-1] - recent[0])
        period = times[-1] - times[-2] if len(times) > 1 else 0.0
        return 1 / period if period and now - times[-1] < 2 * period else 0.0

    def values(self) -> dict[str, str]:
        """Key-value pairs for /diagnostics."""
        latencies, overheads, catch_ups = (
            np.array(durations or [0.0]) for durations in (self._latencies, self._overheads, self._catch_ups)
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
            "frames out of order": str(self._ignored(StampFault.LATE, StampFault.REPEATED)),
            "frames with a stray stamp": str(self._ignored(StampFault.STRAY)),
            "frames without a stamp": str(self._ignored(StampFault.UNSTAMPED)),
            "frames unusable": str(self.unusable),
            "objects": str(self.objects),
            **self.detections.values(),
            **self.background.values(),
            "last error": self.last_error,
        }

    def _ignored(self, *faults: StampFault) -> int:
        return sum(self.ignored_stamps[fault] for fault in faults)
