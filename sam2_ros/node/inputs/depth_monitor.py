"""Detects that images and depth do not match in time, and why."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW = 8  # newest stamps of each topic
MAX_SLOP = 1000.0  # of the parameter depth_slop, milliseconds


class DepthMonitor:
    """Receives the stamp of every image and depth image; durations are on the steady clock."""

    def __init__(self, slop: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slop = slop  # by which stamps may differ, milliseconds
        self._stamps = {topic: deque[float](maxlen=_WINDOW) for topic in ("image", "depth")}
        self._received = dict.fromkeys(self._stamps, clock())
        self._unmatched_since: float | None = None  # the first image without depth; None: the last one had it

    def receive(self, topic: str, stamp: float) -> None:
        """Record the stamp of a message (seconds)."""
        self._received[topic] = self._clock()
        self._stamps[topic].append(stamp)

    def match(self) -> None:
        """Record that an image has its depth."""
        self._unmatched_since = None

    def miss(self) -> None:
        """Record that an image is processed without depth."""
        if self._unmatched_since is None:
            self._unmatched_since = self._clock()

    def reset(self) -> None:
        """Drop all stamps, because they jumped back."""
        for stamps in self._stamps.values():
            stamps.clear()

    def has_images(self, timeout: float) -> bool:
        """Whether an image was received in the last `timeout` seconds."""
        return self._clock() - self._received["image"] <= timeout

    def warning(self, timeout: float, explain_silence: Callable[[float], str]) -> str:
        """Why no image has had depth for `timeout` seconds or longer; empty: one had it, or there are no images either.

        `explain_silence` explains why no depth was received for some seconds.
        """
        now = self._clock()
        if self._unmatched_since is None or now - self._unmatched_since < timeout or not self.has_images(timeout):
            return ""
        silence = now - self._received["depth"]
        if silence > timeout:
            return explain_silence(silence)
        if not self._stamps["depth"] or not self._stamps["image"]:
            return ""
        return f"no depth matches an image for {now - self._unmatched_since:.1f} s: {self._reason()}"

    def _reason(self) -> str:
        for topic, stamps in self._stamps.items():
            if not any(stamps):
                return f"`{topic}` has no stamps (all are 0): let its driver set header.stamp"
        difference = self._smallest_difference()
        if difference == 0.0 or difference < self._slop:
            return (
                "their stamps match, but depth arrives after its image's results are published: compute it on the "
                "camera, or lower its resolution"
            )
        if difference > MAX_SLOP:
            return (
                f"the nearest stamps of image and depth differ by {difference / 1000:.1f} s: their drivers use "
                "different clocks, stamp both with one clock"
            )
        return (
            f"the nearest stamps of image and depth differ by {difference:.1f} ms, and depth_slop is {self._slop:g} "
            f"ms: let the driver give both one stamp, or set depth_slop above {difference:.1f}"
        )

    def _smallest_difference(self) -> float:
        """The smallest difference between a stamp of depth and one of an image, milliseconds."""
        return 1000 * min(abs(depth - image) for depth in self._stamps["depth"] for image in self._stamps["image"])
